import type { GraphQLError } from 'graphql';
import { Forbidden } from '../domain/access.ts';
import { TemporarilyUnavailable } from '../domain/rejection.ts';
import { carried, requestError, type ErrorCode } from './errors.ts';
import { BODY_BYTES_MAX } from './http-body.ts';
import { STATUSES } from './http-text.ts';

/** A request that is refused before there is an operation. */
export class RefusedRequest extends Error {
  readonly code: ErrorCode;
  readonly status: number;

  constructor(code: ErrorCode, message: string, status = STATUSES[code]) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

/** What is refused before this door has it, by status; all else that is thrown is unexpected. */
const REFUSED = {
  400: ['BAD_REQUEST', 'Invalid request body'],
  413: ['PAYLOAD_TOO_LARGE', `A request body has at most ${BODY_BYTES_MAX} bytes`],
  415: ['UNSUPPORTED_MEDIA_TYPE', 'A request body must be plain application/json in UTF-8'],
} as const satisfies Readonly<Record<number, readonly [ErrorCode, string]>>;

/** The same refusal, by its status. */
export function refusedByStatus(
  status: keyof typeof REFUSED,
  words?: string,
): RefusedRequest {
  const [code, message] = REFUSED[status];
  return new RefusedRequest(code, words || message, status);
}

function isRefusedStatus(status: unknown): status is keyof typeof REFUSED {
  return typeof status === 'number' && Object.hasOwn(REFUSED, status);
}

/** An error as this door shows it, and with which status. */
export function shownError(
  error: unknown,
): { readonly status: number; readonly shown: GraphQLError } {
  if (error instanceof RefusedRequest) {
    return { status: error.status, shown: requestError(error.code, error.message) };
  }
  const shown = carried(error);
  if (error instanceof TemporarilyUnavailable) return { status: 503, shown };
  if (error instanceof Forbidden) return { status: 403, shown };
  const { statusCode, code, message } = (error ?? {}) as {
    readonly statusCode?: unknown; readonly code?: unknown; readonly message?: string;
  };
  if (!isRefusedStatus(statusCode)) return { status: 500, shown };
  // Fastify's own words, beside a code of its own, are about its ways.
  return shownError(refusedByStatus(statusCode, code === undefined ? message : undefined));
}
