import { parentPort, workerData } from 'node:worker_threads';

import { startSandboxSupplier } from './sandbox-supplier.ts';
import type { SandboxThreadMessage, SandboxThreadOptions } from './sandbox-thread.ts';

/** Runs the sandbox supplier in a worker thread until its parent says 'stop'. */

if (parentPort === null) throw new Error('This file is the entry of a worker thread');
const parent = parentPort;
const tell = (message: SandboxThreadMessage): void => parent.postMessage(message);
const starting = startSandboxSupplier({
  ...workerData as SandboxThreadOptions,
  log: (line) => tell({ log: line }),
});
parent.on('message', (message) => {
  if (message !== 'stop') return;
  void starting.then((supplier) => supplier.close(), () => {}).finally(() => parent.close());
});
starting.then(
  ({ url, port }) => tell({ url, port }),
  (error: unknown) => tell({ error: String(error) }),
);
