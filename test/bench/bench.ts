import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { BenchWorld, CLIENT_COUNT, signTokens } from './bench-world.ts';
import { createRows } from './create-rows.ts';
import { growthRows } from './growth-rows.ts';
import { readRows } from './read-rows.ts';
import { renderTable, type Row, type Sizes } from './rows.ts';
import { socketRows } from './socket-rows.ts';
import { startRows } from './start-rows.ts';

// Everything is measured side by side in one run: figures hold only as ratios on one machine.

const { values: flags } = parseArgs({
  options: {
    short: { type: 'boolean', default: false },
    out: { type: 'string' },
    only: { type: 'string' },
    orders: { type: 'string', default: '5000000' },
  },
});
const sizes: Sizes = flags.short
  ? {
    rounds: 1, seconds: 1, warmSeconds: 1, idleSeconds: 2, sockets: 100, idleSockets: 200,
    createsPerSecond: 200,
  }
  : {
    rounds: 3, seconds: 10, warmSeconds: 2, idleSeconds: 6, sockets: 1000, idleSockets: 10_000,
    createsPerSecond: 1000,
  };
const orders = Number(flags.orders);
type Group = 'create' | 'read' | 'sockets' | 'start' | 'growth';
const GROUPS: readonly Group[] =
  ['create', 'read', 'sockets', 'start', ...(flags.short ? [] : ['growth' as const])];
const chosen: readonly string[] = flags.only?.split(',') ?? GROUPS;
const unknown = chosen.filter((name) => !GROUPS.some((group) => group === name));
if (unknown.length > 0 || !(Number.isSafeInteger(orders) && orders > 0)) {
  process.stderr.write(`--only takes ${GROUPS.join(', ')}, and --orders a positive integer\n`);
  process.exit(1);
}

const opening = BenchWorld.open();
let isEnding = false;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    // A second one, as npm hands on what the terminal has sent as well, would leave its PostgreSQL.
    if (isEnding) return;
    isEnding = true;
    void opening.then((world) => world.close()).finally(() => {
      process.removeAllListeners(signal);
      process.kill(process.pid, signal);
    });
  });
}
const world = await opening;
try {
  const database = await world.createDatabase('bench');
  const floorUrl = await world.createFloor();
  const tokens = await signTokens(CLIENT_COUNT);
  const parts = { database, floorUrl, tokens, sizes };
  const groups: Readonly<Record<Group, () => Promise<readonly Row[]>>> = {
    create: () => createRows(world, parts),
    read: () => readRows(world, parts),
    sockets: () => socketRows(world, parts),
    start: () => startRows(world, sizes),
    growth: () => growthRows(world, { tokens, sizes, orders }),
  };
  const rows: Row[] = [];
  for (const name of GROUPS.filter((each) => chosen.includes(each))) {
    process.stderr.write(`${name} …\n`);
    rows.push(...await groups[name]());
  }
  const kind = cpus()[0]?.model ?? 'unknown';
  const machine = `${cpus().length} x ${kind}, Node ${process.version}`;
  process.stdout.write(`${renderTable(rows)}\n\n${machine}\n`);
  if (flags.out !== undefined) {
    writeFileSync(flags.out, `${JSON.stringify({ rows }, null, 2)}\n`);
  }
} catch (error) {
  // What was under way misses what is being stopped.
  if (!isEnding) throw error;
} finally {
  await world.close();
}
