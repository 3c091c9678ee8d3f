import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { leave, prepareStart, STOP_SIGNALS } from './before-start.ts';

const ROOT = join(import.meta.dirname, '..');

/**
 * `npm run dev`: the program, started anew whenever the compiler beside it has written something.
 * Ends when the program does, and takes the compiler along.
 */
if (await prepareStart()) {
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  const run = (...words: readonly string[]) =>
    spawn(process.execPath, words, { cwd: ROOT, stdio: 'inherit' });
  const compiler = run(tsc, '--watch', '--preserveWatchOutput');
  const program = run('--watch', '--disable-proto=delete', '--enable-source-maps', 'dist/main.js');
  for (const signal of STOP_SIGNALS) {
    // By SIGTERM always: at SIGHUP node --watch would leave its program behind.
    process.on(signal, () => program.kill()).off(signal, leave);
  }
  program.once('exit', (code) => {
    compiler.kill();
    process.exitCode = code ?? 1;
  });
}
