import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type pg from 'pg';
import { findViolations } from '../../src/db/invariants.ts';
import { createPlaceOrder } from '../../src/db/place-orders.ts';
import { createPool } from '../../src/db/pool.ts';
import { createSandboxSchema } from '../../src/demo/sandbox-schema.ts';
import { startSandboxSupplier } from '../../src/demo/sandbox-supplier.ts';
import type { PricedOrder } from '../../src/domain/ports.ts';
import { pricedOrder } from './builders.ts';
import type { Crash, CrashProcessMessage, CrashProcessOptions } from './crash-process.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';
import { startMailServer, type ReceivedMail } from './mail-server.ts';
import { signTestToken } from './sign-token.ts';
import { VOUCHER_KEY } from './voucher-hash.ts';
import { SUPPLIER_KEYS } from './world.ts';

const ENTRY = new URL('./crash-process.ts', import.meta.url);
const TOKEN_KEY = 'a token signing key that only tests use';
/** A second of the sandbox's delays takes 50 ms. */
const DELAY_SCALE = 0.05;
const READY_MS_MAX = 60_000;

/** One child process: a worker, a gateway or both. */
export interface Child {
  readonly process: ChildProcess;
  /** Where its gateway listens; '' for a worker. */
  readonly url: string;
  /** Orders that stay where the process is to be killed. */
  readonly held: ReadonlySet<number>;
  /** Lines of its log, errors only. */
  readonly faults: readonly string[];
  readonly exited: Promise<string | null>;
  /** Resolves once the process is gone. */
  kill(signal?: 'SIGKILL' | 'SIGTERM'): Promise<void>;
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void;
}

export interface OrderRow {
  readonly id: string;
  readonly client_reference: string | null;
  readonly status: string;
  readonly state: string | null;
  readonly recipient: string;
  readonly version: number;
  readonly effects: number;
  readonly cases: readonly string[];
}

/** A database and a supplier that outlive every process started over them. */
export interface CrashWorld {
  readonly database: TestDatabase;
  /** A token of client 1. */
  readonly token: string;
  signToken(clientId: number): Promise<string>;
  place(order: Partial<PricedOrder>): Promise<number>;
  start(role: CrashProcessOptions['role'], crash?: Crash | null): Promise<Child>;
  /** The supplier's callbacks go to these gateways, the first that takes them. */
  sendCallbacksTo(urls: readonly string[]): Promise<void>;
  orders(): Promise<readonly OrderRow[]>;
  /** Waits until no order is PENDING; answers them all. */
  untilEnded(withinMs: number): Promise<readonly OrderRow[]>;
  /** Every order placed from now on asks for mail. */
  askForMail(): Promise<void>;
  /** Waits until no mail is owed any more; answers what does not fit the orders. */
  mailFaults(withinMs: number): Promise<readonly string[]>;
  /** The supplier has nothing left to do or to say. */
  isSettled(): Promise<boolean>;
  violations(): Promise<readonly object[]>;
  close(): Promise<void>;
}

export interface Timings {
  readonly deadlineMs: number;
  readonly leaseMs: number;
  readonly settleMs?: number;
  readonly windowMs?: number;
  readonly backoffMs?: readonly number[];
}

