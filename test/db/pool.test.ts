import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import type pg from 'pg';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { isConnectionLost } from '../../src/db/faults.ts';
import {
  askUntilBack, createPool, tellAway, withConnection, type PoolOptions,
} from '../../src/db/pool.ts';
import { withSingleConnection } from '../../src/db/single-connection.ts';
import { TemporarilyUnavailable } from '../../src/domain/rejection.ts';
import { startCuttingProxy } from '../support/cutting-proxy.ts';
import { useTestDatabase } from '../support/database.ts';

const database = useTestDatabase();
const undo: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (let step = undo.pop(); step !== undefined; step = undo.pop()) await step();
});

function openPool(options: Partial<PoolOptions> = {}): pg.Pool {
  const pool = createPool({
    databaseUrl: database().databaseUrl,
    size: 4,
    applicationName: 'test',
    onError: () => undefined,
    ...options,
  });
  undo.push(() => pool.end());
  return pool;
}

const faultOf = (attempt: Promise<unknown>): Promise<unknown> =>
  attempt.then(() => expect.fail('no fault'), (error: unknown) => error);

describe('a connection that is held for several statements', () => {
  it('fails the next one where it died in between, and ends nothing else', async () => {
    const pool = openPool();
    const fault = await faultOf(withConnection(pool, async (client) => {
      const ended = new Promise((resolve) => client.once('end', resolve));
      const { rows: [own] } = await client.query('select pg_backend_pid() as pid');
      await pool.query('select pg_terminate_backend($1)', [own?.pid]);
      await ended;
      await client.query('select 1');
    }));
    expect(isConnectionLost(fault)).toBe(true);
    expect(await withConnection(pool, (client) => client.query('select 1'))).toBeDefined();
  });

  it('is not given back in the middle of a transaction', async () => {
    const pool = openPool({ size: 1 });
    await faultOf(withConnection(pool, async (client) => {
      await client.query('begin');
      throw new Error('a fault of ours');
    }));
    const { rows: [next] } = await pool.query(
      'select now() = statement_timestamp() as begins_now, pg_backend_pid() as pid');
    expect(next?.begins_now).toBe(true);
  });
});

it('reads dates whatever form the database is set to give them', async () => {
  const name = new URL(database().databaseUrl).pathname.slice(1);
  const read = async (): Promise<unknown> => {
    const pool = openPool();
    return (await pool.query("select '2026-11-27 19:00:00Z'::timestamptz as at")).rows;
  };
  for (const style of ['SQL, DMY', 'German', 'Postgres, MDY']) {
    await database().query(`alter database ${name} set datestyle = '${style}'`);
    expect(await read()).toEqual([{ at: new Date('2026-11-27T19:00:00Z') }]);
  }
  await database().query(`alter database ${name} reset datestyle`);
});

it('is read as we write, whatever the database is set to', async () => {
  const name = new URL(database().databaseUrl).pathname.slice(1);
  const settings = { search_path: "''", standard_conforming_strings: 'off',
    default_transaction_isolation: 'serializable' };
  for (const [setting, value] of Object.entries(settings)) {
    await database().query(`alter database ${name} set ${setting} = ${value}`);
  }
  const sql = `select '\\d'::text as digit, to_regclass('topup_order')::text as orders,
    current_setting('transaction_isolation') as isolation`;
  const read = { digit: '\\d', orders: 'topup_order', isolation: 'read committed' };
  expect((await openPool().query(sql)).rows).toEqual([read]);
  expect(await withSingleConnection(database().databaseUrl, async (client) =>
    (await client.query(sql)).rows)).toEqual([read]);
  // Beside settings of the address.
  const databaseUrl = `${database().databaseUrl}?options=-c%20work_mem%3D8MB`;
  expect((await openPool({ databaseUrl }).query(`${sql}, current_setting('work_mem') as memory,
    current_setting('lock_timeout') as patience`)).rows)
    .toEqual([{ ...read, memory: '8MB', patience: '2s' }]);
  for (const setting of Object.keys(settings)) {
    await database().query(`alter database ${name} reset ${setting}`);
  }
});

