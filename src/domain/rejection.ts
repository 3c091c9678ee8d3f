/** The closed list of reasons to refuse a request. None of them places or changes an order. */
export const REJECTION_CODES = [
  'VALIDATION_FAILURE',
  'DUPLICATE_CLIENT_REFERENCE',
  'PRODUCT_NOT_FOUND',
  'INVALID_INPUT_FIELD',
  'AMOUNT_NOT_AVAILABLE',
  'CATEGORY_NOT_AVAILABLE',
  'OUT_OF_STOCK',
  'WALLET_NOT_FOUND',
  'WALLET_FROZEN',
  'EXCHANGE_RATE_NOT_AVAILABLE',
  'INSUFFICIENT_FUNDS',
  'VOUCHER_INVALID',
  'VOUCHER_VALUE_MISMATCH',
  'QUOTE_INVALID',
  'NOT_CANCELLABLE',
  'ORDER_NOT_FOUND',
] as const;
export type RejectionCode = (typeof REJECTION_CODES)[number];

/** One fault of the request. `field` is the path in domain names, e.g. ['inputData', 'server']. */
export interface Problem {
  readonly field: readonly string[];
  readonly code: string;
  readonly message: string;
}

/** The request is refused. `message` is safe to show to the caller; `code` is what to switch on. */
export class Rejection extends Error {
  readonly code: RejectionCode;
  readonly problems: readonly Problem[];
  /** A word that narrows the code, e.g. INPUT_MISMATCH of a duplicate reference. */
  readonly detail: string | undefined;

  constructor(
    code: RejectionCode,
    message: string,
    more: { problems?: readonly Problem[]; field?: readonly string[]; detail?: string } = {},
  ) {
    super(message);
    this.name = 'Rejection';
    this.code = code;
    this.problems = more.problems ?? (more.field ? [{ field: more.field, code, message }] : []);
    this.detail = more.detail;
  }
}

/** What is too much now, or away, is mostly over by then. */
const RETRY_AFTER_MS = 1000;

export const CANCEL_NOT_KNOWN =
  'It is not known whether the order was cancelled; try again: it is cancelled once';
export const ADDRESS_NOT_KNOWN =
  'It is not known whether the address was set; try again: no mail is sent twice';

/**
 * What is read behind a deed that is done.
 * @throws TemporarilyUnavailable with these words where it cannot be read now
 */
export async function readBehind<Result>(
  read: Promise<Result>,
  whenUnread: string,
): Promise<Result> {
  try {
    return await read;
  } catch (error) {
    if (!(error instanceof TemporarilyUnavailable)) throw error;
    throw new TemporarilyUnavailable(whenUnread, undefined, { cause: error });
  }
}

/**
 * We cannot decide now, and nothing was done unless the message says that it is not known; the
 * caller may ask again after `retryAfterMs`.
 */
export class TemporarilyUnavailable extends Error {
  readonly retryAfterMs: number;

  constructor(message: string, retryAfterMs = RETRY_AFTER_MS, options: ErrorOptions = {}) {
    super(message, options);
    this.name = 'TemporarilyUnavailable';
    this.retryAfterMs = retryAfterMs;
  }
}

/** More is to be done than can be; in the same words wherever that is found out. */
export function tooBusy(): TemporarilyUnavailable {
  return new TemporarilyUnavailable('Too many requests at once, please retry');
}

/** Whole seconds, rounded up: who waits them is admitted. */
export function retryAfterSeconds({ retryAfterMs }: { readonly retryAfterMs: number }): number {
  return Math.max(1, Math.ceil(retryAfterMs / 1000));
}
