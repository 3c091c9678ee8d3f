import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { WebSocket as WsSocket } from 'ws';
import { createTopupClient } from '../../src/client/index.ts';
import { Sockets } from '../../src/client/sockets.ts';

/** Takes connections and says nothing, as a frozen gateway does. */
async function silentGateway() {
  let openCount = 0;
  let madeCount = 0;
  const server = createServer((socket) => {
    openCount += 1;
    madeCount += 1;
    socket.on('close', () => { openCount -= 1; });
    // A line that is cut tells an error as well.
    socket.on('error', () => undefined);
    socket.resume();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return { address: `127.0.0.1:${port}`, openCount: () => openCount, madeCount: () => madeCount };
}

// An error that nobody hears would fail the run: sockets of `ws` throw it a tick after they are
// closed while they connect.
describe.each([
  ['of ws', WsSocket], ['of the runtime', WebSocket], ['of ws as the global class', null],
])('over sockets %s, a gateway that says nothing', (_what, given) => {
  const webSocketImpl = given ?? undefined;
  beforeEach(() => {
    if (given === null) vi.stubGlobal('WebSocket', WsSocket);
  });
  afterEach(() => vi.unstubAllGlobals());
  const begin = (address: string) => {
    const client = createTopupClient({
      url: `http://${address}/graphql`, token: () => 'token', webSocketImpl,
    });
    const left = new AbortController();
    const next = client.watchOrders({}, { signal: left.signal }).next();
    return { client, left, next };
  };

  it('is given up', async () => {
    const { address, openCount } = await silentGateway();
    const sockets = new Sockets({
      wsUrl: `ws://${address}/graphql`, token: () => 'token', webSocketImpl,
      acknowledgedWithinMs: 50,
    });
    const { client } = sockets.enter();
    const told = new Promise((resolve) => {
      client.subscribe({ query: '{ viewer { name } }' }, {
        next: resolve, error: resolve, complete: () => resolve('complete'),
      });
    });
    expect(await told).toMatchObject({ code: 4499 });
    await expect.poll(openCount).toBe(0);
  });

  it('is left by a client that closes', async () => {
    const { address, openCount, madeCount } = await silentGateway();
    const { client, next } = begin(address);
    await expect.poll(madeCount).toBe(1);
    await client.close();
    expect(await next).toEqual({ done: true, value: undefined });
    await expect.poll(openCount).toBe(0);
  });

  it('is left with the last watch', async () => {
    const { address, openCount, madeCount } = await silentGateway();
    const { client, left, next } = begin(address);
    const other = client.watchOrders();
    const second = other.next();
    await expect.poll(madeCount).toBe(1);
    left.abort();
    expect(await next).toEqual({ done: true, value: undefined });
    expect(openCount()).toBe(1);
    await other.return?.();
    expect(await second).toEqual({ done: true, value: undefined });
    await expect.poll(openCount).toBe(0);
    await client.close();
  });
});
