import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { cutPolling } from '../../src/rest/cut-polling.ts';
import { RunQueue } from '../../src/rest/run-queue.ts';
import type { GreedyClients } from '../support/greedy-clients.ts';

const CLIENTS = 2500;
const WORK_MS = 0.15;
const ENTRY = new URL('../support/greedy-clients.ts', import.meta.url);

it('lets the loop turn though more ask, without a pause, than it looks for at once', async () => {
  const queue = new RunQueue(cutPolling);
  let inTurn = 0;
  let mostInTurn = 0;
  let isOver = false;
  const look = (): void => {
    mostInTurn = Math.max(mostInTurn, inTurn);
    inTurn = 0;
    if (!isOver) setImmediate(look);
  };
  const server = createServer((_request, response) => {
    inTurn += 1;
    // Slower than its clients, as under load: so that nearly all of them always wait.
    const untilMs = performance.now() + WORK_MS;
    while (performance.now() < untilMs);
    // What is refused is answered at once too: all that counts here is who asks.
    if (!queue.add(() => 0, () => response.end('done'))) response.end('done');
  }).listen({ port: 0, host: '127.0.0.1', backlog: CLIENTS });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const plan: GreedyClients = { port, count: CLIENTS, answers: 5 * CLIENTS };
  const clients = fork(ENTRY, [JSON.stringify(plan)], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  let acceptedCount = 0;
  server.on('connection', () => {
    acceptedCount += 1;
    if (acceptedCount === CLIENTS) clients.send('ask');
  });
  look();
  try {
    expect(await once(clients, 'exit')).toEqual([0, null]);
  } finally {
    isOver = true;
    clients.kill('SIGKILL');
    server.closeAllConnections();
    server.close();
  }
  // Those who asked before it was late, each of them once, and as many as it looks for at once.
  expect(Math.max(mostInTurn, inTurn)).toBeLessThan(3 * CLIENTS);
});
