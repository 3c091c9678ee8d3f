import { strangerOf } from '../domain/network.ts';

interface Addressed {
  /** From where the upgrade came. */
  readonly address: string;
}

/** Sockets whose other side has not shown yet who it is, by where they come from. */
export class StrangerSockets<Socket extends Addressed> {
  readonly #byStranger = new Map<string, Set<Socket>>();

  add(socket: Socket): void {
    const stranger = strangerOf(socket.address);
    const sockets = this.#byStranger.get(stranger) ?? new Set();
    this.#byStranger.set(stranger, sockets.add(socket));
  }

  delete(socket: Socket): void {
    const stranger = strangerOf(socket.address);
    const sockets = this.#byStranger.get(stranger);
    sockets?.delete(socket);
    if (sockets?.size === 0) this.#byStranger.delete(stranger);
  }

  /** Takes out the oldest of the stranger that has most; undefined where there is none. */
  takeOldest(): Socket | undefined {
    let most: ReadonlySet<Socket> = new Set();
    for (const sockets of this.#byStranger.values()) {
      if (sockets.size > most.size) most = sockets;
    }
    const [oldest] = most;
    if (oldest !== undefined) this.delete(oldest);
    return oldest;
  }
}