it('is ended where a statement, a lock or a transaction in between takes too long', async () => {
  const bounds = ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout'];
  const { rows } = await openPool().query(
    `select array[${bounds.map((name) => `current_setting('${name}')`).join(', ')}] as bounds`);
  expect(rows).toEqual([{ bounds: ['5s', '2s', '10s'] }]);
});

it('gives what is done once its time, whatever the database is set to', async () => {
  const name = new URL(database().databaseUrl).pathname.slice(1);
  const limits = (await database().query<{ name: string }>(`select name from pg_settings
    where name in ('statement_timeout', 'lock_timeout', 'transaction_timeout')`))
    .map((limit) => limit.name);
  for (const limit of limits) {
    await database().query(`alter database ${name} set ${limit} = '500ms'`);
  }
  const limitsOf = (url: string) => withSingleConnection(url, async (client) => (
    await client.query(`select ${limits.map((limit) => (
      `current_setting('${limit}') as ${limit}`)).join(', ')} from pg_sleep(0.6)`)).rows);
  expect(await limitsOf(database().databaseUrl))
    .toEqual([Object.fromEntries(limits.map((limit) => [limit, '0']))]);
  for (const limit of limits) await database().query(`alter database ${name} reset ${limit}`);
  // What the address says is meant for the command.
  const bounds = limits.map((limit) => `-c%20${limit}%3D7s`).join('%20');
  expect(await limitsOf(`${database().databaseUrl}?options=${bounds}`))
    .toEqual([Object.fromEntries(limits.map((limit) => [limit, '7s']))]);
});

describe('a database that is silent', () => {
  it('costs one wait, not one for each connection', async () => {
    const target = new URL(database().databaseUrl);
    const proxy = await startCuttingProxy(`http://${target.host}`);
    undo.push(() => proxy.close());
    target.host = new URL(proxy.url).host;
    const pool = openPool({ databaseUrl: target.href, answerTimeoutMs: 500 });
    await Promise.all([1, 2, 3, 4].map(() => pool.query('select pg_sleep(0.05)')));
    expect(pool.idleCount).toBe(4);
    proxy.silenceAll();
    expect(isConnectionLost(await faultOf(pool.query('select 1')))).toBe(true);
    // The other three are as silent; whoever comes now is given a new one.
    expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  });

  it('ends no statement that is under way on a connection that speaks', async () => {
    const target = new URL(database().databaseUrl);
    const proxy = await startCuttingProxy(`http://${target.host}`);
    undo.push(() => proxy.close());
    target.host = new URL(proxy.url).host;
    const pool = openPool({ databaseUrl: target.href, answerTimeoutMs: 2_000 });
    const silent = await pool.connect();
    proxy.silenceAll();
    await pool.query('select 1');
    const fault = await faultOf(silent.query('select 1'));
    const speaking = await pool.connect();
    const answer = speaking.query('select 1 as one');
    silent.release(fault as Error);
    expect((await answer).rows).toEqual([{ one: 1 }]);
    speaking.release();
  });
});

