import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import type { Logger } from 'pino';
import { readCommandLine } from './command-line.ts';
import { ConfigError, configFromEnvironment, type Config } from './config.ts';
import { removeEmbeddedPostgres } from './demo/embedded-postgres.ts';
import { createLog, openLogOutput } from './log.ts';
import { startProgram, type Program } from './program.ts';
import { refuseStart, StartRefused } from './start-refused.ts';

// V8 comes to allocate some objects of a request among the old ones, where their dead keep all
// requests after them until the next full collection (seen: 4.6 kB of each, and pauses of 12 ms
// instead of 2).
setFlagsFromString('--no-allocation-site-pretenuring');

const logOutput = openLogOutput();

/** A stop that takes longer is cut off; the caller was promised an end within 10 seconds. */
const STOP_MS_MAX = 9_000;

async function main(): Promise<void> {
  const { command, words } = readCommandLine(process.argv.slice(2));
  process.stdout.on('error', (error) => {
    // Whoever read the card may have gone since: `npm start | head -1`.
    if (command === null || command === '--reset') return;
    process.stderr.write(`What was to be told could not be written: ${error.message}\n`);
    process.exitCode = 1;
  });
  // Keys are hashed under the secret of the processes that will check them.
  const config = configFromEnvironment(['--reset', '--keys', '--vouchers', null].includes(command));
  if (command !== null && command !== '--reset') {
    const { runCommand } = await import('./commands.ts');
    return runCommand(command, config, words);
  }
  const log = createLog(config.logLevel, logOutput.stream);
  if (command === '--reset') await emptyDemo(config, log);
  await runUntilSignal(config, log);
}

async function emptyDemo({ databaseUrl, dataDir }: Config, log: Logger): Promise<void> {
  if (databaseUrl !== null) {
    throw new StartRefused('npm run demo:reset empties the embedded PostgreSQL and no other:'
      + ' leave out DATABASE_URL, or empty that database yourself');
  }
  await removeEmbeddedPostgres({ dataDir, log: (message) => log.info(message) })
    .catch(refuseStart);
}

async function runUntilSignal(config: Config, log: Logger): Promise<void> {
  let asked: ((reason: string) => void) | null = null;
  const signalled = new Promise<string>((resolve) => { asked = resolve; });
  // Registered before anything starts, and kept: further signals change nothing.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => asked?.(signal));
  }
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'A fault that nobody caught; the program stops');
    process.exitCode = 1;
    asked?.('fault');
  });
  const stopping = new AbortController();
  const starting = startProgram(config, log, stopping.signal);
  const reason = await Promise.race([starting.then(() => signalled), signalled]);
  log.info({ reason }, 'Stopping');
  stopping.abort();
  await stopInTime(starting, log);
}

/** Whatever the start is waiting for then: the end is due from the signal on. */
async function stopInTime(starting: Promise<Program>, log: Logger): Promise<never> {
  const stopped = starting.then(
    (program) => program.stop(),
    (error: unknown) => {
      if (error instanceof DOMException && error.name === 'AbortError') return;
      log.warn({ err: error }, 'The start failed while it was to be stopped');
    },
  );
  const isInTime = await Promise.race([
    stopped.then(() => true),
    delay(STOP_MS_MAX, false, { ref: false }),
  ]);
  if (!isInTime) log.error('The stop took too long and was cut off');
  else log.info('Stopped');
  await logOutput.flush();
  process.exit(process.exitCode ?? 0);
}

try {
  await main();
} catch (error) {
  await logOutput.flush();
  const isPlain = error instanceof ConfigError || error instanceof StartRefused;
  const text = isPlain ? (error as Error).message : (error as Error).stack;
  process.stderr.write(`${text ?? String(error)}\n`);
  process.exit(1);
}
