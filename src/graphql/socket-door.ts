import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { GraphQLSchema } from 'graphql';
import { handleProtocols, type Server } from 'graphql-ws';
import { WebSocketServer, type WebSocket } from 'ws';
import type { Admit } from './admission.ts';
import type { GraphqlDeps } from './context.ts';
import { MalformedRequest } from './graphql-request.ts';
import { GRAPHQL_PATH } from './http-door.ts';
import { CLOSE, SocketConnection } from './socket-connection.ts';
import { readMessage } from './socket-message.ts';
import { IdInUse, type Handle } from './socket-operations.ts';
import { HEARTBEAT_INTERVAL_MS, socketProtocol } from './socket-protocol.ts';
import { StrangerSockets } from './stranger-sockets.ts';

const FRAME_LIMITS = {
  /** Bytes of one message. */
  maxPayload: 65_536,
  /** Frames of one message: empty ones cost time, and no byte of it. More end the socket, 1008. */
  maxFragments: 16,
  /** Milliseconds that the other side may take to answer our closing frame. */
  closeTimeout: 2_000,
};
/** Memory is bounded by this times the send buffer's cap. */
const SOCKETS_MAX = 10_000;

export interface SocketDoorOptions {
  readonly schema: GraphQLSchema;
  readonly admitOperation: Admit;
  readonly deps: GraphqlDeps;
}

export interface SocketDoor {
  /** Takes no more sockets and ends the open ones with 1001; resolves when all are gone. */
  close(): Promise<void>;
  socketCount(): number;
}

/** graphql-transport-ws on the upgrade event of the app's own server, at /graphql. */
export function openSocketDoor(app: FastifyInstance, options: SocketDoorOptions): SocketDoor {
  const sockets = new Sockets(options);
  app.server.on('upgrade', (request, stream, head) => sockets.upgrade(request, stream, head));
  void sockets.beat();
  options.deps.onAccessChange(() => sockets.closeRevoked());
  return { close: () => sockets.close(), socketCount: () => sockets.count };
}

