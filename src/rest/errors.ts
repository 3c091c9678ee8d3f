import { Forbidden, Unauthenticated } from '../domain/access.ts';
import { RateLimited } from '../domain/rate-limits.ts';
import {
  Rejection, type RejectionCode, retryAfterSeconds, TemporarilyUnavailable,
} from '../domain/rejection.ts';
import type { FailureCode } from '../domain/topup-order.ts';
import { rateHeaders } from './rate-headers.ts';

/** What the envelope says of a refusal: its HTTP status, name and code. */
export interface WireError {
  readonly status: number;
  readonly name: string;
  readonly code: string;
}

const INVALID: WireError =
  { status: 400, name: 'ValidationException', code: 'VALIDATION_FAILURE' };
const BAD_REQUEST: WireError = { status: 400, name: 'BadRequestError', code: 'BAD_REQUEST' };
const NOT_FOUND: WireError = { status: 404, name: 'NotFoundError', code: 'NOT_FOUND' };

/** One row a rejection code: a new code does not compile before it has a place here. */
export const REJECTIONS_ON_WIRE: Readonly<Record<RejectionCode, WireError>> = {
  VALIDATION_FAILURE: INVALID,
  DUPLICATE_CLIENT_REFERENCE: BAD_REQUEST,
  PRODUCT_NOT_FOUND: NOT_FOUND,
  INVALID_INPUT_FIELD: INVALID,
  AMOUNT_NOT_AVAILABLE: BAD_REQUEST,
  CATEGORY_NOT_AVAILABLE: BAD_REQUEST,
  OUT_OF_STOCK: BAD_REQUEST,
  WALLET_NOT_FOUND: NOT_FOUND,
  WALLET_FROZEN: BAD_REQUEST,
  EXCHANGE_RATE_NOT_AVAILABLE: BAD_REQUEST,
  INSUFFICIENT_FUNDS: { status: 400, name: 'BadRequestError', code: 'INSUFFICIENT_FUNDS' },
  VOUCHER_INVALID: BAD_REQUEST,
  VOUCHER_VALUE_MISMATCH: BAD_REQUEST,
  QUOTE_INVALID: BAD_REQUEST,
  NOT_CANCELLABLE: BAD_REQUEST,
  ORDER_NOT_FOUND: NOT_FOUND,
};

/** How each failure code is spelled in `failure_code`; the documented list is closed. */
export const FAILURES_ON_WIRE: Readonly<Record<FailureCode, string>> = {
  INVALID_RECIPIENT: 'INVALID_RECIPIENT',
  RECIPIENT_BARRED: 'RECIPIENT_BARRED',
  RECIPIENT_INELIGIBLE: 'RECIPIENT_INELIGIBLE',
  RECIPIENT_LIMIT_EXCEEDED: 'RECIPIENT_LIMIT_EXCEEDED',
  OPERATOR_UNAVAILABLE: 'OPERATOR_UNAVAILABLE',
  OPERATOR_LIMIT_EXCEEDED: 'OPERATOR_LIMIT_EXCEEDED',
  CLIENT_LIMIT_EXCEEDED: 'CLIENT_LIMIT_EXCEEDED',
  PRODUCT_UNAVAILABLE: 'PRODUCT_UNAVAILABLE',
  PRODUCT_OUT_OF_STOCK: 'PRODUCT_OUT_OF_STOCK',
  AMOUNT_OUT_OF_RANGE: 'AMOUNT_OUT_OF_RANGE',
  UNKNOWN: 'UNKNOWN',
};

/** What this door refuses by itself, with the message where nothing better is known. */
const STATUSES = {
  400: { name: 'ValidationException', code: 'VALIDATION_FAILURE', message: 'Invalid request' },
  401: {
    name: 'UnauthorizedError', code: 'UNAUTHORIZED', message: 'Invalid or expired token',
  },
  403: { name: 'ForbiddenError', code: 'FORBIDDEN', message: 'Forbidden' },
  404: { name: 'NotFoundError', code: 'NOT_FOUND', message: 'Not found' },
  405: {
    name: 'MethodNotAllowedError', code: 'METHOD_NOT_ALLOWED', message: 'Method not allowed',
  },
  408: { name: 'RequestTimeoutError', code: 'REQUEST_TIMEOUT', message: 'Request timed out' },
  413: {
    name: 'PayloadTooLargeError', code: 'PAYLOAD_TOO_LARGE', message: 'Request body too large',
  },
  415: {
    name: 'UnsupportedMediaTypeError',
    code: 'UNSUPPORTED_MEDIA_TYPE',
    message: 'Content-Type must be application/json, in UTF-8 and not compressed',
  },
  429: {
    name: 'TooManyRequestsError', code: 'TOO_MANY_REQUESTS', message: 'Rate limit exceeded',
  },
  431: {
    name: 'RequestHeaderFieldsTooLargeError',
    code: 'REQUEST_HEADER_FIELDS_TOO_LARGE',
    message: 'Request headers too large',
  },
  500: {
    name: 'InternalServerError',
    code: 'INTERNAL_SERVER_ERROR',
    message: 'Internal server error',
  },
  503: {
    name: 'ServiceUnavailableError',
    code: 'SERVICE_UNAVAILABLE',
    message: 'Service temporarily unavailable',
  },
} as const;
export type RefusalStatus = keyof typeof STATUSES;

