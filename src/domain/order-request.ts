import { VARIANT_CATEGORIES, type VariantCategory } from './catalogue.ts';
import { keyedDigest } from './keyed-digest.ts';
import {
  canonical, decimalPlaces, isPositive, LEDGER_DECIMALS, NumberText, type Amount,
} from './money.ts';
import { Rejection } from './rejection.ts';
import { normaliseVoucherCode } from './voucher.ts';

/** 9 integer digits: 999,999,999.9999 is the greatest amount. */
const INTEGER_DIGITS_MAX = 9;
/** A longer literal is refused before it is parsed. */
const LITERAL_LENGTH_MAX = 32;
/** A longer exponent is refused before the number is written out in full. */
const EXPONENT_DIGITS_MAX = 4;
const REFERENCE_LENGTH_MAX = 255;

/** A create request as a door read it: numbers as NumberText, input_data as key-value pairs. */
export interface RawOrderRequest {
  readonly productId: unknown;
  readonly amount: unknown;
  readonly inputData: unknown;
  readonly clientReference: unknown;
  readonly walletId: unknown;
  readonly category: unknown;
  readonly redeemVoucherCode: unknown;
  readonly quoteId: unknown;
  readonly allowForexFallback: boolean;
}

/** What is ordered, and under which reference. */
export interface OrderSubject {
  readonly productId: number;
  readonly amount: Amount;
  readonly inputData: unknown;
  readonly clientReference: string | null;
}

/** Which variant it may be, and who pays. */
export interface OrderTerms {
  readonly walletId: number | null;
  readonly category: VariantCategory | null;
  /** Normalised; an unusable code is kept as '' and is refused like an unknown one. */
  readonly voucherCode: string | null;
  readonly quoteId: string | null;
  readonly allowForexFallback: boolean;
}

/** A create request whose form is right; nothing has been looked up yet. */
export interface OrderRequest extends OrderSubject, OrderTerms {}

/** Checks the form of a request, in the documented order. @throws Rejection VALIDATION_FAILURE */
export function parseOrderRequest(raw: RawOrderRequest): OrderRequest {
  return { ...parseOrderSubject(raw), ...parseOrderTerms(raw) };
}

/** What is checked before a reference is looked up. @throws Rejection VALIDATION_FAILURE */
export function parseOrderSubject(raw: RawOrderRequest): OrderSubject {
  const productId = parseId(raw.productId);
  if (productId === null) throw invalid('productId', 'Product ID is required');
  const amount = parseFaceValue(raw.amount);
  const clientReference = parseClientReference(raw.clientReference);
  return { productId, amount, inputData: raw.inputData, clientReference };
}

/** What is checked after the product. @throws Rejection VALIDATION_FAILURE */
export function parseOrderTerms(raw: RawOrderRequest): OrderTerms {
  const walletId = parseId(raw.walletId);
  if (walletId === null && !isAbsent(raw.walletId)) {
    throw invalid('walletId', 'Wallet ID must be a positive integer');
  }
  const category = parseCategory(raw.category);
  const voucherCode = parseVoucherCode(raw.redeemVoucherCode);
  if (voucherCode !== null && walletId !== null) {
    throw invalid('redeemVoucherCode', 'A voucher cannot be combined with a wallet');
  }
  const quoteId = parseQuoteId(raw.quoteId);
  if (voucherCode !== null && quoteId !== null) {
    throw invalid('redeemVoucherCode', 'A voucher cannot be combined with a quote');
  }
  return { walletId, category, voucherCode, quoteId, allowForexFallback: raw.allowForexFallback };
}

/** A positive integer below 2^53 written as plain digits, or null. */
export function parseId(value: unknown): number | null {
  return value instanceof NumberText ? idOf(value.text) : null;
}

/** The same, of the digits themselves. */
export function idOf(text: string): number | null {
  const id = /^[1-9][0-9]{0,15}$/.test(text) ? Number(text) : null;
  return Number.isSafeInteger(id) ? id : null;
}

/** The exact amount of a number as written. @throws Rejection VALIDATION_FAILURE */
export function parseFaceValue(value: unknown): Amount {
  if (!(value instanceof NumberText)) throw invalid('amount', 'Amount is required');
  const text = value.text;
  if (text.length > LITERAL_LENGTH_MAX) throw invalid('amount', 'Amount has too many digits');
  const written = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?([0-9]+))?$/.exec(text);
  if (written === null) throw invalid('amount', 'Amount is required');
  const [, exponent = ''] = written;
  if (exponent.length > EXPONENT_DIGITS_MAX) {
    throw invalid('amount', 'Amount has too many digits');
  }
  const amount = canonical(text);
  if (!isPositive(amount)) throw invalid('amount', 'Amount is required');
  if (decimalPlaces(amount) > LEDGER_DECIMALS) {
    throw invalid('amount', 'Amount must have at most 4 decimals');
  }
  const [integer = ''] = amount.split('.');
  if (integer.length > INTEGER_DIGITS_MAX) {
    throw invalid('amount', 'Amount must be at most 999999999.9999');
  }
  return amount;
}

/** Whether an order may be named so by its client. */
export function isClientReference(text: string): boolean {
  return text.length <= REFERENCE_LENGTH_MAX && /^[\x20-\x7e]+$/.test(text);
}

function parseClientReference(value: unknown): string | null {
  if (isAbsent(value)) return null;
  if (typeof value !== 'string' || !isClientReference(value)) {
    throw invalid('clientReference',
      'Client reference must be 1 to 255 printable ASCII characters');
  }
  return value;
}

function parseCategory(value: unknown): VariantCategory | null {
  if (isAbsent(value)) return null;
  const category = VARIANT_CATEGORIES.find((each) => each === value);
  if (category === undefined) {
    throw invalid('category', `Category must be one of ${VARIANT_CATEGORIES.join(', ')}`);
  }
  return category;
}

function parseVoucherCode(value: unknown): string | null {
  if (isAbsent(value)) return null;
  if (typeof value !== 'string') throw invalid('redeemVoucherCode', 'Voucher code must be text');
  return normaliseVoucherCode(value) ?? '';
}

function parseQuoteId(value: unknown): string | null {
  if (isAbsent(value)) return null;
  if (typeof value !== 'string') throw invalid('quoteId', 'Quote ID must be text');
  return value;
}

function isAbsent(value: unknown): boolean {
  return value === undefined || value === null;
}

function invalid(field: string, message: string): Rejection {
  return new Rejection('VALIDATION_FAILURE', message, { field: [field] });
}

/**
 * A digest of what was asked for, after normalisation: equal for a repeated request. `inputData`
 * is the normalised map, or the pairs as sent where they could not be normalised. Keyed, because
 * it is stored and a voucher's code is part of it. A quote is left out, because a retry may come
 * with a new one; what it is for is compared with the order itself.
 */
export function digestRequest(
  request: OrderRequest,
  inputData: unknown,
  hashingKey: string,
): string {
  const pairs = Array.isArray(inputData) ? inputData : Object.entries(inputData ?? {});
  const sorted = pairs.map((pair) => JSON.stringify(pair)).sort();
  const asked = [request.productId, request.amount, sorted, request.walletId, request.category,
    request.voucherCode, request.allowForexFallback];
  return keyedDigest(`request:${JSON.stringify(asked)}`, hashingKey);
}
