import { extname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

import type { SandboxSupplier, SandboxSupplierOptions } from './sandbox-supplier.ts';

/** What the thread is given. */
export type SandboxThreadOptions = Omit<SandboxSupplierOptions, 'log'>;

/** What the thread is told: to start, once, and to stop. */
export type SandboxThreadOrder = SandboxThreadOptions | 'stop';

/** What the thread says: lines for the log, and once whether it has started. */
export type SandboxThreadMessage =
  | { readonly log: string }
  | { readonly url: string; readonly port: number }
  | { readonly error: string; readonly fault: Readonly<Record<string, unknown>> };

// Beside this file under the same kind of name, be it compiled or not.
const ENTRY = new URL(`./sandbox-thread-entry${extname(import.meta.url)}`, import.meta.url);
/** The thread closes in about a second; after this it is ended where it stands. */
const STOP_MS_MAX = 3_000;

/** A thread that ended by itself is started again after this. */
const RESTART_PAUSE_MS = 250;

/** A thread that has what it needs, or loads it, and waits to be told to start. */
export interface LoadedThread {
  readonly worker: Worker;
  /** Resolves when it is gone, with the error that ended it, or null. */
  readonly ended: Promise<unknown>;
  /** Ends it where it stands; nothing where it has ended. */
  close(): Promise<unknown>;
}

/** Ahead of the start: the thread loads for a third of a second. */
export function loadSandboxThread(): LoadedThread {
  const worker = new Worker(ENTRY);
  const ended = new Promise<unknown>((resolve) => {
    let failure: unknown = null;
    worker.on('error', (error) => { failure = error; });
    worker.once('exit', () => resolve(failure));
  });
  return { worker, ended, close: () => worker.terminate() };
}

/**
 * Starts the sandbox supplier in a thread of its own, so that the gateway's event loop is not
 * shared with the company it calls. Should the thread end by itself, another one takes its port.
 * @throws Error where the supplier could not be started; nothing is left running then
 */
export async function startSandboxThread(
  options: SandboxSupplierOptions,
  loaded: LoadedThread = loadSandboxThread(),
): Promise<SandboxSupplier> {
  let isClosed = false;
  let thread = await startThread(options, loaded);
  const { url, port } = thread;
  const keepRunning = async (): Promise<void> => {
    while (!isClosed) {
      await thread.ended;
      if (isClosed) return;
      options.log("The sandbox supplier's thread ended and is started again");
      await delay(RESTART_PAUSE_MS);
      // The database or the port may not be back yet; the next round tries again.
      thread = await startThread({ ...options, port }, loadSandboxThread())
        .catch(() => thread);
      if (isClosed) await thread.close();
    }
  };
  const running = keepRunning();
  return {
    url,
    port,
    async close() {
      isClosed = true;
      await thread.close();
      await running;
    },
  };
}

interface Thread extends SandboxSupplier {
  readonly ended: Promise<unknown>;
}

async function startThread(
  { log, ...options }: SandboxSupplierOptions,
  { worker, ended }: LoadedThread,
): Promise<Thread> {
  const tell = (order: SandboxThreadOrder): void => worker.postMessage(order);
  const started = Promise.withResolvers<{ url: string; port: number }>();
  worker.on('message', (message: SandboxThreadMessage) => {
    if ('log' in message) log(message.log);
    else if ('error' in message) {
      started.reject(Object.assign(new Error(message.error), message.fault));
    }
    // Under node --watch a thread tells its parent of its files as well.
    else if ('url' in message) started.resolve(message);
  });
  void ended.then((failure) => {
    if (failure !== null) log(`The sandbox supplier's thread failed: ${String(failure)}`);
    started.reject(failure
      ?? new Error("The sandbox supplier's thread ended before it was ready"));
  });
  tell(options);

  const stop = async (): Promise<void> => {
    tell('stop');
    const late = setTimeout(() => void worker.terminate(), STOP_MS_MAX);
    await ended;
    clearTimeout(late);
  };
  let stopped: Promise<void> | undefined;
  const close = (): Promise<void> => (stopped ??= stop());
  try {
    return { ...await started.promise, close, ended };
  } catch (error) {
    await close();
    throw error;
  }
}
