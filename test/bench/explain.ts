/**
 * The plans of the hot statements, as they ran over a year of orders, into test/bench/EXPLAIN.md.
 * Run: npm run build, then node test/bench/explain.ts [orders]
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { createFulfilmentStore } from '../../src/db/fulfilment-store.ts';
import { createPool } from '../../src/db/pool.ts';
import { BenchWorld, runSql, signTokens, type BenchDatabase, type Server } from './bench-world.ts';
import { createPlan } from './create-rows.ts';
import { createFilled } from './growth-rows.ts';
import { loadOf } from './load-process.ts';

const ORDERS = Number(process.argv[2] ?? 1_000_000);
const NAME = 'explained';
const OUT = new URL('EXPLAIN.md', import.meta.url);

/** What a statement is told from, and what it is for. */
const STATEMENTS: readonly (readonly [title: string, part: string])[] = [
  ['Placing: what each wallet can pay', 'bool_and(d.total <= w.balance'],
  ['Placing: orders, transfers, events', 'insert into topup_order (client_id, id'],
  ['Numbering: out of the inbox', 'delete from feed_inbox'],
  ['Numbering: positions', 'insert into feed_position'],
  ['Numbering: into the log', 'insert into feed_entry'],
  ['Claiming: which orders are due', 't.variant_id, t.route, t.next_action_at from topup_order t'],
  ['Claiming: taking them', 'with due as materialized ( select t.address'],
  ['Recording: which moves go the ordinary way', 'select coalesce(array_agg(x.move)'],
  ['Recording: the end of orders', 'with news as materialized'],
  ['An order by its id', 'select k.nth, o.* from unnest'],
  ['A page of orders', 'and o.id < $2 order by o.id desc limit $3'],
  ['A page of a wallet\'s transactions', 'from (select n.id from transfer n'],
  ['A page of the feed', 'from feed_entry f join topup_order_event e'],
];

const world = await BenchWorld.open();
try {
  const database = await createFilled(world, { name: NAME, orders: ORDERS });
  // From here on every connection of this database logs each statement with its plan.
  for (const setting of [
    "session_preload_libraries = 'auto_explain'", 'auto_explain.log_min_duration = 0',
    'auto_explain.log_analyze = on', 'auto_explain.log_buffers = on',
    'auto_explain.log_timing = off', 'auto_explain.log_nested_statements = on',
    'auto_explain.log_parameter_max_length = 0',
  ]) await world.superuser(`alter database ${NAME} set ${setting}`);
  await useAll(database);
  writeFileSync(OUT, render(readFileSync(join(world.directory, 'postgres.log'), 'utf8')));
} finally {
  await world.close();
}

/** Makes the program run each of them, many times: the last plan is the one that stays. */
async function useAll(database: BenchDatabase): Promise<void> {
  const tokens = await signTokens(100);
  const server = await world.startServer(database);
  await loadOf(createPlan({ door: 'rest', port: server.port, tokens, seconds: 2 }));
  await fulfil(database);
  await ask(server, tokens[0] ?? '', database);
  await server.stop();
}

async function fulfil({ databaseUrl }: BenchDatabase): Promise<void> {
  const pool = createPool({
    databaseUrl, size: 1, applicationName: 'explain', onError: () => undefined,
  });
  const store = createFulfilmentStore({ pool, onMoved: () => undefined });
  for (let round = 0; round < 10; round += 1) {
    const orders = await store.claimOrders({ limit: 64, rooms: {} });
    await Promise.all(orders.map(({ clientId, orderId, route, leaseToken }) => store.recordMove({
      clientId, orderId, route, leaseToken, move: { kind: 'DELIVER', receipt: null },
      callback: null,
    })));
  }
  await pool.end();
}

async function ask(server: Server, token: string, database: BenchDatabase): Promise<void> {
  const { rows } = await runSql(database.ownerDatabaseUrl,
    'select id from topup_order where client_id = 1001 order by id desc limit 1');
  const [{ id }] = rows as [{ id: string }];
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const query = '{ topupOrderEventLog(first: 50) { edges { cursor } } }';
  for (let round = 0; round < 8; round += 1) {
    for (const path of [`orders/${id}`, 'orders?per_page=50']) {
      await fetch(`http://127.0.0.1:${server.port}/api/v1/topups/${path}`, { headers });
    }
    const transactions = '/api/v1/transactions?wallet_id=1001&limit=50';
    await fetch(`http://127.0.0.1:${server.port}${transactions}`, { headers });
    await fetch(`http://127.0.0.1:${server.port}/graphql`, {
      method: 'POST', headers, body: JSON.stringify({ query }),
    });
  }
}

function render(log: string): string {
  const entries = log.split(/\n(?=\d{4}-\d\d-\d\d )/).filter((entry) => entry.includes(' plan:'));
  const sections = STATEMENTS.map(([title, part]) => {
    const entry = entries.findLast((each) => each.replaceAll(/\s+/g, ' ').includes(part));
    if (entry === undefined) throw new Error(`No plan was logged for: ${title}`);
    return `## ${title}\n\n\`\`\`\n${planOf(entry)}\n\`\`\`\n`;
  });
  return `# Plans of the hot statements\n\nLogged by auto_explain, with ANALYZE and BUFFERS, while `
    + `the program ran over ${ORDERS.toLocaleString('en')} stored orders of 1,000 clients; `
    + `written by test/bench/explain.ts. Only index look-ups: what a statement reads does not `
    + `grow with what is stored.\n\n${sections.join('\n')}`;
}

/** The plan without the text of the statement, which stands in the migrations. */
function planOf(entry: string): string {
  const milliseconds = /duration: ([0-9.]+) ms/.exec(entry)?.[1] ?? '';
  const lines = entry.split('\n').map((line) => line.replace(/^\t/, ''));
  const start = lines.findIndex((line) => /\(cost=.*\(actual /.test(line));
  return [`${milliseconds} ms`, ...lines.slice(start)].join('\n');
}
