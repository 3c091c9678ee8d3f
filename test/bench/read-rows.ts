import { runSql, type BenchDatabase, type BenchWorld } from './bench-world.ts';
import { createPlan, IN_FLIGHT, takeNumbers } from './create-rows.ts';
import type { LoadPlan } from './http-load.ts';
import { floorOf, loadOf } from './load-process.ts';
import { rowAgainstFloor, type Row, type Sizes } from './rows.ts';

const ORDERS_READ = 1000;
const FIND = `query ($id: SafeInt!) { topupOrder(by: { orderId: $id }) { orderId status
  productName variantName charge { amount currency } createdAt completedAt } }`;

/** An order by its id through both doors, next to the same look-up by prepared statements. */
export async function readRows(
  world: BenchWorld,
  of: {
    readonly database: BenchDatabase;
    readonly floorUrl: string;
    readonly tokens: readonly string[];
    readonly sizes: Sizes;
  },
): Promise<readonly Row[]> {
  const server = await world.startServer(of.database);
  const [token = ''] = of.tokens;
  const { rounds, seconds, warmSeconds } = of.sizes;
  // There is something to read, whichever rows were measured before.
  await loadOf(createPlan({
    door: 'rest', port: server.port, tokens: [token], seconds: warmSeconds,
  }));
  await floorOf({
    databaseUrl: of.floorUrl, kind: 'create', clients: ORDERS_READ, connections: IN_FLIGHT,
    seconds: warmSeconds, firstNumber: takeNumbers(),
  });
  const { rows } = await runSql(of.database.ownerDatabaseUrl, `select id from topup_order
    where client_id = 1001 order by id desc limit ${ORDERS_READ}`);
  const ids = rows.map((row: { id: string }) => row.id);
  const plans: Readonly<Record<string, LoadPlan>> = {
    'order-by-id-graphql': plan({
      method: 'POST', targets: [{ path: '/graphql', token }], seconds, port: server.port,
      body: JSON.stringify({ query: FIND, variables: { id: Number(ids[0]) } }),
      expects: '"topupOrder":{"orderId"',
    }),
    'order-by-id-rest': plan({
      method: 'GET', seconds, port: server.port, body: null, expects: '"product_id":4218',
      targets: ids.map((id) => ({ path: `/api/v1/topups/orders/${id}`, token })),
    }),
  };
  const rates = new Map<string, number[]>();
  const note = (name: string, rate: number): Map<string, number[]> =>
    rates.set(name, [...rates.get(name) ?? [], rate]);
  for (const http of Object.values(plans)) await loadOf({ ...http, seconds: warmSeconds });
  for (let round = 0; round < rounds; round += 1) {
    const floor = await floorOf({
      databaseUrl: of.floorUrl, kind: 'order-by-id', clients: ORDERS_READ, seconds,
      connections: IN_FLIGHT, firstNumber: 1,
    });
    note('floor', floor.perSecond);
    for (const [name, http] of Object.entries(plans)) {
      const result = await loadOf(http);
      if (result.wrong > 0) throw new Error(`${name}: ${result.firstWrong}`);
      note(name, result.perSecond);
    }
  }
  await server.stop();
  const targets = { 'order-by-id-graphql': '>= 3500/s', 'order-by-id-rest': '>= 8000/s' };
  return Object.entries(targets).map(([name, target]) => rowAgainstFloor(
    { name, unit: 'reads/s', target },
    { ours: rates.get(name) ?? [], floor: rates.get('floor') ?? [] },
  ));
}

function plan(of: Omit<LoadPlan, 'connections' | 'pace' | 'firstNumber'>): LoadPlan {
  return { ...of, connections: IN_FLIGHT, pace: null, firstNumber: 1 };
}