class Sockets {
  readonly #deps: GraphqlDeps;
  readonly #protocol: Server<SocketConnection>;
  readonly #server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    handleProtocols: (protocols) => handleProtocols(protocols),
    ...FRAME_LIMITS,
  });
  /** Every open socket, with the promise that it is gone. */
  readonly #connections = new Map<SocketConnection, Promise<void>>();
  readonly #strangers = new StrangerSockets<SocketConnection>();
  readonly #countsByClient = new Map<number, number>();
  readonly #closing = new AbortController();

  constructor(options: SocketDoorOptions) {
    this.#deps = options.deps;
    this.#protocol = socketProtocol({
      ...options,
      admit: (connection, { clientId }) => {
        const isAdmitted = this.#admit(clientId);
        // One too many of its client keeps its place no better than a stranger until it is gone.
        if (isAdmitted) this.#strangers.delete(connection);
        return isAdmitted;
      },
    });
  }

  get count(): number {
    return this.#connections.size;
  }

  upgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    // Without a listener, a stream that breaks during the handshake would end the process.
    stream.on('error', () => stream.destroy());
    const path = (request.url ?? '').split('?', 1)[0];
    if (path !== GRAPHQL_PATH) return refuseUpgrade(stream, '404 Not Found');
    if (this.#closing.signal.aborted || !this.#hasRoom()) {
      return refuseUpgrade(stream, '503 Service Unavailable');
    }
    this.#server.handleUpgrade(request, stream, head, (socket) => {
      this.#open(socket, this.#deps.addressOf(request));
    });
  }

  /** Whoever shows no token has a place for as long as nobody else wants it. */
  #hasRoom(): boolean {
    if (this.#connections.size < (this.#deps.socketsMax ?? SOCKETS_MAX)) return true;
    const stranger = this.#strangers.takeOldest();
    stranger?.terminate();
    return stranger !== undefined;
  }

  #open(socket: WebSocket, address: string): void {
    const id = randomUUID();
    const connection = new SocketConnection(socket, { id, address, clock: this.#deps.clock });
    // ws ends the socket itself, with 1009 for a frame that is too long.
    socket.on('error', () => {});
    let handle: Handle = () => Promise.resolve();
    const closed = this.#protocol.opened({
      protocol: connection.protocol,
      send: (message) => connection.send(message),
      close: (code, reason) => connection.close([code ?? 1000, reason ?? '']),
      onMessage: (callback) => {
        // Its type knows texts only; what is parsed already is taken as it is.
        handle = callback as Handle;
      },
    }, connection);
    socket.on('message', (bytes) => {
      if (connection.readsMessage()) {
        void this.#receive(connection, bytes as Buffer, handle);
      }
    });
    this.#strangers.add(connection);
    this.#connections.set(connection, new Promise((resolve) => {
      socket.once('close', (code, reason) => {
        void this.#forget(connection, closed(code, String(reason))).then(resolve);
      });
    }));
  }

  /** Operations answer their own errors, so whatever arrives here is about the socket. */
  async #receive(connection: SocketConnection, bytes: Buffer, handle: Handle): Promise<void> {
    try {
      const message = readMessage(bytes);
      const { subscriptionsPerSocket } = this.#deps;
      if (!connection.takesMessage(message, bytes.length, subscriptionsPerSocket)) return;
      await connection.operations.pass(message, handle);
    } catch (error) {
      if (error instanceof IdInUse) return connection.close(CLOSE.idInUse);
      if (isMalformed(error)) return connection.close(CLOSE.malformed);
      this.#deps.log.error({ requestId: connection.id, err: error }, 'A socket message failed');
      connection.close(CLOSE.internalError);
    }
  }

  async #forget(connection: SocketConnection, closed: Promise<void>): Promise<void> {
    this.#connections.delete(connection);
    this.#strangers.delete(connection);
    if (connection.caller !== null) this.#release(connection.caller.clientId);
    try {
      await Promise.all([connection.end(), closed]);
    } catch (error) {
      this.#deps.log.error({ requestId: connection.id, err: error }, 'A source was not freed');
    }
  }

  #admit(clientId: number): boolean {
    const count = this.#countsByClient.get(clientId) ?? 0;
    if (count >= this.#deps.socketsPerClient) return false;
    this.#countsByClient.set(clientId, count + 1);
    return true;
  }

  #release(clientId: number): void {
    const count = this.#countsByClient.get(clientId) ?? 0;
    if (count > 1) this.#countsByClient.set(clientId, count - 1);
    else this.#countsByClient.delete(clientId);
  }

  /** One timer for all sockets: a socket is gone after two intervals without a sign of life. */
  async beat(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      await this.#deps.clock.sleep(HEARTBEAT_INTERVAL_MS, this.#closing.signal);
      if (this.#closing.signal.aborted) return;
      for (const connection of this.#connections.keys()) connection.beat();
    }
  }

  /** What admitted a socket may be taken back while it is open. */
  closeRevoked(): void {
    for (const connection of this.#connections.keys()) {
      const { caller } = connection;
      if (caller !== null && !this.#deps.isStillAdmitted(caller)) {
        void connection.leave(CLOSE.revoked);
      }
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    const gone = [...this.#connections.values()];
    for (const connection of this.#connections.keys()) void connection.leave(CLOSE.goingAway);
    await Promise.all(gone);
  }
}

/** The protocol's library closes the socket for every other message that is not as it should be. */
function isMalformed(error: unknown): boolean {
  return error instanceof MalformedRequest
    || (error instanceof Error && error.message.startsWith('Unexpected message of type'));
}

function refuseUpgrade(stream: Duplex, status: string): void {
  stream.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  stream.once('finish', () => stream.destroy());
}
