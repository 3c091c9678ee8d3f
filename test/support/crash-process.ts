import { subscribe } from 'node:diagnostics_channel';
import { enableCompileCache, flushCompileCache } from 'node:module';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import type { AppParts, Gateway, Running } from '../../src/app.ts';
import type { Phase } from '../../src/domain/fulfil-topup-order.ts';
import type { OrderAtSupplier, Outcome, Supplier } from '../../src/domain/fulfilment-ports.ts';
import type { Store } from '../../src/domain/ports.ts';
import type { Parts } from '../../src/parts.ts';

/**
 * A worker or a gateway as a process of its own, that is killed or stopped where a test wants it.
 * It runs the built files: Node strips types, but does not compile decorators.
 */

/** HTTP_OPEN: the connection to the supplier stands; HTTP_SENT: the request's bytes have left. */
export type CrashPoint = Phase | 'HTTP_OPEN' | 'HTTP_SENT';

export type Crash =
  /** A signal to itself, the `count`-th time that any order comes there. */
  | { readonly at: CrashPoint; readonly how: 'SIGKILL' | 'SIGSTOP'; readonly count: number }
  /** Each order stays there at its `count`-th time and is told; whoever started us kills us. */
  | { readonly at: Exclude<CrashPoint, 'HTTP_OPEN'>; readonly how: 'HOLD'; readonly count: number };

export interface CrashProcessOptions {
  readonly role: 'all' | 'gateway' | 'worker';
  readonly databaseUrl: string;
  readonly sandboxUrl: string;
  readonly tokenSigningKey: string;
  readonly keyHashingKey: string;
  readonly supplierKeys: Readonly<Record<string, readonly string[]>>;
  readonly inlineWaitMs: number;
  readonly smtpUrl: string;
  readonly crash: Crash | null;
}

export type CrashProcessMessage =
  | { readonly url: string | null }
  | { readonly heldOrderId: number }
  | { readonly fault: string };

const options = JSON.parse(process.env['CRASH_PROCESS'] ?? '{}') as CrashProcessOptions;
const { crash } = options;
const tell = (message: CrashProcessMessage): void => void process.send?.(message);
// Whoever started this process is gone: nobody would ever end it.
process.on('disconnect', () => process.exit(0));

let reachedCount = 0;
function reached(point: CrashPoint): void {
  if (crash === null || crash.how === 'HOLD' || crash.at !== point) return;
  reachedCount += 1;
  if (reachedCount !== crash.count) return;
  process.kill(process.pid, crash.how);
  // A signal to oneself may take a moment; nothing may happen within it.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
}

const passages = new Map<number, number>();
const never = new Promise<never>(() => undefined);
/** Whether the order has to stay here; once it had to, it never comes through again. */
function mustStay(point: CrashPoint, orderId: number): boolean {
  if (crash === null || crash.how !== 'HOLD' || crash.at !== point) return false;
  const passage = (passages.get(orderId) ?? 0) + 1;
  passages.set(orderId, passage);
  if (passage === crash.count) tell({ heldOrderId: orderId });
  return passage >= crash.count;
}

subscribe('undici:client:connected', () => reached('HTTP_OPEN'));
subscribe('undici:request:bodySent', (message) => {
  reached('HTTP_SENT');
  const { path, body } = (message as { request: { path: string; body: unknown } }).request;
  const reference = /\b\d+-(\d+)-\d+\b/.exec(`${path} ${String(body)}`);
  if (reference !== null) mustStay('HTTP_SENT', Number(reference[1]));
});

const isAtHold = (point: CrashPoint): boolean => crash?.how === 'HOLD' && crash.at === point;

function staying(supplier: Supplier): Supplier {
  const call = async (order: OrderAtSupplier, send: () => Promise<Outcome>): Promise<Outcome> => {
    if (mustStay('CLAIMED', order.orderId)) return never;
    const outcome = await send();
    if (isAtHold('HTTP_SENT') && (passages.get(order.orderId) ?? 0) >= (crash?.count ?? 0)) {
      return never;
    }
    return mustStay('ANSWERED', order.orderId) ? never : outcome;
  };
  return {
    ...supplier,
    submit: (order, signal) => call(order, () => supplier.submit(order, signal)),
    query: (order, signal) => call(order, () => supplier.query(order, signal)),
  };
}

function stayingFulfilment({ fulfilment }: Parts): Parts['fulfilment'] {
  const { store, suppliers } = fulfilment;
  return {
    ...fulfilment,
    reached,
    suppliers: {
      rooms: () => suppliers.rooms(),
      find(code) {
        const supplier = suppliers.find(code);
        return supplier === undefined ? undefined : staying(supplier);
      },
    },
    store: {
      ...store,
      async recordMove(move) {
        const isCallback = move.callback !== null;
        if (isCallback && mustStay('CALLBACK_VERIFIED', move.orderId)) return never;
        const result = await store.recordMove(move);
        const point = isCallback ? 'CALLBACK_RECORDED' : 'RECORDED';
        return mustStay(point, move.orderId) ? never : result;
      },
    },
  };
}

function stayingStore<S extends Store>(store: S): S {
  return {
    ...store,
    async placeOrder(order) {
      const placement = await store.placeOrder(order);
      const isStaying = placement.verdict === 'PLACED' && mustStay('PLACED', placement.order.id);
      return isStaying ? never : placement;
    },
  };
}

const built = (path: string): string => new URL(`../../dist/${path}`, import.meta.url).href;

/** A worker has no doors, and does not load them. */
async function openDoors(parts: AppParts): Promise<Gateway> {
  const app = await import(built('app.js')) as typeof import('../../src/app.ts');
  return app.startGateway(
    parts,
    {
      keyHashingKey: options.keyHashingKey,
      inlineWaitMs: options.inlineWaitMs,
      isIntrospectionAllowed: true,
      httpText: 'draft',
      trustedDocuments: { texts: new Map(), isOnly: false },
      allowedOrigins: [],
      socketsPerClient: 100,
      subscriptionsPerSocket: 50,
      feedRetentionDays: 30,
    },
    { host: '127.0.0.1', port: 0 },
  );
}

async function run(): Promise<void> {
  // Loading is most of what a process costs here; each one finds what those before it compiled.
  enableCompileCache(fileURLToPath(built('.compile-cache')));
  const partsModule = await import(built('parts.js')) as typeof import('../../src/parts.ts');
  const clockModule = await import(built('clock.js')) as typeof import('../../src/clock.ts');
  const parts = await partsModule.openParts({
    ...options,
    environment: 'sandbox',
    trustedProxies: [],
    mailServer: { url: options.smtpUrl, from: 'no-reply@topup.example' },
    feedRetentionDays: 30,
    clock: clockModule.systemClock,
    onError: () => undefined,
  });
  const log = pino({ level: 'error' }, {
    write: (line: string) => tell({ fault: line }),
  });
  const appParts: AppParts = {
    ...parts,
    store: stayingStore(parts.store),
    fulfilment: stayingFulfilment(parts),
    log,
    onWork: (listener) => parts.wakeUps.on('work', listener),
  };
  const gateway = options.role === 'worker' ? null : await openDoors(appParts);
  const engine =
    await import(built('engine-room.js')) as typeof import('../../src/engine-room.ts');
  const worker: Running | null = options.role === 'gateway' ? null : engine.startWorker(appParts);
  process.once('SIGTERM', () => {
    const stopped = Promise.all([worker?.stop(), gateway?.stop()]).then(() => parts.close());
    void stopped.finally(() => process.exit(0));
  });
  flushCompileCache();
  tell({ url: gateway?.url ?? null });
}

await run();