/** A refusal that belongs to HTTP and not to the business: token, media type, size, path. */
export class HttpRefusal extends Error {
  /** As Fastify's own errors have it: every door knows a refusal by it. */
  readonly statusCode: RefusalStatus;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    statusCode: RefusalStatus,
    more: { message?: string; headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(more.message ?? STATUSES[statusCode].message);
    this.name = 'HttpRefusal';
    this.statusCode = statusCode;
    this.headers = more.headers ?? {};
  }
}

/** An error as it leaves the process. */
export interface ErrorAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: { readonly error: ErrorBody };
}

interface ErrorBody {
  readonly name: string;
  readonly code: string;
  readonly message: string;
  readonly details?: readonly {
    readonly field: string; readonly code: string; readonly message: string;
  }[];
  readonly request_id?: string;
}

/**
 * The envelope of anything that was thrown. What is not one of our own refusals is a fault: it is
 * answered with a fixed text, whatever it says of itself.
 */
export function errorAnswer(error: unknown, requestId: string): ErrorAnswer {
  if (error instanceof Rejection) return rejectionAnswer(error, requestId);
  return refusalAnswer(refusalOf(error), requestId);
}

function refusalOf(error: unknown): HttpRefusal {
  if (error instanceof HttpRefusal) return error;
  if (error instanceof TemporarilyUnavailable) {
    const headers = { 'retry-after': String(retryAfterSeconds(error)) };
    return new HttpRefusal(503, { message: error.message, headers });
  }
  if (error instanceof RateLimited) {
    const headers = {
      ...rateHeaders(error.class, error.verdict),
      'retry-after': String(retryAfterSeconds(error.verdict)),
    };
    return new HttpRefusal(429, { message: error.message, headers });
  }
  if (error instanceof Unauthenticated) return new HttpRefusal(401, { message: error.message });
  if (error instanceof Forbidden) return new HttpRefusal(403, { message: error.message });
  return new HttpRefusal(frameworkStatus(error));
}

function refusalAnswer(refusal: HttpRefusal, requestId: string): ErrorAnswer {
  const { statusCode: status, message, headers } = refusal;
  const { name, code } = STATUSES[status];
  return { status, headers, body: { error: { name, code, message, request_id: requestId } } };
}

function rejectionAnswer(rejection: Rejection, requestId: string): ErrorAnswer {
  const { status, name, code } = REJECTIONS_ON_WIRE[rejection.code];
  const { message, problems } = rejection;
  // "Another client's" and "nobody's" get the same bytes; the header still names the request.
  if (status === 404) return { status, headers: {}, body: { error: { name, code, message } } };
  const details = problems.map((each) => (
    { field: wireField(each.field), code: each.code, message: each.message }
  ));
  const listed = details.length === 0 ? {} : { details };
  const error = { name, code, message, ...listed, request_id: requestId };
  return { status, headers: {}, body: { error } };
}

/** Only the first part is a name of ours; the others are keys as the caller wrote them. */
function wireField([name = '', ...keys]: readonly string[]): string {
  const snake = name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return [snake, ...keys].join('.');
}

/** Fastify's own errors carry a status to trust; any other library's `statusCode` says nothing. */
function frameworkStatus(error: unknown): RefusalStatus {
  if (!(error instanceof Error) || !('code' in error) || !('statusCode' in error)) return 500;
  if (typeof error.code !== 'string' || !error.code.startsWith('FST_')) return 500;
  const status = error.statusCode as RefusalStatus;
  return Object.hasOwn(STATUSES, status) ? status : 500;
}
