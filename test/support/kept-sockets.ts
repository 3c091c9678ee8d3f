/**
 * A class of sockets that are remembered as they are opened. Where it is said, they close late, as
 * where the other side is far away.
 */
export function keptSockets(closeAfterMs = 0): {
  readonly opened: readonly WebSocket[];
  readonly webSocketImpl: new (url: string, protocols: string) => WebSocket;
} {
  const opened: WebSocket[] = [];
  class KeptSocket extends WebSocket {
    constructor(url: string, protocols: string) {
      super(url, protocols);
      opened.push(this);
    }

    override close(code?: number, reason?: string): void {
      if (closeAfterMs === 0) super.close(code, reason);
      else setTimeout(() => super.close(code, reason), closeAfterMs);
    }
  }
  return { opened, webSocketImpl: KeptSocket };
}
