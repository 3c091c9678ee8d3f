import { enableCompileCache, flushCompileCache } from 'node:module';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';

const COMPILE_CACHE = join(import.meta.dirname, '../dist/.compile-cache');
export const STOP_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

/** What a stop signal does until a program is there to be stopped: its listener. */
export const leave = (): never => process.exit(0);

/**
 * All that comes before a start, in one process: each further one costs a fifth of a second. A stop
 * signal meanwhile ends this process, and a compiler with it, as nothing runs yet; `leave` goes on
 * to listen.
 *
 * @returns whether there is a program to start; why not was told
 */
export async function prepareStart(): Promise<boolean> {
  for (const signal of STOP_SIGNALS) process.on(signal, leave);
  enableCompileCache(COMPILE_CACHE);
  await import('./demo/remove-stale-file.ts');
  await import('./build-program.ts');
  // What did not compile is not started, and has no need of pages.
  if (process.exitCode === 0) await import('./pages/build.ts');
  flushCompileCache();
  // Writing took milliseconds: a signal that came meanwhile is caught, and not heard yet.
  await turn();
  await turn();
  return process.exitCode === 0;
}
