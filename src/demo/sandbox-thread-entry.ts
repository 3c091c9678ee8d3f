import { parentPort } from 'node:worker_threads';

import { startSandboxSupplier, type SandboxSupplier } from './sandbox-supplier.ts';
import type { SandboxThreadMessage, SandboxThreadOrder } from './sandbox-thread.ts';

/** Runs the sandbox supplier in a worker thread, from when its parent says how until 'stop'. */

if (parentPort === null) throw new Error('This file is the entry of a worker thread');
const parent = parentPort;
const tell = (message: SandboxThreadMessage): void => parent.postMessage(message);
/** What tells a lost connection from other faults; an error loses it on its way to the parent. */
function faultOf(error: unknown): Record<string, unknown> {
  const { code, severity, syscall } = (error ?? {}) as Record<string, unknown>;
  return { code, severity, syscall };
}

let starting: Promise<SandboxSupplier> | null = null;
parent.on('message', (order: SandboxThreadOrder) => {
  if (order === 'stop') {
    void Promise.resolve(starting).then((supplier) => supplier?.close(), () => {})
      .finally(() => parent.close());
    return;
  }
  starting = startSandboxSupplier({ ...order, log: (line) => tell({ log: line }) });
  starting.then(
    ({ url, port }) => tell({ url, port }),
    (error: unknown) => tell({ error: String(error), fault: faultOf(error) }),
  );
});