describe('a database that cannot be reached is away', () => {
  const toldBy = (databaseUrl: string): Promise<unknown> =>
    faultOf(tellAway(() => openPool({ databaseUrl }).query('select 1')));

  it('where nobody knows its name', async () => {
    // Longer than any name is, so that nobody is asked for it.
    expect(await toldBy(`postgresql://a@${'x'.repeat(64)}.invalid/b`))
      .toBeInstanceOf(TemporarilyUnavailable);
  });

  it('where something else answers for it', async () => {
    const stranger = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.end('S, but no TLS at all'));
    }).listen(0, '127.0.0.1');
    await once(stranger, 'listening');
    undo.push(async () => stranger.close());
    const { port } = stranger.address() as AddressInfo;
    expect(await toldBy(`postgresql://a@127.0.0.1:${port}/b?sslmode=verify-full`))
      .toBeInstanceOf(TemporarilyUnavailable);
  });

  it.each([
    { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }, { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' },
    { code: 'ERR_TLS_CERT_ALTNAME_INVALID' }, { code: 'ERR_SSL_WRONG_VERSION_NUMBER' },
    { code: 'EHOSTUNREACH', syscall: 'connect' },
    { code: 'ENETDOWN', syscall: 'read' }, { code: 'ENETDOWN', syscall: 'write' },
    // Of a name with several addresses, and of a stream that the other side has ended: no call is
    // named beside the code.
    { code: 'ECONNREFUSED' }, { code: 'ETIMEDOUT' }, { code: 'EMFILE' }, { code: 'ENFILE' },
    { code: 'EPIPE' }, { code: 'ECONNRESET' },
    { code: '57P01', severity: 'ERROR' }, { code: '08P01', severity: 'ERROR' },
  ])('by $code', (fault) => {
    expect(isConnectionLost(Object.assign(new Error('fault'), fault))).toBe(true);
  });

  it.each([
    'Connection terminated unexpectedly', 'timeout exceeded when trying to connect',
    'Client has encountered a connection error and is not queryable', 'Query read timeout',
    'The server does not support SSL connections',
  ])('by the driver\'s words: %s', (words) => {
    expect(isConnectionLost(new Error(words))).toBe(true);
  });

  it.each([
    { code: 'ERR_INVALID_ARG_TYPE' }, { code: '23505', severity: 'ERROR' }, { code: 'ENOENT' },
  ])('not by $code', (fault) => {
    expect(isConnectionLost(Object.assign(new Error('fault'), fault))).toBe(false);
  });
});

describe('what the database refuses for now', () => {
  it.each([
    '55P03', '57014', '58030', '40P01', '40001', '25006', '53100',
  ])('is told to come back for: %s', async (code) => {
    const refused = Object.assign(new Error('refused'), { code });
    const told = await faultOf(tellAway(() => Promise.reject(refused)));
    expect(told).toBeInstanceOf(TemporarilyUnavailable);
    let asked = 0;
    const answer = await askUntilBack(async () => {
      asked += 1;
      if (asked === 1) throw refused;
      return 'answer';
    });
    expect([asked, answer]).toEqual([2, 'answer']);
  });

  it('is told to come back where the database lets nobody in', async () => {
    const elsewhere = new URL(database().databaseUrl);
    elsewhere.pathname = '/nowhere';
    const pool = openPool({ databaseUrl: elsewhere.href });
    const told = await faultOf(tellAway(() => pool.query('select 1')));
    expect(told).toBeInstanceOf(TemporarilyUnavailable);
    const barred = Object.assign(new Error('not permitted'), { code: '28000', severity: 'FATAL' });
    expect(await faultOf(tellAway(() => Promise.reject(barred))))
      .toBeInstanceOf(TemporarilyUnavailable);
    const refused = Object.assign(new Error('not permitted'), { code: '28000', severity: 'ERROR' });
    expect(await faultOf(tellAway(() => Promise.reject(refused)))).toBe(refused);
  });

  it('says nothing of a try before, whose answer was lost', async () => {
    const faults = [
      Object.assign(new Error('gone'), { code: '08006' }),
      Object.assign(new Error('locked'), { code: '55P03' }),
    ];
    const nowMs = performance.now();
    let asked = 0;
    const told = await faultOf(askUntilBack(() => {
      asked += 1;
      if (asked === 2) vi.spyOn(performance, 'now').mockReturnValue(nowMs + 60_000);
      return Promise.reject(faults[asked - 1] ?? new Error('Asked too often'));
    }, 'It is not known'));
    vi.restoreAllMocks();
    expect(told).toEqual(new TemporarilyUnavailable('It is not known', 1000));
  });

  it('is told as it is where it will not pass', async () => {
    const fault = Object.assign(new Error('a bug'), { code: '42P01' });
    expect(await faultOf(askUntilBack(() => Promise.reject(fault)))).toBe(fault);
  });
});
