import { once } from 'node:events';

import { WebSocket } from 'ws';

export interface Message {
  readonly id?: string;
  readonly type: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- whatever the server may say
  readonly payload?: any;
}

/** A client without manners: it says exactly what it is told to. */
export class SocketPeer {
  readonly #socket: WebSocket;
  readonly #messages: Message[] = [];
  #wake: (() => void) | undefined;
  readonly closed: Promise<readonly [code: number, reason: string]>;

  constructor(serverUrl: string, protocol = 'graphql-transport-ws') {
    const url = `${serverUrl.replace('http', 'ws')}/graphql`;
    this.#socket = new WebSocket(url, protocol === '' ? [] : [protocol]);
    this.#socket.on('message', (message) => {
      this.#messages.push(JSON.parse(String(message)) as Message);
      this.#wake?.();
    });
    this.#socket.on('error', () => {});
    this.closed = new Promise((resolve) => {
      this.#socket.once('close', (code, reason) => resolve([code, String(reason)]));
    });
  }

  async opened(): Promise<this> {
    await once(this.#socket, 'open');
    return this;
  }

  async acknowledgedBy(authorization: string): Promise<this> {
    await this.opened();
    this.say({ type: 'connection_init', payload: { authorization } });
    const { type } = await this.heard();
    if (type !== 'connection_ack') throw new Error(`The socket was answered ${type}`);
    return this;
  }

  say(message: object | string): void {
    const isWritten = typeof message === 'string' || Buffer.isBuffer(message);
    this.#socket.send(isWritten ? message : JSON.stringify(message));
  }

  /** One message in so many frames, all but the first one empty. */
  sayInFrames(message: object, count: number): void {
    this.#socket.send(JSON.stringify(message), { fin: false });
    for (let nth = 2; nth < count; nth += 1) this.#socket.send('', { fin: false });
    this.#socket.send('', { fin: true });
  }

  subscribe(id: string, query: string, variables: object = {}): void {
    this.say({ id, type: 'subscribe', payload: { query, variables } });
  }

  complete(id: string): void {
    this.say({ id, type: 'complete' });
  }

  async heard(): Promise<Message> {
    while (this.#messages.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#messages.shift()!;
  }

  /** What is said until the answer to a ping that is sent now: whatever was to come before it. */
  async heardUntilPong(): Promise<readonly Message[]> {
    this.say({ type: 'ping' });
    const heard: Message[] = [];
    for (;;) {
      const message = await this.heard();
      if (message.type === 'pong') return heard;
      heard.push(message);
    }
  }

  stopReading(): void {
    this.#socket.pause();
  }

  /** A frame that was not asked for. */
  pongFrame(): void {
    this.#socket.pong();
  }

  /** A frame that is answered below the protocol. */
  pingFrame(): void {
    this.#socket.ping();
  }

  /** Until the answer to a frame that is sent now: what was said before it has arrived. */
  async arrived(): Promise<void> {
    const pong = once(this.#socket, 'pong');
    this.#socket.ping();
    await pong;
  }

  terminate(): void {
    this.#socket.terminate();
  }
}
