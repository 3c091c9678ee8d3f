import type { FastifyRequest } from 'fastify';
import { parseMoment } from '../domain/moment.ts';
import { idOf } from '../domain/order-request.ts';
import { Rejection } from '../domain/rejection.ts';

/** The query of a URL, each parameter given at most once; what is not asked for is ignored. */
export class Query {
  readonly #parameters: URLSearchParams;

  constructor(request: FastifyRequest) {
    const url = request.raw.url ?? '';
    const start = url.indexOf('?');
    // Undecodable bytes become characters that no parameter may have.
    this.#parameters = new URLSearchParams(start === -1 ? '' : url.slice(start + 1));
  }

  /** The text of a parameter, or null where it is not there. @throws Rejection if it is repeated */
  text(name: string): string | null {
    const [value = null, ...others] = this.#parameters.getAll(name);
    // Some clients spell a list so: taken for another name, it would ask for everything.
    const isList = [...this.#parameters.keys()].some((key) => key.startsWith(`${name}[`));
    if (isList) throw invalidParameter(name, `${name} must be one value, without brackets`);
    if (others.length > 0) throw invalidParameter(name, `${name} must be given once`);
    return value;
  }

  /** @throws Rejection VALIDATION_FAILURE where it does not look like this */
  matching(name: string, pattern: RegExp, expected: string): string | null {
    const value = this.text(name);
    if (value !== null && !pattern.test(value)) {
      throw invalidParameter(name, `${name} must be ${expected}`);
    }
    return value;
  }

  /** A positive integer below 2^53. @throws Rejection VALIDATION_FAILURE */
  id(name: string): number | null {
    const value = this.text(name);
    if (value === null) return null;
    const id = idOf(value);
    if (id === null) throw invalidParameter(name, `${name} must be a positive integer`);
    return id;
  }

  /** @throws Rejection VALIDATION_FAILURE */
  oneOf<Value extends string>(name: string, values: readonly Value[]): Value | null {
    const text = this.text(name);
    if (text === null) return null;
    const value = values.find((each) => each === text);
    if (value === undefined) {
      throw invalidParameter(name, `${name} must be one of ${values.join(', ')}`);
    }
    return value;
  }

  /** A moment by RFC 3339, with its offset. @throws Rejection VALIDATION_FAILURE */
  time(name: string): Date | null {
    const text = this.text(name);
    if (text === null) return null;
    // A plus that was not escaped comes as a space.
    const time = parseMoment(text.replace(/(?<=:\d\d(?:\.\d+)?) (?=\d\d:\d\d$)/, '+'));
    if (time !== null) return time;
    throw invalidParameter(name, `${name} must be ${TIME_EXPECTED}`);
  }
}

const TIME_EXPECTED = 'a time by RFC 3339, e.g. 2026-11-03T09:30:00Z';

/** A parameter of the address that cannot be read, named as the caller wrote it. */
export function invalidParameter(name: string, message: string): Rejection {
  return new Rejection('VALIDATION_FAILURE', message, { field: [name] });
}

/**
 * The id in a path. `noun` says of what, for people.
 * @throws Rejection VALIDATION_FAILURE
 */
export function idIn({ id: text }: { readonly id: string }, noun: string): number {
  const id = idOf(text);
  if (id === null) throw invalidParameter('id', `${noun} ID must be a positive integer`);
  return id;
}
