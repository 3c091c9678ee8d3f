import { readFileSync } from 'node:fs';
import { runSql, type BenchDatabase, type BenchWorld, type Server } from './bench-world.ts';
import { createPlan, IN_FLIGHT } from './create-rows.ts';
import type { LoadPlan } from './http-load.ts';
import { loadOf } from './load-process.ts';
import { rowAgainstFloor, type Row, type Sizes } from './rows.ts';

/** Orders of the client that is read, in the database that is otherwise empty: a few full pages. */
const SMALL_COUNT = 3000;

interface Side {
  readonly database: BenchDatabase;
  readonly server: Server;
  readonly orderIds: readonly string[];
}

/**
 * What an operation takes in a database with millions of orders, next to the same in one that has
 * a few pages; both servers run over the same PostgreSQL and take turns.
 */
export async function growthRows(
  world: BenchWorld,
  of: { readonly tokens: readonly string[]; readonly sizes: Sizes; readonly orders: number },
): Promise<readonly Row[]> {
  const full = await openSide(world, { name: 'years', orders: of.orders });
  const small = await openSide(world, { name: 'days', orders: SMALL_COUNT });
  const times = new Map<string, { ours: number[]; floor: number[] }>();
  for (let round = 0; round < of.sizes.rounds; round += 1) {
    for (const name of Object.keys(OPERATIONS)) {
      const noted = times.get(name) ?? { ours: [], floor: [] };
      noted.ours.push(await timeOf(name, full, of));
      noted.floor.push(await timeOf(name, small, of));
      times.set(name, noted);
    }
  }
  await full.server.stop();
  await small.server.stop();
  return [...times].map(([name, rounds]) =>
    rowAgainstFloor({ name: `growth-${name}`, unit: 'ms each', target: '<= 1.2 x' }, rounds));
}

async function openSide(
  world: BenchWorld,
  of: { readonly name: string; readonly orders: number },
): Promise<Side> {
  const database = await createFilled(world, of);
  const { rows } = await runSql(database.ownerDatabaseUrl,
    'select id from topup_order where client_id = 1001 order by id desc limit 1000');
  const server = await world.startServer(database);
  return { database, server, orderIds: rows.map((row: { id: string }) => row.id) };
}

/** A database with a year of delivered orders. */
export async function createFilled(
  world: BenchWorld,
  of: { readonly name: string; readonly orders: number },
): Promise<BenchDatabase> {
  const database = await world.createDatabase(of.name);
  const sql = readFileSync(new URL('fill.sql', import.meta.url), 'utf8');
  await world.superuser(sql.replaceAll(':orders', String(of.orders)), of.name);
  await runSql(database.ownerDatabaseUrl, `do $$ begin
    for i in 1 .. 1000 loop exit when not set_order_milestones(1001); end loop;
    for i in 1 .. 1000 loop exit when not set_wallet_milestones(1001, 1001); end loop; end $$`);
  await world.superuser('vacuum analyze', of.name);
  return database;
}

type Read = (side: Side) => {
  readonly paths: readonly string[];
  readonly body?: string;
  readonly expects: string;
};

/** A page of what happened to all orders, from where the feed begins. */
const EVENTS = JSON.stringify({
  query: `{ topupOrderEventLog(first: 50) { edges { cursor node { type order { orderId } } } } }`,
});

const OPERATIONS: Readonly<Record<string, Read | null>> = {
  create: null,
  get: ({ orderIds }) => ({
    paths: orderIds.map((id) => `/api/v1/topups/orders/${id}`), expects: '"product_id":4218',
  }),
  list: () => ({ paths: ['/api/v1/topups/orders?per_page=50'], expects: '"product_id":4218' }),
  transactions: () => ({
    paths: ['/api/v1/transactions?wallet_id=1001&limit=50'], expects: '"transaction_type":"DEBIT"',
  }),
  feed: () => ({ paths: ['/graphql'], body: EVENTS, expects: '"type":"DELIVERED"' }),
};

/** Milliseconds of one operation while as many as always are under way. */
async function timeOf(
  name: string,
  side: Side,
  of: { readonly tokens: readonly string[]; readonly sizes: Sizes },
): Promise<number> {
  const read = OPERATIONS[name];
  const { port } = side.server;
  const { seconds } = of.sizes;
  const [token = ''] = of.tokens;
  const plan: LoadPlan = read === null || read === undefined
    ? createPlan({ door: 'rest', port, tokens: of.tokens, seconds })
    : readPlan(read(side), { port, token, seconds });
  const result = await loadOf(plan);
  if (result.wrong > 0) throw new Error(`growth-${name}: ${result.firstWrong}`);
  return 1000 / result.perSecond;
}

function readPlan(
  read: ReturnType<Read>,
  of: { readonly port: number; readonly token: string; readonly seconds: number },
): LoadPlan {
  return {
    port: of.port,
    method: read.body === undefined ? 'GET' : 'POST',
    targets: read.paths.map((path) => ({ path, token: of.token })),
    body: read.body ?? null,
    expects: read.expects,
    connections: IN_FLIGHT,
    seconds: of.seconds,
    pace: null,
    firstNumber: 0,
  };
}
