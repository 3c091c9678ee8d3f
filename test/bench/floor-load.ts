import pg from 'pg';
import type { LoadResult } from './http-load.ts';

/** Single calls of the floor's statement, one per connection at a time. */
export interface FloorPlan {
  readonly databaseUrl: string;
  readonly kind: 'create' | 'order-by-id';
  /** Orders are spread over this many clients, each with one wallet; reads over as many orders. */
  readonly clients: number;
  readonly connections: number;
  readonly seconds: number;
  readonly firstNumber: number;
}

const INPUT = JSON.stringify({ player_id: '5123456789', server: 'asia' });

const STATEMENTS = {
  create: {
    name: 'place',
    text: `select place_order($1, 4218, 4.99, '${INPUT}', $2)`,
  },
  'order-by-id': {
    name: 'find',
    text: 'select * from topup_order where id = $1 and client_reference is distinct from $2',
  },
};

/** The floor, driven by as many connections as a measured door has requests in flight. */
export async function runFloor(plan: FloorPlan): Promise<LoadResult> {
  const clients = await Promise.all(Array.from({ length: plan.connections }, async () => {
    const client = new pg.Client({ connectionString: plan.databaseUrl });
    await client.connect();
    return client;
  }));
  const latencies: number[] = [];
  let sent = 0;
  const statement = STATEMENTS[plan.kind];
  const startedMs = performance.now();
  const untilMs = startedMs + plan.seconds * 1000;
  await Promise.all(clients.map(async (client) => {
    while (performance.now() < untilMs) {
      const number = sent;
      sent += 1;
      const values = [1 + (number % plan.clients), `F-${plan.firstNumber + number}`];
      const sentMs = performance.now();
      await client.query({ ...statement, values });
      latencies.push(performance.now() - sentMs);
    }
  }));
  const perSecond = latencies.length / ((performance.now() - startedMs) / 1000);
  await Promise.all(clients.map((client) => client.end()));
  const sorted = latencies.sort((a, b) => a - b);
  return {
    perSecond,
    p50Ms: sorted[Math.floor(sorted.length / 2)] ?? 0,
    p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
    answered: sorted.length,
    wrong: 0,
    statuses: {},
    firstWrong: '',
  };
}
