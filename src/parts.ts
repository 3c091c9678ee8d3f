import type { MikroORM } from '@mikro-orm/postgresql';
import type { Pool } from 'pg';
import { openAccess, type AccessOptions, type AccessParts } from './access-parts.ts';
import { isSupplierAddress } from './config-values.ts';
import { ConfigError } from './config.ts';
import { createFulfilmentStore } from './db/fulfilment-store.ts';
import { numberEvents } from './db/feed-numbers.ts';
import { openFeeds, type Feeds } from './db/feeds.ts';
import { countOpenWork, type OpenWorkCounts } from './db/open-work.ts';
import { openMailQueue } from './db/mail-queue.ts';
import { findMissingMigrations } from './db/migrate.ts';
import { openOrm } from './db/orm.ts';
import { createPool, PROGRAM_NAMES, withConnection } from './db/pool.ts';
import { isWritable } from './db/server-facts.ts';
import { openStore, type WholeStore } from './db/store.ts';
import { listSuppliers } from './db/suppliers.ts';
import { openWakeUps, type WakeUps } from './db/wake-ups.ts';
import { openWorkerPulse, type WorkerPulse } from './db/worker-pulse.ts';
import type { Fulfilment } from './domain/fulfil-topup-order.ts';
import type { Mailer, MailQueue } from './domain/mail.ts';
import type { SupplierRegistry } from './domain/fulfilment-ports.ts';
import { createMailer, type MailServer } from './outbound/mailer.ts';
import { createSandboxSupplier } from './outbound/sandbox.supplier.ts';
import { createSupplierRegistry } from './outbound/supplier-registry.ts';
import { Undo } from './undo.ts';
import type { Loop } from './worker/loop.ts';
import { startSequencer } from './worker/sequencer.ts';

/** Connections of one process; README says how many processes a server bears. */
const POOL_SIZE = 16;
const LIST_POOL_SIZE = 4;
const ORM_POOL_SIZE = 4;

export interface PartsOptions extends AccessOptions {
  readonly databaseUrl: string;
  readonly supplierKeys: Readonly<Record<string, readonly string[]>>;
  /** Where this process finds the sandbox; null to take each supplier's address of the database. */
  readonly sandboxUrl: string | null;
  /** Null to leave mail queued. */
  readonly mailServer: MailServer | null;
  readonly feedRetentionDays: number;
  /** Absent or 0: a rate is never too old. */
  readonly forexRateHoursMax?: number;
  readonly onError: (error: unknown, doing: string) => void;
}

/** How busy these parts are; out of memory. */
export interface PartsGauges {
  readonly connections: number;
  readonly connectionsIdle: number;
  readonly connectionsAwaited: number;
  readonly ordersWaiting: number;
}

/** Everything behind the doors, opened and connected. */
export interface Parts extends AccessParts, Omit<Feeds, 'close'> {
  readonly store: WholeStore;
  readonly fulfilment: Fulfilment;
  readonly mailQueue: MailQueue;
  readonly mailer: Mailer | null;
  readonly wakeUps: WakeUps;
  readonly isDatabaseReady: () => Promise<boolean>;
  readonly isMigrated: () => Promise<boolean>;
  readonly workerPulse: WorkerPulse;
  readonly countOpenWork: () => Promise<OpenWorkCounts>;
  readonly readGauges: () => PartsGauges;
  /** Orders that this process is placing. */
  readonly openOrderCount: () => number;
  readonly close: () => Promise<void>;
}

/**
 * Opens pools, store, feed, sequencer and suppliers of one process; where one cannot be opened,
 * what was opened before it is closed again.
 * @throws ConfigError where a supplier has no key, or no address that can be called
 */
