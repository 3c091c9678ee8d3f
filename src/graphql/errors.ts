import { GraphQLError, type GraphQLFormattedError } from 'graphql';
import { Forbidden } from '../domain/access.ts';
import { RateLimited } from '../domain/rate-limits.ts';
import {
  Rejection, type RejectionCode, retryAfterSeconds, TemporarilyUnavailable,
} from '../domain/rejection.ts';
import type { FailureCode } from '../domain/topup-order.ts';
import type { Log } from './log.ts';
import { unquotedMessage } from './unquoted.ts';

/** `extensions.code` of the errors that this door makes itself. */
export type ErrorCode =
  | 'UNAUTHENTICATED' | 'FORBIDDEN' | 'NOT_FOUND' | 'BAD_USER_INPUT' | 'RATE_LIMITED'
  | 'LIMIT_EXCEEDED' | 'SERVICE_UNAVAILABLE' | 'INTERNAL_SERVER_ERROR'
  | 'GRAPHQL_PARSE_FAILED' | 'GRAPHQL_VALIDATION_FAILED' | 'OPERATION_RESOLUTION_FAILURE'
  | 'PERSISTED_QUERY_NOT_FOUND' | 'BAD_REQUEST' | 'METHOD_NOT_ALLOWED' | 'NOT_ACCEPTABLE'
  | 'PAYLOAD_TOO_LARGE' | 'UNSUPPORTED_MEDIA_TYPE';

/** Every rejection: as a userError it keeps its code; outside a payload it becomes `error`. */
export const REJECTIONS: Readonly<Record<RejectionCode,
  { readonly error: ErrorCode; readonly description: string }>> = {
  VALIDATION_FAILURE:
    { error: 'BAD_USER_INPUT', description: 'The form of the request is wrong.' },
  DUPLICATE_CLIENT_REFERENCE: {
    error: 'BAD_USER_INPUT',
    description: 'The clientReference was used before; `duplicateOf` is the order that has it. '
      + 'Details INPUT_MISMATCH: that order was placed with different input.',
  },
  PRODUCT_NOT_FOUND:
    { error: 'NOT_FOUND', description: 'No such product, or it is not sold to the caller.' },
  INVALID_INPUT_FIELD:
    { error: 'BAD_USER_INPUT', description: 'A value in inputData is missing, unknown or wrong.' },
  AMOUNT_NOT_AVAILABLE:
    { error: 'BAD_USER_INPUT', description: 'The product is not sold at this amount.' },
  CATEGORY_NOT_AVAILABLE:
    { error: 'BAD_USER_INPUT', description: 'The product has no variant of this category.' },
  OUT_OF_STOCK:
    { error: 'BAD_USER_INPUT', description: 'The amount is temporarily out of stock.' },
  WALLET_NOT_FOUND:
    { error: 'NOT_FOUND', description: 'No such wallet of the caller, or none that can pay.' },
  WALLET_FROZEN: { error: 'BAD_USER_INPUT', description: 'The paying wallet is frozen.' },
  EXCHANGE_RATE_NOT_AVAILABLE: {
    error: 'BAD_USER_INPUT',
    description: 'There is no rate from the product currency to the wallet currency.',
  },
  INSUFFICIENT_FUNDS:
    { error: 'BAD_USER_INPUT', description: 'The wallet cannot pay the charge.' },
  VOUCHER_INVALID:
    { error: 'BAD_USER_INPUT', description: 'The voucher is unknown, expired or redeemed.' },
  VOUCHER_VALUE_MISMATCH:
    { error: 'BAD_USER_INPUT', description: 'The voucher is not worth exactly the face value.' },
  QUOTE_INVALID: {
    error: 'BAD_USER_INPUT',
    description: 'The quote is unknown, expired or for something else than was asked for, or what '
      + 'it is for is not sold any more.',
  },
  NOT_CANCELLABLE: {
    error: 'BAD_USER_INPUT',
    description: 'The order was handed to a supplier already, or has ended.',
  },
  ORDER_NOT_FOUND: { error: 'NOT_FOUND', description: 'No such order of the caller.' },
};

/** Every failure code, as its enum value is described; titles and reasons are the domain's. */
export const FAILURE_DESCRIPTIONS: Readonly<Record<FailureCode, string>> = {
  INVALID_RECIPIENT: 'The recipient does not exist.',
  RECIPIENT_BARRED: 'The operator does not allow top-ups for this recipient.',
  RECIPIENT_INELIGIBLE: 'The recipient cannot receive the selected plan.',
  RECIPIENT_LIMIT_EXCEEDED: 'The recipient has reached a limit for this period.',
  OPERATOR_UNAVAILABLE: 'The operator could not be reached while the order could wait.',
  OPERATOR_LIMIT_EXCEEDED: 'The operator has reached a limit for this period.',
  CLIENT_LIMIT_EXCEEDED: 'The account has reached a limit.',
  PRODUCT_UNAVAILABLE: 'The plan is not for sale at present.',
  PRODUCT_OUT_OF_STOCK: 'The plan is out of stock.',
  AMOUNT_OUT_OF_RANGE: 'The amount is not possible for this recipient.',
  UNKNOWN: 'Any other reason; treat a code you do not know like this one.',
};

