import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import pg from 'pg';
import { afterAll, beforeAll, expect, inject } from 'vitest';

import { findViolations } from '../../src/db/invariants.ts';
import { TEMPLATE, withDatabaseName } from './database-url.ts';

export interface TestDatabase {
  /** As the program's role, which owns nothing. */
  databaseUrl: string;
  ownerDatabaseUrl: string;
  superuserUrl: string;
  /** As the owner of the tables. Answers rows with bigint and numeric as strings. */
  query<Row extends object = Record<string, unknown>>(
    sql: string,
    params?: readonly unknown[],
  ): Promise<Row[]>;
  drop(): Promise<void>;
}

/** A migrated and seeded database of the caller's own, which the caller drops. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const server = inject('testServer');
  const name = `topup_${randomUUID().replaceAll('-', '')}`;
  await asSuperuser((superuser) => clone(superuser, name));
  const ownerDatabaseUrl = withDatabaseName(server.ownerDatabaseUrl, name);
  const owner = new pg.Pool({ connectionString: ownerDatabaseUrl, max: 4 });
  // The drop cuts idle connections; without a listener that would end the process.
  owner.on('error', () => {});
  return {
    databaseUrl: withDatabaseName(server.databaseUrl, name),
    ownerDatabaseUrl,
    superuserUrl: withDatabaseName(server.superuserUrl, name),
    async query<Row extends object>(sql: string, params: readonly unknown[] = []) {
      return (await owner.query<Row>(sql, [...params])).rows;
    },
    async drop() {
      await owner.end();
      await asSuperuser((superuser) => superuser.query(`drop database ${name} with (force)`));
    },
  };
}

/** Orders whose end, or its reversal, has another time in its event or its transfer. */
const MOMENTS = `
  select o.client_id, o.id, o.completed_at, o.reversed_at, e.type, e.occurred_at, t.created_at
  from topup_order o
  join topup_order_event e on e.client_id = o.client_id and e.topup_order_id = o.id
    and e.type in (o.status, 'REVERSED')
  left join transfer t on t.client_id = o.client_id and t.topup_order_id = o.id
    and case e.type when 'REVERSED' then t.reason = 'REVERSAL'
      else t.reason in ('ORDER_SALE', 'ORDER_REFUND') end
  where e.occurred_at is distinct from t.created_at
    or e.occurred_at is distinct from
      case e.type when 'REVERSED' then o.reversed_at else o.completed_at end`;

/**
 * One database for the tests of a file; call it at the top of the file or of a describe. After
 * the last test every invariant must hold.
 */
export function useTestDatabase(): () => TestDatabase {
  let database: TestDatabase | undefined;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(async () => {
    if (database === undefined) return;
    try {
      expect(await findViolations(database.query), 'invariants').toEqual([]);
      expect(await database.query(MOMENTS), 'ends that are told with two times').toEqual([]);
    } finally {
      await database.drop();
    }
  });
  return () => {
    if (database === undefined) throw new Error('The test database exists only while tests run.');
    return database;
  };
}

/** A database in which nothing was made yet, as its owner, for the tests of a file. */
export function useEmptyDatabase(): () => string {
  const name = `empty_${randomUUID().replaceAll('-', '')}`;
  beforeAll(() => asSuperuser((superuser) => (
    superuser.query(`create database ${name} owner topup_owner`))));
  afterAll(() => asSuperuser((superuser) => (
    superuser.query(`drop database ${name} with (force)`))));
  return () => withDatabaseName(inject('testServer').ownerDatabaseUrl, name);
}

/** Until so many statements in this database wait for a lock. */
export async function untilWaiting(database: TestDatabase, count = 1): Promise<void> {
  await expect.poll(() => waitingCount(database), { interval: 10 }).toBe(count);
}

/** Until so many sessions wait for a lock, or more. */
export async function untilManyWait(database: TestDatabase, count: number): Promise<void> {
  await expect.poll(() => waitingCount(database), { interval: 10 }).toBeGreaterThanOrEqual(count);
}

async function waitingCount(database: TestDatabase): Promise<number> {
  const waiting = await database.query(`select distinct pid from pg_locks l
    join pg_stat_activity a using (pid) where not l.granted and a.datname = current_database()`);
  return waiting.length;
}

async function asSuperuser(run: (superuser: pg.Client) => Promise<unknown>): Promise<void> {
  const superuser = new pg.Client(inject('testServer').superuserUrl);
  await superuser.connect();
  try {
    await run(superuser);
  } finally {
    await superuser.end();
  }
}

const OBJECT_IN_USE = '55006';
const CLONE_ATTEMPTS_MAX = 20;

// Cloning is refused while anybody, another clone's last moment included, is in the template.
async function clone(superuser: pg.Client, name: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await superuser.query(
        `create database ${name} owner topup_owner template ${TEMPLATE} strategy file_copy`,
      );
      // What the program's role may do to a database is not cloned with it.
      await superuser.query(`revoke all on database ${name} from public`);
      await superuser.query(`grant connect on database ${name} to topup_app`);
      return;
    } catch (error) {
      const isInUse = error instanceof pg.DatabaseError && error.code === OBJECT_IN_USE;
      if (!isInUse || attempt === CLONE_ATTEMPTS_MAX) throw error;
      await sleep(100);
    }
  }
}
