import { once } from 'node:events';
import { connect } from 'node:net';
import fastify from 'fastify';
import { describe, expect, test, vi } from 'vitest';
import { startMetrics, type MetricsSource } from '../../src/rest/metrics.ts';
import { authorization, JSON_TYPE } from '../support/doors.ts';
import { useWorld } from '../support/world.ts';

/** Orders stay where they are placed, and no worker is there to be heard. */
const world = useWorld({ role: 'gateway' });

interface Readiness {
  readonly ok: boolean;
  readonly checks: Readonly<Record<string, boolean>>;
}

async function readiness(): Promise<{ status: number; body: Readiness }> {
  const answer = await fetch(`${world().gateway.url}/readyz`);
  return { status: answer.status, body: await answer.json() as Readiness };
}

async function metrics(): Promise<ReadonlyMap<string, string>> {
  const answer = await fetch(`${world().gateway.url}/metrics`);
  expect(answer.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  const lines = (await answer.text()).split('\n').filter((line) => /^[a-z]/.test(line));
  return new Map(lines.map((line) => {
    const at = line.lastIndexOf(' ');
    return [line.slice(0, at), line.slice(at + 1)] as const;
  }));
}

describe('readiness', () => {
  test('hears a worker of another process, and does not depend on one', async () => {
    expect(await readiness()).toEqual({
      status: 200,
      body: { ok: true, checks: { database: true, migrations: true, worker: false } },
    });
    // Since the process began: a scrape of one that has just started is no alarm.
    expect((await metrics()).get('topup_worker_silent_seconds')).toMatch(/^[0-9.]+$/);
    await world().startProcess('worker');
    await vi.waitFor(async () => {
      expect((await readiness()).body.checks['worker']).toBe(true);
    }, 15_000);
    expect(Number((await metrics()).get('topup_worker_silent_seconds'))).toBeLessThan(15);
  });

  test('misses a migration', async () => {
    const { query } = world().database;
    const [last] = await query<{ name: string }>(
      'delete from schema_migration where name = (select max(name) from schema_migration)'
      + ' returning *');
    try {
      expect(await readiness()).toMatchObject({
        status: 503, body: { ok: false, checks: { database: true, migrations: false } },
      });
    } finally {
      await query('insert into schema_migration select * from json_populate_record('
        + 'null::schema_migration, $1)', [JSON.stringify(last)]);
    }
    expect((await readiness()).status).toBe(200);
  });
});

describe('metrics', () => {
  test('tell what is open and how requests went, by the template of the route', async () => {
    await fetch(`${world().gateway.url}/api/v1/topups/orders`, {
      method: 'POST',
      headers: { ...JSON_TYPE, ...authorization(world(), 1) },
      body: JSON.stringify({
        product_id: 4218, amount: 4.99, input_data: { player_id: '5123456722', server: 'asia' },
      }),
    });
    for (const path of ['/api/v1/topups/orders/987654321', '/nowhere/987654321']) {
      await fetch(world().gateway.url + path, { headers: authorization(world(), 1) });
    }
    await vi.waitFor(async () => {
      const told = await metrics();
      expect(told.get('topup_orders_pending')).toBe('1');
      const count = (method: string, route: string, status: number) => told.get(
        `http_request_duration_seconds_count{method="${method}",route="${route}",`
        + `status="${status}"}`,
      );
      expect(count('POST', '/api/v1/topups/orders', 200)).toBe('1');
      expect(count('GET', '/api/v1/topups/orders/:id', 404)).toBe('1');
      expect(count('GET', 'none', 404)).toBe('1');
      for (const name of ['nodejs_eventloop_lag_seconds', 'topup_database_connections',
        'topup_orders_waiting_to_be_placed', 'topup_sockets', 'topup_events_unnumbered',
        'topup_requests_waiting', 'topup_requests_refused_total']) {
        expect(Number(told.get(name)), name).toBeGreaterThanOrEqual(0);
      }
      expect([...told.keys()].filter((key) => key.includes('987654321'))).toEqual([]);
    }, 10_000);
  });

  test('count whom the gateway refused because too many came at once', async () => {
    const { port } = new URL(world().gateway.url);
    // Each connection's thousand is read in one piece: far more stand at once than may wait.
    const pipelined = 'GET /api/v1/wallets HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(1000);
    const statuses = await Promise.all(Array.from({ length: 8 }, async () => {
      const socket = connect(Number(port), '127.0.0.1');
      let text = '';
      for (socket.write(pipelined); text.split('HTTP/1.1 ').length <= 1000;) {
        const [chunk] = await once(socket, 'data') as [Buffer];
        text += chunk.toString();
      }
      socket.destroy();
      return [...text.matchAll(/HTTP\/1\.1 ([0-9]+)/g)].map(([, status]) => status);
    }));
    const countOf = (status: string): number => statuses.flat().filter((s) => s === status).length;
    expect(countOf('401') + countOf('503')).toBe(8000);
    expect(countOf('503')).toBeGreaterThan(0);
    expect((await metrics()).get('topup_requests_refused_total')).toBe(String(countOf('503')));
  });

  test('are written once for all who ask at the same time', async () => {
    const question = Promise.withResolvers<Awaited<ReturnType<MetricsSource['countOpenWork']>>>();
    const readGauges = vi.fn<MetricsSource['readGauges']>(() => ({
      connections: 1, connectionsIdle: 1, connectionsAwaited: 0, ordersWaiting: 0, sockets: 0,
      requestsWaiting: 0, workerSilentSeconds: 0,
    }));
    const { write } = startMetrics(fastify(), {
      countOpenWork: () => question.promise, readGauges, refusedCount: () => 0,
    });
    const asked = [write(), write(), write()];
    question.reject(new Error('away'));
    const [first, ...others] = await Promise.all(asked);
    expect(first).toContain('topup_database_connections 1');
    expect(others).toEqual([first, first]);
    expect(readGauges).toHaveBeenCalledTimes(1);
    await write();
    expect(readGauges).toHaveBeenCalledTimes(2);
  });

  test('are told without a database, as far as they are known', async () => {
    const { query } = world().database;
    await query('alter table topup_order rename to topup_order_away');
    try {
      const told = await metrics();
      expect(told.get('topup_orders_pending')).toBe('Nan');
      expect(Number(told.get('topup_sockets'))).toBe(0);
    } finally {
      await query('alter table topup_order_away rename to topup_order');
    }
  });
});