/** An error of this door's own making, without a path: its message is meant for the caller. */
export function requestError(
  code: ErrorCode,
  message: string,
  more: Readonly<Record<string, unknown>> = {},
): GraphQLError {
  return new GraphQLError(message, { extensions: { code, ...more } });
}

/** Something that nobody outside may see anything of, whatever it says of itself. */
class Unexpected extends Error {
  constructor(cause: unknown) {
    super('Something unexpected happened', { cause });
  }
}

/**
 * Brings an error to the mask from where no resolver threw it. A GraphQLError there is no word of
 * ours to the caller, though the mask would take it for one.
 */
export function carried(error: unknown): GraphQLError {
  const isOurs = error instanceof Rejection || error instanceof TemporarilyUnavailable
    || error instanceof RateLimited || error instanceof Forbidden;
  const originalError = isOurs ? error : new Unexpected(error);
  return new GraphQLError('Internal server error', { originalError });
}

/**
 * What the caller may see of an error, on either transport. Errors about the request itself keep
 * their message, rejections are translated by the table, and of everything else nothing but the
 * request id leaves the process.
 */
export function maskError(error: unknown, requestId?: string): GraphQLFormattedError {
  const { message, extensions } = visiblePart(error);
  const { locations, path } = error instanceof GraphQLError ? error.toJSON() : {};
  return {
    message,
    ...(locations === undefined ? {} : { locations }),
    ...(path === undefined ? {} : { path }),
    extensions: { ...extensions, ...(requestId === undefined ? {} : { requestId }) },
  };
}

/**
 * Masks the errors of one operation; what the caller will not see is logged.
 * @param orderId the order that it has placed or cancelled: each of its errors came behind that,
 *   and says so, as the order may be missing in the answer
 */
export function maskErrors(
  errors: readonly unknown[],
  { requestId, log, orderId = null }: {
    readonly requestId: string; readonly log: Log; readonly orderId?: number | null;
  },
): GraphQLFormattedError[] {
  // One fault may have failed many fields: those of a batch share it.
  for (const err of new Set(errors.filter(isUnexpected).map(faultOf))) {
    log.error({ requestId, err }, 'A GraphQL operation failed unexpectedly');
  }
  return errors.map((error) => {
    const masked = maskError(error, requestId);
    return orderId === null ? masked : behindOrder(masked, orderId);
  });
}

/** Without `retryAfter`: what waits and sends the same again would order twice. */
function behindOrder(masked: GraphQLFormattedError, orderId: number): GraphQLFormattedError {
  const { retryAfter, ...extensions } = masked.extensions ?? {};
  const message = retryAfter === undefined
    ? masked.message
    : `The operation placed or cancelled order ${orderId}, and could not go on behind it:`
      + ' do not send all of it again';
  return { ...masked, message, extensions: { ...extensions, orderId } };
}

interface VisiblePart {
  readonly message: string;
  readonly extensions: Readonly<Record<string, unknown>>;
}

function faultOf(error: unknown): unknown {
  const cause = causeOf(error);
  return cause instanceof Unexpected ? cause.cause : cause;
}

function isUnexpected(error: unknown): boolean {
  return visiblePart(error) === INTERNAL;
}

const INTERNAL: VisiblePart = {
  message: 'Internal server error',
  extensions: { code: 'INTERNAL_SERVER_ERROR' },
};

function visiblePart(error: unknown): VisiblePart {
  const cause = causeOf(error);
  if (cause instanceof Rejection) {
    const detail = cause.detail === undefined ? {} : { detail: cause.detail };
    return {
      message: cause.message,
      extensions: { code: REJECTIONS[cause.code].error, ...detail },
    };
  }
  if (cause instanceof TemporarilyUnavailable) {
    return {
      message: cause.message,
      extensions: { code: 'SERVICE_UNAVAILABLE', retryAfter: retryAfterSeconds(cause) },
    };
  }
  if (cause instanceof Forbidden) {
    return { message: cause.message, extensions: { code: 'FORBIDDEN' } };
  }
  if (cause instanceof RateLimited) {
    return {
      message: cause.message,
      extensions: { code: 'RATE_LIMITED', retryAfter: retryAfterSeconds(cause.verdict) },
    };
  }
  return error instanceof GraphQLError && isAboutRequest(error, cause)
    ? { message: unquotedMessage(error), extensions: codeOf(error) }
    : INTERNAL;
}

/**
 * Parsing, validation and coercion know no path. An error at a path comes out of a resolver, save
 * for arguments that turned out null only when the variables were known.
 */
function isAboutRequest(error: GraphQLError, cause: unknown): boolean {
  if (!(cause instanceof GraphQLError)) return false;
  return error.path === undefined || /^Argument "\w+" /.test(cause.message);
}

function codeOf(error: GraphQLError): VisiblePart['extensions'] {
  const { code, detail } = error.extensions;
  return { code: code ?? 'BAD_USER_INPUT', ...(detail === undefined ? {} : { detail }) };
}

/** In how many milliseconds what failed may go well, where that is all there is to it; or null. */
export function passesInMs(error: unknown): number | null {
  const cause = causeOf(error);
  return cause instanceof TemporarilyUnavailable ? cause.retryAfterMs : null;
}

function causeOf(error: unknown): unknown {
  let cause = error;
  while (cause instanceof GraphQLError && cause.originalError !== undefined) {
    cause = cause.originalError;
  }
  return cause;
}
