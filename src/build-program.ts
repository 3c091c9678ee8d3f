import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, resolve, sep } from 'node:path';
import { stampOfSources } from './source-stamp.ts';

const SOURCES = import.meta.dirname;
const ROOT = resolve(SOURCES, '..');
const PAGES = join(SOURCES, 'pages') + sep;
/** Written by tsc whenever it wrote anything: by somebody else too, as `npm run check`. */
const TSC_STATE = join(ROOT, 'dist/.tsbuildinfo');
const COULD_NOT_WRITE = 'error TS5033';
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
  const compiled = await compile();
  if (compiled.code !== 0) {
    process.stderr.write(`${whyNotCompiled(compiled)}\n`);
    return compiled.code ?? 1;
  }
  // What was changed while it read may or may not be in there.
  if (sources === await stampOfProgram()) {
    await writeFile(STAMP, await stampOf(sources)).catch(() => {});
  }
  return 0;
}

interface Compiled {
  readonly code: number | null;
  readonly signal: string | null;
  readonly told: string;
}

/** Runs the compiler, which ends with this process where that is ended meanwhile. */
async function compile(): Promise<Compiled> {
  const path = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  const compiler = spawn(process.execPath, [path, '-p', ROOT], {
    stdio: ['inherit', 'pipe', 'inherit'],
  });
  process.once('exit', () => compiler.kill());
  let told = '';
  compiler.stdout.setEncoding('utf8').on('data', (text: string) => { told += text; });
  try {
    const [code, signal] = await once(compiler, 'close') as [number | null, string | null];
    return { code, signal, told };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { code: 1, signal: null, told: `The compiler could not be started: ${why}` };
  }
}

/** In words, where what the compiler says would not tell a reader what to do. */
function whyNotCompiled({ code, signal, told }: Compiled): string {
  if (code === null) {
    return `The compiler was ended (${signal}), as happens where memory is short: it takes up to`
      + ' 1 GB. Build where there is more, by npm run build, and bring dist along.';
  }
  const lines = told.trim().split('\n');
  if (!lines.every((line) => line.includes(COULD_NOT_WRITE))) return told.trimEnd();
  return `${lines[0]}\n${join(ROOT, 'dist')} cannot be written, and what is in there is not up to`
    + ' date: build as its owner, by npm run build, or give it to the user who starts the program.';
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
