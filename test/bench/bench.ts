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

const world = await BenchWorld.open();
try {
  const database = await world.createDatabase('bench');
  const floorUrl = await world.createFloor();
  const tokens = await signTokens(CLIENT_COUNT);
  const parts = { database, floorUrl, tokens, sizes };
  const groups: Readonly<Record<string, () => Promise<readonly Row[]>>> = {
    create: () => createRows(world, parts),
    read: () => readRows(world, parts),
    sockets: () => socketRows(world, parts),
    start: () => startRows(world, sizes),
    ...(flags.short ? {} : { growth: () => growthRows(world, { tokens, sizes, orders }) }),
  };
  const rows: Row[] = [];
  for (const [name, run] of Object.entries(groups)) {
    if (flags.only !== undefined && !flags.only.split(',').includes(name)) continue;
    process.stderr.write(`${name} …\n`);
    rows.push(...await run());
  }
  const kind = cpus()[0]?.model ?? 'unknown';
  const machine = `${cpus().length} x ${kind}, Node ${process.version}`;
  process.stdout.write(`${renderTable(rows)}\n\n${machine}\n`);
  if (flags.out !== undefined) {
    writeFileSync(flags.out, `${JSON.stringify({ rows }, null, 2)}\n`);
  }
} finally {
  await world.close();
}