export async function openParts(options: PartsOptions): Promise<Parts> {
  const undo = new Undo();
  const close = (): Promise<void> =>
    undo.run((error) => options.onError(error, 'closing what was opened'));
  try {
    return { ...await openAll(options, undo), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openAll(options: PartsOptions, undo: Undo): Promise<Omit<Parts, 'close'>> {
  const { clock } = options;
  const onError = (doing: string) => (error: unknown) => options.onError(error, doing);
  const { pool, listPool } = openPools(options);
  undo.push(() => Promise.all([pool.end(), listPool.end()]));
  const orm = await openOrm({ databaseUrl: options.databaseUrl, size: ORM_POOL_SIZE });
  undo.push(() => orm.close());
  const suppliers = await openSuppliers(orm, options);
  const wakeUps = openWakeUps({
    databaseUrl: options.databaseUrl, pool, onError: onError('wake-ups'),
  });
  undo.push(() => wakeUps.close());
  let sequencer: Loop | null = null;
  const onMoved = (): void => sequencer?.wake();
  const onPlaced = (): void => {
    sequencer?.wake();
    wakeUps.send('work');
  };
  const { forexRateHoursMax = 0 } = options;
  const store = await openStore({
    pool, listPool, orm, wakeUps, forexRateHoursMax, onPlaced, onMoved, onError,
  });
  undo.push(() => store.close());
  const { feedRetentionDays: retentionDays } = options;
  const feeds = openFeeds({ pool, wakeUps, retentionDays, onError: onError('the feeds') });
  undo.push(() => feeds.close());
  sequencer = startSequencer({
    clock,
    onError: onError('the sequencer'),
    numberEvents: (limit) => numberEvents(pool, limit),
  });
  undo.push(sequencer.stop);
  const mailQueue = openMailQueue({
    pool, databaseUrl: options.databaseUrl, onError: onError('the mail queue'),
  });
  undo.push(() => mailQueue.close());
  const mailer = options.mailServer === null ? null : createMailer(options.mailServer);
  undo.push(() => mailer?.close());
  const access = await openAccess(options, { pool, wakeUps, onError });
  undo.push(() => access.closeAccess());
  return {
    ...access,
    store,
    ...feeds,
    mailQueue,
    mailer,
    wakeUps,
    fulfilment: {
      store: createFulfilmentStore({ pool, onMoved }),
      suppliers,
      clock,
      random: Math.random,
    },
    isDatabaseReady: () => isWritable(pool),
    isMigrated: () => isMigrated(pool),
    workerPulse: openWorkerPulse({ wakeUps, clock }),
    countOpenWork: () => countOpenWork(pool),
    openOrderCount: () => store.openOrderCount(),
    readGauges: () => ({ ...connectionGauges(pool), ordersWaiting: store.waitingOrderCount() }),
  };
}

function connectionGauges(pool: Pool): Omit<PartsGauges, 'ordersWaiting'> {
  const { totalCount, idleCount, waitingCount } = pool;
  return {
    connections: totalCount, connectionsIdle: idleCount, connectionsAwaited: waitingCount,
  };
}

function isMigrated(pool: Pool): Promise<boolean> {
  return withConnection(pool, async (client) => (await findMissingMigrations(client)).length === 0);
}

function openPools(options: PartsOptions): { readonly pool: Pool; readonly listPool: Pool } {
  const poolOf = (size: number, isAlongIndexes: boolean): Pool => createPool({
    databaseUrl: options.databaseUrl,
    size,
    applicationName: PROGRAM_NAMES.pool,
    isAlongIndexes,
    onError: (error) => options.onError(error, 'an idle connection'),
  });
  return { pool: poolOf(POOL_SIZE, false), listPool: poolOf(LIST_POOL_SIZE, true) };
}

async function openSuppliers(orm: MikroORM, options: PartsOptions): Promise<SupplierRegistry> {
  const { clock, sandboxUrl, supplierKeys } = options;
  const known = await listSuppliers(orm);
  const faults = known.filter(({ code }) => supplierKeys[code] === undefined)
    .map(({ code }) => `SUPPLIER_SIGNING_KEYS has no key for supplier ${code}, `
      + `e.g. SUPPLIER_SIGNING_KEYS=${code}=KEY with KEY from: openssl rand -base64 32`);
  // The demo calls its own supplier, whatever the table says.
  const strange = sandboxUrl !== null
    ? [] : known.filter(({ baseUrl }) => !isSupplierAddress(baseUrl)).map(({ code }) => (
      `base_url of supplier ${code} must be the address of a supplier, `
        + 'e.g. https://supplier.example/api'));
  if (faults.length + strange.length > 0) throw new ConfigError([...faults, ...strange]);
  const suppliers = known.map(({ code, baseUrl }) => createSandboxSupplier({
    code,
    baseUrl: () => sandboxUrl === null ? baseUrl : `${sandboxUrl}/${code}`,
    signingKeys: supplierKeys[code] ?? [],
    clock,
  }));
  const caps = known.map(({ code, concurrencyMax }) => [code, concurrencyMax] as const);
  return createSupplierRegistry(suppliers, { clock, concurrencyMax: Object.fromEntries(caps) });
}
