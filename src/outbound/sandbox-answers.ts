import type { Outcome } from '../domain/fulfilment-ports.ts';
import type { FailureCode } from '../domain/topup-order.ts';

/** What the sandbox supplier says of an order, in its own words. */
export interface SandboxAnswer {
  readonly reference: string | null;
  readonly status: string;
  readonly code: string | null;
  readonly receipt: Readonly<Record<string, string>> | null;
}

/** The supplier's codes of a definite rejection. A code that is not here proves nothing. */
const FAILURE_CODE_OF: ReadonlyMap<string, FailureCode> = new Map([
  ['INVALID-CREDIT-PARTY', 'INVALID_RECIPIENT'],
  ['BARRED-CREDIT-PARTY', 'RECIPIENT_BARRED'],
  ['INELIGIBLE-CREDIT-PARTY', 'RECIPIENT_INELIGIBLE'],
  ['LIMITATIONS-ON-CREDIT-PARTY-AMOUNT', 'RECIPIENT_LIMIT_EXCEEDED'],
  ['OPERATOR-CURRENTLY-UNAVAILABLE', 'OPERATOR_UNAVAILABLE'],
  ['LIMITATIONS-ON-OPERATOR', 'OPERATOR_LIMIT_EXCEEDED'],
  ['LIMITATIONS-ON-CUSTOMER', 'CLIENT_LIMIT_EXCEEDED'],
  ['PRODUCT-UNAVAILABLE', 'PRODUCT_UNAVAILABLE'],
  ['OUT-OF-STOCK', 'PRODUCT_OUT_OF_STOCK'],
  ['INVALID-AMOUNT', 'AMOUNT_OUT_OF_RANGE'],
]);

/** Visible ASCII: goes into the database and into logs as it is. */
const IDENTIFIER = /^[\x21-\x7e]{1,255}$/;
const WORD = /^[A-Z][A-Z_-]{0,63}$/;
const RECEIPT_KEY = /^[A-Za-z][A-Za-z0-9_]{0,39}$/;
const RECEIPT_ENTRIES_MAX = 16;
const RECEIPT_VALUE_LENGTH_MAX = 1000;

/** What an answer means, whichever way it came. Statuses of one way only are left to the caller. */
export function outcomeOf(answer: SandboxAnswer): Outcome {
  switch (answer.status) {
    case 'DELIVERED':
      return { kind: 'DELIVERED', receipt: answer.receipt };
    case 'PROCESSING':
      return { kind: 'ACCEPTED' };
    case 'REVERSED':
      return { kind: 'REVERSED' };
    case 'DECLINED':
      return { kind: 'FAILED', failureCode: 'UNKNOWN' };
    case 'REJECTED':
      return outcomeOfRejection(answer.code);
    default:
      return { kind: 'UNKNOWN', reason: `status ${answer.status} not understood` };
  }
}

function outcomeOfRejection(code: string | null): Outcome {
  const failureCode = FAILURE_CODE_OF.get(code ?? '');
  return failureCode === undefined
    ? { kind: 'UNKNOWN', reason: `rejected with code ${code ?? '(none)'}, not understood` }
    : { kind: 'FAILED', failureCode };
}

/** The object in a body, or null where it is not one whole JSON object in UTF-8. */
export function parseObject(body: Uint8Array): Readonly<Record<string, unknown>> | null {
  try {
    const parsed: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
    return isObject(parsed) ? parsed : null;
  } catch {
    return null;
  }
}

/** Null where a field has the wrong type or size; fields that nobody asked for are ignored. */
export function parseAnswer(fields: Readonly<Record<string, unknown>>): SandboxAnswer | null {
  const { status } = fields;
  const reference = fields['reference'] ?? null;
  const code = fields['code'] ?? null;
  if (typeof status !== 'string' || !WORD.test(status)) return null;
  if (reference !== null && !isIdentifier(reference)) return null;
  if (code !== null && (typeof code !== 'string' || !WORD.test(code))) return null;
  return { reference, status, code, receipt: readReceipt(fields['receipt']) };
}

/** A reference of a supplier, as our books keep it. */
export function isIdentifier(value: unknown): value is string {
  return typeof value === 'string' && IDENTIFIER.test(value);
}

/** What runs where it is shown or followed; `Data: 1.5 GB` and `Menu > Recharge` do not. */
const ACTIVE = /<[a-z!/]|^\s*(?:javascript|vbscript):|^\s*data:[\w.+-]+\/[\w.+-]+[;,]/i;

/**
 * What can be kept of a receipt; null where that is nothing. A delivery stands without it, so an
 * entry that is not to our taste costs itself and no more. No code or link to show is markup, or
 * runs where it is followed: a page that shows a receipt carelessly must not be given any.
 */
function readReceipt(receipt: unknown): Record<string, string> | null {
  if (!isObject(receipt)) return null;
  const kept = new Map<string, string>();
  for (const [name, value] of Object.entries(receipt)) {
    let key = name.replaceAll(/[^A-Za-z0-9_]+/g, '_');
    // Two names may be one by now.
    while (kept.has(key)) key += '_';
    const text = toReceiptText(value);
    const isKept = text !== null && RECEIPT_KEY.test(key) && !ACTIVE.test(text);
    if (isKept && kept.size < RECEIPT_ENTRIES_MAX) kept.set(key, text);
  }
  return kept.size === 0 ? null : Object.fromEntries(kept);
}

function toReceiptText(value: unknown): string | null {
  // A longer number has lost digits by now.
  if (Number.isSafeInteger(value)) return String(value);
  if (typeof value !== 'string' || !value.isWellFormed()) return null;
  // A NUL cannot be stored, and line ends are for who shows it.
  const text = value.replaceAll(/\p{Cc}+/gu, ' ').trim();
  return text === '' || text.length > RECEIPT_VALUE_LENGTH_MAX ? null : text;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
