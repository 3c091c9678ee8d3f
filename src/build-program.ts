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
  const sources = await stampOfProgram();
  const built = await readFile(STAMP, 'utf8').catch(() => null);
  if (!isAlways && built === await stampOf(sources)) return 0;
  // In a folder that cannot be written to the compiler is asked at each start.
  const remove = (path: string): Promise<void> => rm(path, { force: true }).catch(() => {});
  // Without its state it writes all anew: of what was cut off, or taken away, it knows nothing.
  if (isAlways || built === null) await remove(TSC_STATE);
  await remove(STAMP);
  const compiler = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  const { status } = spawnSync(process.execPath, [compiler, '-p', ROOT], { stdio: 'inherit' });
  if (status !== 0) return status ?? 1;
  // What was changed while it read may or may not be in there.
  if (sources === await stampOfProgram()) {
    await writeFile(STAMP, await stampOf(sources)).catch(() => {});
  }
  return 0;
}

function stampOfProgram(): Promise<string> {
  return stampOfSources(
    SOURCES,
    [join(ROOT, 'tsconfig.json'), join(ROOT, 'package-lock.json')],
    (path) => /\.[cm]?tsx?$/.test(path) && !path.startsWith(PAGES),
  );
}

async function stampOf(sources: string): Promise<string> {
  const state = await readFile(TSC_STATE).catch(() => '');
  return createHash('sha256').update(sources).update(state).digest('hex');
}

process.exitCode = await buildProgram(process.argv.includes('--always'));
