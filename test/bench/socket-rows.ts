import type { BenchDatabase, BenchWorld } from './bench-world.ts';
import { createPlan } from './create-rows.ts';
import { socketsOf } from './load-process.ts';
import { rowAlone, type Row, type Sizes } from './rows.ts';

/** How late an event comes behind its commit, and what a subscriber that waits takes of memory. */
export async function socketRows(
  world: BenchWorld,
  of: {
    readonly database: BenchDatabase;
    readonly tokens: readonly string[];
    readonly sizes: Sizes;
  },
): Promise<readonly Row[]> {
  return [...await latencyRows(world, of), await memoryRow(world, of)];
}

async function latencyRows(
  world: BenchWorld,
  { database, tokens, sizes }: Parameters<typeof socketRows>[1],
): Promise<readonly Row[]> {
  const server = await world.startServer(database);
  const halves: number[] = [];
  const worst: number[] = [];
  for (let round = 0; round < sizes.rounds; round += 1) {
    const creates = createPlan({
      door: 'rest', port: server.port, tokens: tokens.slice(0, sizes.sockets),
      seconds: sizes.seconds, pace: sizes.createsPerSecond,
    });
    const result = await socketsOf({
      port: server.port, tokens, sockets: sizes.sockets, creates, idleSeconds: 0,
    });
    if (result.missed > 0 || result.wrong > 0) {
      throw new Error(`${result.missed} events were missed, ${result.wrong} orders not placed`);
    }
    halves.push(result.p50Ms);
    worst.push(result.p99Ms);
  }
  await server.stop();
  return [
    rowAlone({ name: 'event-latency', unit: 'ms p50', target: '<= 15 ms' }, halves),
    rowAlone({ name: 'event-latency-p99', unit: 'ms p99', target: '<= 100 ms' }, worst),
  ];
}

async function memoryRow(
  world: BenchWorld,
  { database, tokens, sizes }: Parameters<typeof socketRows>[1],
): Promise<Row> {
  const perSocket: number[] = [];
  for (let round = 0; round < sizes.rounds; round += 1) {
    const server = await world.startServer(database);
    const emptyKb = server.rssKb();
    let openKb = 0;
    const weigh = setInterval(() => {
      openKb = server.rssKb();
    }, 1000);
    await socketsOf({
      port: server.port, tokens, sockets: sizes.idleSockets, creates: null,
      idleSeconds: sizes.idleSeconds,
    });
    clearInterval(weigh);
    perSocket.push((openKb - emptyKb) / sizes.idleSockets);
    await server.stop();
  }
  return rowAlone(
    { name: 'idle-subscriber-memory', unit: 'kB each', target: '<= 60 kB' }, perSocket,
  );
}
