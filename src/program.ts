import { enableCompileCache, flushCompileCache } from 'node:module';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Config } from './config.ts';
import { startEmbeddedPostgres } from './demo/embedded-postgres.ts';
import { loadSandboxThread } from './demo/sandbox-thread.ts';
import type { Database } from './model-home.ts';
import { assertAnswers, assertOneDatabase } from './named-database.ts';
import { assertFree } from './own-address.ts';
import { refuseStart } from './start-refused.ts';
import { Undo } from './undo.ts';

const COMPILE_CACHE = join(import.meta.dirname, '.compile-cache');

/** The whole program, running; `stop` undoes it in order. */
export interface Program {
  stop(): Promise<void>;
}

/**
 * Database, migrations, demo, parts, worker, gateway: in this order, and back in reverse.
 * @throws StartRefused where an operator has to act first, the reason of `stopping` once that was
 *   fired: then the step under way is the last, and all are undone
 */
export async function startProgram(
  config: Config,
  log: Logger,
  stopping: AbortSignal,
): Promise<Program> {
  const undo = new Undo();
  const stop = (): Promise<void> =>
    undo.run((error) => log.error({ err: error }, 'A step of the stop failed'));
  try {
    await start(config, log, undo, stopping);
  } catch (error) {
    await stop();
    throw error;
  }
  return { stop };
}

async function start(
  config: Config,
  log: Logger,
  undo: Undo,
  stopping: AbortSignal,
): Promise<void> {
  // A listener beside others that share the port would be dealt connections, and reset them.
  if (config.role !== 'worker' && !config.isPortShared) await assertFree(config);
  const thread = config.isDemo ? loadSandboxThread() : null;
  if (thread !== null) undo.push(thread.close);
  const database = await openDatabase(config, log, undo, stopping);
  const { assemble } = await loadAssembly();
  stopping.throwIfAborted();
  await assemble({ config, log, database, thread }, undo, stopping);
}

const loadAssembly = () => import('./assembly.ts');

/**
 * A second of work that leaves nothing else its turn: PostgreSQL starts meanwhile. What V8 compiled
 * is kept for the next start, and written at once: it takes as long again the first time, and a
 * stop has no time for it.
 */
async function loadAndKeep(): Promise<void> {
  enableCompileCache(COMPILE_CACHE);
  await loadAssembly();
  flushCompileCache();
}

async function openDatabase(
  config: Config,
  log: Logger,
  undo: Undo,
  stopping: AbortSignal,
): Promise<Database> {
  if (config.databaseUrl !== null) {
    const { databaseUrl, migrationDatabaseUrl: ownerDatabaseUrl } = config;
    await assertAnswers({ name: 'DATABASE_URL', url: databaseUrl });
    if (ownerDatabaseUrl !== null) {
      await assertAnswers({ name: 'MIGRATION_DATABASE_URL', url: ownerDatabaseUrl });
      await assertOneDatabase(databaseUrl, ownerDatabaseUrl);
    }
    return { databaseUrl, ownerDatabaseUrl };
  }
  const embedded = await startEmbeddedPostgres({
    dataDir: config.dataDir,
    log: (message) => log.info(message),
    whileWaiting: () => void loadAndKeep().catch(() => {}),
    stopping,
  }).catch((error: unknown) => {
    stopping.throwIfAborted();
    refuseStart(error);
  });
  undo.push(() => embedded.stop());
  return embedded;
}
