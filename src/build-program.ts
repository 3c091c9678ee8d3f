import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, resolve, sep } from 'node:path';
import { stampOfSources } from './source-stamp.ts';

const SOURCES = import.meta.dirname;
const ROOT = resolve(SOURCES, '..');
const PAGES = join(SOURCES, 'pages') + sep;
/** Written by tsc whenever it wrote anything: by somebody else too, as `npm run check`. */
const TSC_STATE = join(ROOT, 'dist/.tsbuildinfo');
const STAMP = join(ROOT, 'dist/.program-stamp');

/**
 * Compiles the program into dist. Does nothing, unless --always is said, where neither sources,
 * settings and packages nor what tsc wrote have changed since: tsc itself takes seconds to see it.
 *
 * @returns the exit code
 */
async function buildProgram(isAlways: boolean): Promise<number> {
  const sources = await stampOfSources(
    SOURCES,
    [join(ROOT, 'tsconfig.json'), join(ROOT, 'package-lock.json')],
    (path) => path.endsWith('.ts') && !path.startsWith(PAGES),
  );
  const built = await readFile(STAMP, 'utf8').catch(() => null);
  if (!isAlways && built === await stampOf(sources)) return 0;
  // A build that is cut off leaves none, and the next one begins anew.
  await rm(STAMP, { force: true });
  const compiler = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  const { status } = spawnSync(process.execPath, [compiler, '-p', ROOT], { stdio: 'inherit' });
  if (status !== 0) return status ?? 1;
  // Without it, as in a folder that cannot be written to, the compiler is asked at each start.
  await writeFile(STAMP, await stampOf(sources)).catch(() => {});
  return 0;
}

async function stampOf(sources: string): Promise<string> {
  const state = await readFile(TSC_STATE).catch(() => '');
  return createHash('sha256').update(sources).update(state).digest('hex');
}

process.exitCode = await buildProgram(process.argv.includes('--always'));
