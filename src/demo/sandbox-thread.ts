import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';

import type { SandboxSupplier, SandboxSupplierOptions } from './sandbox-supplier.ts';

/** What the thread is given. */
export type SandboxThreadOptions = Omit<SandboxSupplierOptions, 'log'>;

/** What the thread says: lines for the log, and once whether it has started. */
export type SandboxThreadMessage =
  | { readonly log: string }
  | { readonly url: string; readonly port: number }
  | { readonly error: string };

// Beside this file under the same kind of name, be it compiled or not.
const ENTRY = new URL(`./sandbox-thread-entry${extname(import.meta.url)}`, import.meta.url);
/** The thread closes in about a second; after this it is ended where it stands. */
const STOP_MS_MAX = 3_000;

/**
 * Starts the sandbox supplier in a thread of its own, so that the gateway's event loop is not
 * shared with the company it calls.
 * @throws Error where the supplier could not be started; nothing is left running then
 */
export async function startSandboxThread(
  options: SandboxSupplierOptions,
): Promise<SandboxSupplier> {
  const { log, ...workerData } = options;
  const worker = new Worker(ENTRY, { workerData: workerData satisfies SandboxThreadOptions });
  const ended = new Promise<void>((resolve) => {
    worker.once('exit', () => resolve());
  });
  let isStopping = false;
  const started = Promise.withResolvers<{ url: string; port: number }>();
  worker.on('message', (message: SandboxThreadMessage) => {
    if ('log' in message) log(message.log);
    else if ('error' in message) started.reject(new Error(message.error));
    else started.resolve(message);
  });
  worker.on('error', (error) => {
    log(`The sandbox supplier's thread failed: ${String(error)}`);
    started.reject(error);
  });
  worker.once('exit', () => {
    if (!isStopping) log("The sandbox supplier's thread ended");
    started.reject(new Error("The sandbox supplier's thread ended before it was ready"));
  });

  const stop = async (): Promise<void> => {
    isStopping = true;
    worker.postMessage('stop');
    const late = setTimeout(() => void worker.terminate(), STOP_MS_MAX);
    await ended;
    clearTimeout(late);
  };
  let stopped: Promise<void> | undefined;
  const close = (): Promise<void> => (stopped ??= stop());
  try {
    return { ...await started.promise, close };
  } catch (error) {
    await close();
    throw error;
  }
}
