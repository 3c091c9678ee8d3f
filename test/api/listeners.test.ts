import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { connect, type Server, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import Fastify, { type FastifyInstance } from 'fastify';
import { afterEach, describe, expect, it } from 'vitest';
import { createHttpServer } from '../../src/rest/http-server.ts';
import { listen, type Listeners, type ListenAt } from '../../src/rest/listeners.ts';

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (let step = undo.pop(); step !== undefined; step = undo.pop()) await step();
});

async function open(
  at: Omit<ListenAt, 'host'>,
  routes: (app: FastifyInstance) => void = () => undefined,
): Promise<Listeners & { readonly port: number }> {
  const app = Fastify({
    serverFactory: (handler) => createHttpServer(handler, { socketPath: '/graphql' }),
  });
  routes(app);
  const listeners = await listen(app, { host: '127.0.0.1', ...at });
  let closing: Promise<void> | null = null;
  const close = (): Promise<void> => (closing ??= listeners.close());
  undo.push(close);
  return { url: listeners.url, close, port: Number(new URL(listeners.url).port) };
}

async function openSocket(port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port });
  undo.push(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

async function ask(socket: Socket): Promise<string> {
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  const [data] = await once(socket, 'data') as [Buffer];
  return data.toString();
}

const sayName = (name: string) => (app: FastifyInstance): void => {
  app.get('/', () => name);
};

describe('listening', () => {
  it('takes many connections in one turn of a busy loop', async () => {
    const { port } = await open({ port: 0 }, sayName('one'));
    // A whole burst waits in the kernel; every turn of the loop is made to last.
    const sockets = await Promise.all(Array.from({ length: 64 }, () => openSocket(port)));
    let turns = 0;
    let isOver = false;
    const spin = (): void => {
      turns += 1;
      const untilMs = performance.now() + 2;
      while (performance.now() < untilMs);
      if (!isOver) setImmediate(spin);
    };
    setImmediate(spin);
    const answers = await Promise.all(sockets.map(ask));
    isOver = true;
    for (const answer of answers) expect(answer).toContain('one');
    // Of one listener each turn takes one, and there are further turns for what was asked.
    expect(turns).toBeLessThan(64);
  });

  it.runIf(process.platform === 'linux')(
    'goes on where a connection cannot be accepted, through whichever listener', async () => {
      const servers = new Set<Server>();
      const note = (message: unknown): void => {
        servers.add((message as { readonly server: Server }).server);
      };
      subscribe('tracing:net.server.listen:asyncEnd', note);
      undo.push(() => unsubscribe('tracing:net.server.listen:asyncEnd', note));
      const { port } = await open({ port: 0 }, sayName('one'));
      const others = [...servers].filter((server) => server.listening);
      expect(others.length).toBeGreaterThan(2);
      for (const server of others.slice(1)) server.emit('error', new Error('accept EMFILE'));
      expect(await ask(await openSocket(port))).toContain('one');
    },
  );

  it('answers whoever closes its own half behind its request, through each listener', async () => {
    const { port } = await open({ port: 0 }, (app) => {
      app.get('/', async ({ raw: { socket } }) => {
        if (!socket.readableEnded) await once(socket, 'end');
        return 'one';
      });
    });
    const answers = await Promise.all(Array.from({ length: 32 }, async () => {
      const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
      undo.push(() => socket.destroy());
      socket.end('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
      return text(socket);
    }));
    for (const answer of answers) expect(answer).toContain('one');
  });

  it('refuses a port at which somebody else listens, also where that one shares it', async () => {
    const alone = await open({ port: 0 });
    await expect(open({ port: alone.port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    const shared = await open({ port: 0, isShared: true });
    await expect(open({ port: shared.port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });

  it('deals the connections of a shared port to all who listen there', async () => {
    const { port } = await open({ port: 0, isShared: true }, sayName('one'));
    await open({ port, isShared: true }, sayName('two'));
    const sockets = await Promise.all(Array.from({ length: 100 }, () => openSocket(port)));
    const answers = await Promise.all(sockets.map(ask));
    expect(new Set(answers.map((answer) => answer.slice(-3)))).toEqual(new Set(['one', 'two']));
  });

  it('ends after the answers of all connections, and leaves no idle one open', async () => {
    const { promise: held, resolve: release } = Promise.withResolvers<string>();
    const { port, close } = await open({ port: 0 }, (app) => {
      app.get('/', () => 'idle');
      app.get('/held', () => held);
    });
    const sockets = await Promise.all(Array.from({ length: 40 }, () => openSocket(port)));
    const silent = await openSocket(port);
    await Promise.all(sockets.map(ask));
    const answers = sockets.slice(0, 20).map(async (socket) => {
      socket.write('GET /held HTTP/1.1\r\nHost: x\r\n\r\n');
      return String((await once(socket, 'data'))[0]);
    });
    const ends = [...sockets, silent].map((socket) => once(socket, 'close'));
    // Asked behind them on the same loop: the others have arrived when this one is answered.
    await ask(sockets[39] as Socket);
    const closing = close();
    await Promise.all(ends.slice(20));
    release('held till now');
    for (const answer of await Promise.all(answers)) expect(answer).toContain('held till now');
    await Promise.all([closing, ...ends]);
    await expect(openSocket(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });
});
