import { isJsonMap, MalformedRequest } from './graphql-request.ts';

/** A message about one operation. */
type Named = Readonly<Record<string, unknown>> & { readonly id: string };

/** Hands a message to the protocol's library; resolves when an operation that it begins is gone. */
export type Handle = (message: unknown) => Promise<void>;

/** Two operations were to have one id. */
export class IdInUse extends Error {}

/** It stands in every message about the operation; clients name them by a number or a UUID. */
const ID_LENGTH_MAX = 1024;

/** Open operations and those being closed, together, that a socket may have at most. */
export function placesOf(openMax: number): number {
  return 2 * openMax;
}

/** How a message about an operation begins: with the number that was put before its id. */
const NUMBERED = /^\{"id":"([0-9]+):/;

/**
 * The operations of one socket. The protocol's library looks them up by id alone: one that was
 * completed while it was being opened would take over the place of the next one with its id, and
 * could not be ended any more. So the library is told ids with a number before them that never
 * comes again, and the client is told its own.
 */
export class SocketOperations {
  /** Those that the client has not completed, by its ids. */
  readonly #numbers = new Map<string, number>();
  readonly #told = new Set<number>();
  /** Those that last until somebody ends them. */
  readonly #streams = new Set<number>();
  #lastNumber = 0;
  #count = 0;
  #waiting: PromiseWithResolvers<void> | null = null;

  /** Operations that the client has begun and not completed, and that have not ended. */
  get openCount(): number {
    return this.#numbers.size;
  }

  /** Whether a new one would keep to the limit of those that are open, and could be opened. */
  hasRoom(openMax: number): boolean {
    return this.#numbers.size < openMax && this.#count < placesOf(openMax);
  }

  /**
   * Whether there is a place for one that is counted already. Those that were completed a moment
   * ago may still be closing: whoever completes one and begins the next keeps to the limit. With a
   * database that is away each of them takes seconds to close.
   */
  hasPlace(openMax: number): boolean {
    return this.#count <= placesOf(openMax);
  }

  /** Whether queries or mutations are under way, or what may turn out to be one. */
  get areAnswersDue(): boolean {
    return this.#count > this.#streams.size;
  }

  /** Resolves once no answer is due. */
  async untilAnswered(): Promise<void> {
    while (this.areAnswersDue) {
      this.#waiting ??= Promise.withResolvers();
      await this.#waiting.promise;
    }
  }

  /** Tells of an operation, by the id that the library knows, that it is a subscription. */
  noteStream(numberedId: string): void {
    this.#streams.add(Number.parseInt(numberedId, 10));
    this.#tellAnswered();
  }

  /** Whether a message is about a subscription. */
  isOfStream(message: string): boolean {
    const [, number] = NUMBERED.exec(message) ?? [];
    return this.#streams.has(Number(number));
  }

  /** @throws IdInUse, MalformedRequest */
  async pass(message: unknown, handle: Handle): Promise<void> {
    if (isNamed(message, 'subscribe')) return this.#begin(message, handle);
    return isNamed(message, 'complete') ? this.#complete(message, handle) : handle(message);
  }

  /** A message as the client is to see it; null about an operation that it has completed. */
  shown(message: string): string | null {
    const [start, number] = NUMBERED.exec(message) ?? [];
    if (start === undefined) return message;
    return this.#told.has(Number(number)) ? `{"id":"${message.slice(start.length)}` : null;
  }

  async #begin(message: Named, handle: Handle): Promise<void> {
    const { id } = message;
    if (id.length > ID_LENGTH_MAX) {
      throw new MalformedRequest(`An id has at most ${ID_LENGTH_MAX} characters`);
    }
    if (this.#numbers.has(id)) throw new IdInUse('An operation has this id already');
    this.#lastNumber += 1;
    const number = this.#lastNumber;
    this.#numbers.set(id, number);
    this.#told.add(number);
    this.#count += 1;
    try {
      await handle({ ...message, id: `${number}:${id}` });
    } finally {
      this.#count -= 1;
      this.#streams.delete(number);
      this.#forget(id, number);
      this.#tellAnswered();
    }
  }

  async #complete(message: Named, handle: Handle): Promise<void> {
    const number = this.#numbers.get(message.id);
    // It has ended by itself meanwhile.
    if (number === undefined) return;
    this.#forget(message.id, number);
    await handle({ ...message, id: `${number}:${message.id}` });
  }

  #tellAnswered(): void {
    this.#waiting?.resolve();
    this.#waiting = null;
  }

  #forget(id: string, number: number): void {
    this.#told.delete(number);
    if (this.#numbers.get(id) === number) this.#numbers.delete(id);
  }
}

function isNamed(message: unknown, type: 'subscribe' | 'complete'): message is Named {
  return isJsonMap(message) && message['type'] === type
    && typeof message['id'] === 'string' && message['id'] !== '';
}