/** Over a database of its own where none is given; `close` drops it. */
export async function openCrashWorld(
  timings: Timings,
  given?: TestDatabase,
): Promise<CrashWorld> {
  const database = given ?? await createTestDatabase();
  const { databaseUrl } = database;
  await createSandboxSchema(database.ownerDatabaseUrl, 'topup_app');
  await database.query(`update supplier set call_deadline_ms = $1, lease_ms = $2,
    settle_window_ms = $3, retry_window_ms = $4, backoff_ms = $5`,
  [timings.deadlineMs, timings.leaseMs, timings.settleMs ?? 100, timings.windowMs ?? 20_000,
    timings.backoffMs ?? [50, 100, 200]]);
  const sandbox = await startSandboxSupplier({
    host: '127.0.0.1',
    port: 0,
    databaseUrl,
    signingKeys: Object.fromEntries(
      Object.entries(SUPPLIER_KEYS).map(([code, [key = '']]) => [code, key]),
    ),
    callbackBaseUrl: null,
    delayScale: DELAY_SCALE,
    log: () => undefined,
  });
  const pool: pg.Pool = createPool({
    databaseUrl, size: 2, applicationName: 'crash world', onError: () => undefined,
  });
  const [row] = await database.query<{ version: string }>('select version from pricing_version');
  const pricingVersion = Number(row?.version);
  const placeOrder = createPlaceOrder({
    pool, onPlaced: () => undefined,
  });
  const mails = await startMailServer();
  const children = new Set<Child>();
  const orders = (): Promise<OrderRow[]> => readOrders(database);
  return {
    database,
    token: await signToken(1),
    signToken,
    async place(order) {
      const placed = await placeOrder(pricedOrder({ pricingVersion, ...order }));
      if (placed.verdict !== 'PLACED') throw new Error(placed.verdict);
      return placed.order.id;
    },
    async start(role, crash = null) {
      const child = await startChild({
        role,
        crash,
        databaseUrl,
        sandboxUrl: sandbox.url,
        tokenSigningKey: TOKEN_KEY,
        keyHashingKey: VOUCHER_KEY,
        supplierKeys: SUPPLIER_KEYS,
        inlineWaitMs: 2000,
        smtpUrl: mails.url,
      });
      children.add(child);
      return child;
    },
    async sendCallbacksTo(urls) {
      // Seen far in the future: these gateways do not have to say that they live.
      await database.query(`with gone as (delete from sandbox.gateway)
        insert into sandbox.gateway
          select url, now() + interval '1 day' from unnest($1::text[]) url`,
      [urls]);
    },
    orders,
    async untilEnded(withinMs) {
      const deadline = performance.now() + withinMs;
      for (;;) {
        const all = await orders();
        const pending = all.filter(({ status }) => status === 'PENDING');
        if (pending.length === 0) return all;
        if (performance.now() > deadline) {
          const faults = [...children].flatMap((child) => child.faults);
          throw new Error(`Still PENDING: ${JSON.stringify({ pending, faults })}`);
        }
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    async isSettled() {
      const left = await database.query(`select 1 from sandbox.callback
        union all select 1 from sandbox.supplier_order where due_at is not null`);
      return left.length === 0;
    },
    async askForMail() {
      await database.query(`alter table topup_order
        alter column notification_email set default 'reader@example.com'`);
    },
    async mailFaults(withinMs) {
      await until(async () => (await database.query(`select 1 from email_outbox
        where handed_over_at is null union all select 1 from pgboss.job
        where state < 'completed'`)).length === 0, withinMs, 'the last mail');
      return compareMails(await orders(), mails.received);
    },
    violations: () => findViolations(database.query),
    async close() {
      await Promise.all([...children].map((child) => child.kill()));
      await sandbox.close();
      await mails.close();
      await pool.end();
      await database.drop();
    },
  };
}

/** Each order is told of by one mail, which says how it ended, however often that one was sent. */
function compareMails(
  orders: readonly OrderRow[],
  received: readonly ReceivedMail[],
): readonly string[] {
  const sent = [...new Set(received.map(({ messageId }) => messageId))]
    // '<client.order.STATUS.address@domain>'
    .map((messageId) => messageId.slice(1).split('.').slice(1, 3).join(' '));
  const owed = orders.map(({ id, status }) => `${id} ${status}`);
  return [
    ...owed.filter((each) => !sent.includes(each)).map((each) => `No mail says ${each}`),
    ...sent.filter((each, index) => !owed.includes(each) || sent.indexOf(each) !== index)
      .map((each) => `A mail too many says ${each}`),
  ];
}

const signToken = (clientId: number): Promise<string> => signTestToken({
  signingKey: TOKEN_KEY, environment: 'sandbox', clientId, ttlSeconds: 3600,
});

async function readOrders(database: TestDatabase): Promise<OrderRow[]> {
  return database.query<OrderRow>(`
    select o.id, o.client_reference, o.status, o.fulfilment_state as state, o.recipient, o.version,
      coalesce(l.effects, 0) as effects,
      array(select c.kind from reconciliation_case c where c.topup_order_id = o.id
        order by c.kind) as cases
    from topup_order o
    left join (select split_part(supplier_reference, '-', 2)::bigint as id, count(*)::int as effects
      from sandbox.log where effective group by 1) l on l.id = o.id
    order by o.id`);
}

async function startChild(options: CrashProcessOptions): Promise<Child> {
  const child = fork(ENTRY, [], {
    env: { PATH: process.env['PATH'] ?? '', CRASH_PROCESS: JSON.stringify(options) },
    execArgv: ['--disable-warning=ExperimentalWarning'],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const held = new Set<number>();
  const faults: string[] = [];
  child.stderr?.on('data', (chunk: Buffer) => faults.push(chunk.toString()));
  const exited = once(child, 'exit').then(([, signal]) => signal as string | null);
  const ready = Promise.withResolvers<string>();
  const timer = setTimeout(() => ready.reject(new Error('A child is not ready')), READY_MS_MAX);
  child.on('message', (message: CrashProcessMessage) => {
    if ('heldOrderId' in message) held.add(message.heldOrderId);
    else if ('fault' in message) faults.push(message.fault);
    else ready.resolve(message.url ?? '');
  });
  void exited.then(() => ready.reject(new Error(`A child ended early: ${faults.join('')}`)));
  const url = await ready.promise.catch((error: unknown) => {
    // Left alone it would take its share of the machine from all that come after it.
    child.kill('SIGKILL');
    throw error;
  }).finally(() => clearTimeout(timer));
  return {
    process: child,
    url,
    held,
    faults,
    exited,
    async kill(signal = 'SIGKILL') {
      child.kill(signal);
      await exited;
    },
    signal: (signal) => void child.kill(signal),
  };
}

/** Polls until `check` is true. */
export async function until(
  check: () => boolean | Promise<boolean>,
  withinMs = 60_000,
  what = 'what was awaited',
): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!await check()) {
    if (performance.now() > deadline) throw new Error(`Not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
