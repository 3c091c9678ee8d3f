import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';

/** Connections that may wait to be accepted; of Node's 511 a burst loses some for seconds. */
const BACKLOG = 4096;
/**
 * Node accepts one connection of a listener in each turn of its loop. Under load a turn takes some
 * milliseconds, and where thousands ask without a pause some tenths of a second: the last of those
 * that come at once would wait for seconds (seen: 8 s behind 3,000); the kernel deals them to as
 * many queues. They open within some tens of milliseconds.
 */
const LISTENER_COUNT = 256;
/** While it closes, a connection is kept no longer than this for a next request; milliseconds. */
const CLOSING_KEEP_ALIVE_MS = 1;

export interface Listeners {
  readonly url: string;
  /** Takes no more connections; resolves when those that are open have ended. */
  close(): Promise<void>;
}

export interface ListenAt {
  readonly host: string;
  readonly port: number;
  /** Other processes may listen there too: the kernel deals connections to all of them. */
  readonly isShared?: boolean;
}

/**
 * Lets `app` listen, through several listeners where the system allows it.
 * @throws Error with Node's code, e.g. EADDRINUSE where somebody else listens there already
 */
export async function listen(app: FastifyInstance, at: ListenAt): Promise<Listeners> {
  const { host } = at;
  const sockets = new Set<Socket>();
  app.server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  // Shared listeners do not notice a stranger's: an ordinary one, opened first, does.
  const port = at.isShared === true ? at.port : await freePortAt(at);
  const url = await app.listen({ host, port, backlog: BACKLOG, ...REUSE });
  const { address, port: bound } = app.server.address() as AddressInfo;
  const others: Server[] = [];
  while (others.length + 1 < LISTENER_COUNT && await openAnother(app, others, address, bound));
  return {
    url,
    async close() {
      const closed = others.map((other) => once(other.close(), 'close'));
      // What is answered from now on is idle, and closed, once all of it was sent.
      app.server.keepAliveTimeout = CLOSING_KEEP_ALIVE_MS;
      // To Node a connection on which nothing was ever asked is not idle; nobody misses it.
      for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
      await Promise.all([...closed, app.close()]);
    },
  };
}

// Known to Linux and to Node from 22.12 on; elsewhere it says nothing, or that it cannot be had.
const REUSE = process.platform === 'linux' ? { reusePort: true } : {};

/**
 * The port that can be listened at now: a free one where 0 is named.
 * @throws Error with Node's code, as `listen`
 */
export async function freePortAt({ host, port }: ListenAt): Promise<number> {
  const server = createServer().listen({ host, port });
  await once(server, 'listening');
  const found = (server.address() as AddressInfo).port;
  server.close();
  await once(server, 'close');
  return found;
}

/** Whether another listener could be added; its connections are the app's like any others. */
async function openAnother(
  app: FastifyInstance,
  others: Server[],
  host: string,
  port: number,
): Promise<boolean> {
  const server = createServer(
    { allowHalfOpen: true, noDelay: true },
    (socket) => void app.server.emit('connection', socket),
  );
  try {
    server.listen({ host, port, backlog: BACKLOG, ...REUSE });
    await once(server, 'listening');
  } catch {
    return false;
  }
  // E.g. no file descriptor was left to accept with: the next connection may find one.
  server.on('error', (error) => app.log.error({ err: error }, 'A connection was not accepted'));
  others.push(server);
  return true;
}
