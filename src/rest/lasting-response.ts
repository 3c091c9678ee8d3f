import { ServerResponse, type IncomingMessage } from 'node:http';

/** How long the rest of a body is read and dropped before its connection ends; milliseconds. */
export const REST_OF_BODY_MS = 1_000;
/** How much of a body is read past once it is answered, where the connection is kept; bytes. */
const REST_OF_BODY_MAX = 1024 * 1024;

/** Answers that wait for the rest of a body. */
const lasting = new WeakSet<ServerResponse>();

/**
 * An answer that ends its connection before the request has come whole would be lost: what still
 * comes then resets the connection, and a proxy in between takes the gateway for dead (RFC 9112,
 * 9.6). So the rest is read past, and then it is given.
 */
export class LastingResponse extends ServerResponse {
  override end(...args: unknown[]): this {
    const { req } = this;
    const isLast = !this.shouldKeepAlive || this.getHeader('connection') === 'close';
    if (req.complete || !isLast || this.socket?.destroyed !== false) {
      if (!req.complete) boundRest(req);
      return super.end(...args as Parameters<ServerResponse['end']>);
    }
    if (lasting.has(this)) return this;
    lasting.add(this);
    // Once: to be ended again would be a fault that nobody hears, and the end of the process.
    const endNow = (): void => {
      clearTimeout(timer);
      req.off('close', endNow);
      if (!this.writableEnded) super.end(...args as Parameters<ServerResponse['end']>);
    };
    const timer = setTimeout(endNow, REST_OF_BODY_MS);
    req.once('close', endNow);
    req.resume();
    return this;
  }
}

/** Who is slow may end its body; who sends without end takes the line of everybody. */
function boundRest(request: IncomingMessage): void {
  const { socket } = request;
  const readMax = socket.bytesRead + REST_OF_BODY_MAX;
  const timer = setInterval(() => {
    if (request.complete || socket.destroyed) clearInterval(timer);
    else if (socket.bytesRead > readMax) socket.destroy();
  }, REST_OF_BODY_MS).unref();
}

