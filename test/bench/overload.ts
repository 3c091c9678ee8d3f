/**
 * What the gateway does with three times the load that it can sustain: how soon it says 503, how
 * long those wait whom it takes, what is lost, and how it does right after.
 * Run: npm run build, then node test/bench/overload.ts
 */
import process from 'node:process';
import { BenchWorld, CLIENT_COUNT, runSql, signTokens } from './bench-world.ts';
import { createPlan } from './create-rows.ts';
import { loadOf, openLoopOf } from './load-process.ts';

const SECONDS = 10;
/** More than are in flight at the sustainable load, and more than can be answered in time. */
const CONNECTIONS = [1000, 3000, 9000];

const tell = (line: string): void => void process.stdout.write(`${line}\n`);

const world = await BenchWorld.open();
try {
  const database = await world.createDatabase('bench');
  const tokens = await signTokens(CLIENT_COUNT);
  const server = await world.startServer(database);
  const countOrders = async (): Promise<number> => {
    const { rows: [row] } = await runSql(database.ownerDatabaseUrl,
      'select count(*) from topup_order');
    return Number((row as { count: string }).count);
  };
  for (const door of ['rest', 'graphql'] as const) {
    const plan = () => createPlan({ door, port: server.port, tokens, seconds: SECONDS });
    await loadOf(plan());
    const { perSecond, p99Ms } = await loadOf(plan());
    tell(`${door}, sustained by 64 in flight: ${Math.round(perSecond)}/s, `
      + `p99 ${Math.round(p99Ms)} ms`);
    for (const connections of CONNECTIONS) {
      const before = await countOrders();
      const rush = await openLoopOf({ ...plan(), connections, pace: Math.round(perSecond * 3) });
      const placed = await countOrders() - before;
      tell(`  three times that over ${connections} connections: ${JSON.stringify(rush)}`);
      tell(`    orders placed: ${placed}, answered 200: ${rush.answers['200']?.count ?? 0}`);
      const after = await openLoopOf({
        ...plan(), connections: 300, pace: Math.round(perSecond / 2),
      });
      tell(`    half of it, at once after: ${JSON.stringify(after.answers)}`);
    }
  }
  await server.stop();
} finally {
  await world.close();
}
