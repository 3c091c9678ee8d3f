import { fulfilInRequest } from './fulfil-in-request.ts';
import type { Fulfilment } from './fulfil-topup-order.ts';
import {
  digestRequest, parseOrderSubject, parseOrderTerms, type RawOrderRequest,
} from './order-request.ts';
import type { VoucherGuesses } from './guess-voucher.ts';
import type { OrderFeed, Placement, PlacementRefusal, PricedOrder, Store } from './ports.ts';
import { priceOrder, type Pricing } from './price-order.ts';
import { isOfQuote, QuoteExpired } from './quote.ts';
import { RateLimited } from './rate-limits.ts';
import { normalisedPairs } from './recipient.ts';
import { Rejection, TemporarilyUnavailable, type RejectionCode } from './rejection.ts';
import type { TopupOrder } from './topup-order.ts';

export interface CreateTopupOrderDeps {
  readonly store: Store;
  readonly feed: Pick<OrderFeed, 'untilTerminal'>;
  readonly fulfilment: Fulfilment;
  readonly guesses: VoucherGuesses;
  /** Key of the hashes of voucher codes and requests. */
  readonly hashingKey: string;
  /** How long a request may wait for a product that is fulfilled inside it. */
  readonly inlineWaitMs: number;
  /** Aborted where this process stops: nobody waits any more. */
  readonly stopping: AbortSignal;
}

/**
 * From request to a paid, queued order. Atomic: `placeOrder`, which de-duplicates, debits (or
 * redeems) and inserts in one transaction. Not atomic: everything before it only reads, and the
 * bounded try after it runs on an order that already stands.
 * @throws Rejection where the request is refused: no order exists and nothing was debited
 * @throws RateLimited where too many voucher codes were bad: nothing was done
 * @throws TemporarilyUnavailable where prices changed twice meanwhile, or too much is to be done:
 *   nothing was done; or where the answer was lost, and says that it is not known
 */
export async function createTopupOrder(
  clientId: number,
  raw: RawOrderRequest,
  deps: CreateTopupOrderDeps,
): Promise<TopupOrder> {
  const subject = parseOrderSubject(raw);
  let snapshot = deps.store.pricing();
  for (let round = 1; round <= 2; round += 1) {
    const order = await priceOrTellDuplicate({ clientId, raw, subject, snapshot }, deps);
    const placement = await place(order, deps);
    if (placement.verdict === 'PLACED') {
      deps.fulfilment.reached?.('PLACED');
      return fulfilNow(placement.order, deps);
    }
    if (placement.verdict !== 'STALE') {
      throw await refusal(placement.verdict, { order, raw }, deps);
    }
    snapshot = await deps.store.refreshPricing();
  }
  // Stale twice in a row: figures are being changed right now.
  throw new TemporarilyUnavailable('Prices are changing, please retry');
}

/** A voucher's code may be a guess; a wallet is the client's own. */
function place(order: PricedOrder, deps: CreateTopupOrderDeps): Promise<Placement> {
  return order.funding.kind === 'WALLET' ? deps.store.placeOrder(order) : placeGuess(order, deps);
}

/** No code is tried once too many were bad, but a retry still hears of its duplicate. */
async function placeGuess(order: PricedOrder, deps: CreateTopupOrderDeps): Promise<Placement> {
  const { store, guesses } = deps;
  const { clientId, clientReference, inputDigest: digest } = order;
  try {
    return await guesses.place(clientId, () => store.placeOrder(order));
  } catch (error) {
    if (!(error instanceof RateLimited) || clientReference === null) throw error;
    const existing = await store.findOrderByReference(clientId, clientReference);
    if (existing === null) throw error;
    throw duplicate(existing, { digest, quoteId: null }, deps);
  }
}

/** A retry must hear of its duplicate before anything that may have changed since. */
async function priceOrTellDuplicate(
  pricing: Pricing,
  deps: CreateTopupOrderDeps,
): Promise<PricedOrder> {
  try {
    return priceOrder(pricing, { ...deps, now: () => deps.fulfilment.clock.now() });
  } catch (error) {
    const { clientId, subject } = pricing;
    if (!(error instanceof Rejection) || subject.clientReference === null) throw error;
    const existing = await deps.store.findOrderByReference(clientId, subject.clientReference);
    if (existing !== null) throw duplicate(existing, askedByRefused(pricing, deps), deps);
    if (error instanceof QuoteExpired) await tellCopyUnderWay(pricing, deps);
    throw error;
  }
}

const LONG_AGO = new Date(0);

/**
 * The first copy of a request came while its quote was valid, and may be at its wallet still: who
 * asks for an order behind it hears of it. What is asked for is out of date, and never placed; nor
 * is a first copy that has the wallet's lock after this call, as both compare the end of the quote
 * with the time then. Clocks that differ are all that may tell them otherwise.
 * @throws Rejection DUPLICATE_CLIENT_REFERENCE
 */
async function tellCopyUnderWay(pricing: Pricing, deps: CreateTopupOrderDeps): Promise<void> {
  const order = unlessRejected(() => priceOrder(pricing, { ...deps, now: () => LONG_AGO }));
  if (order === null) return;
  const ended = { ...order, priceValidUntil: LONG_AGO.toISOString() };
  const { verdict } = await deps.store.placeOrder(ended);
  if (verdict === 'DUPLICATE') throw await refusal(verdict, { order, raw: pricing.raw }, deps);
}

/** What tells whether a request is the one that an order was made of. */
interface Asked {
  /** Null where the form is wrong: no order was ever made of that. */
  readonly digest: string | null;
  readonly quoteId: string | null;
}

/** Of a request that an order may have been made of once. */
function askedByRefused(pricing: Pricing, { hashingKey }: CreateTopupOrderDeps): Asked {
  const { raw, subject } = pricing;
  const terms = unlessRejected(() => parseOrderTerms(raw));
  if (terms === null) return { digest: null, quoteId: null };
  const request = { ...subject, ...terms };
  const digest = digestRequest(request, normalisedInput(pricing), hashingKey);
  return { digest, quoteId: terms.quoteId };
}

/** input_data as an order would have kept it, as far as that can be told now. */
function normalisedInput({ subject: { productId, inputData }, snapshot }: Pricing): unknown {
  const product = snapshot.product(productId);
  if (product === undefined) return inputData;
  return unlessRejected(() => normalisedPairs(product, inputData)) ?? inputData;
}

function unlessRejected<Result>(check: () => Result): Result | null {
  try {
    return check();
  } catch (error) {
    if (error instanceof Rejection) return null;
    throw error;
  }
}

const REFUSALS: Readonly<Record<Exclude<PlacementRefusal, 'STALE' | 'DUPLICATE'>,
  { readonly code: RejectionCode; readonly message: string; readonly field: string }>> = {
  INSUFFICIENT_FUNDS:
    { code: 'INSUFFICIENT_FUNDS', message: 'Insufficient wallet balance', field: 'walletId' },
  WALLET_FROZEN: { code: 'WALLET_FROZEN', message: 'Wallet is frozen', field: 'walletId' },
  VOUCHER_INVALID: {
    code: 'VOUCHER_INVALID',
    message: 'Voucher code is invalid or already redeemed',
    field: 'redeemVoucherCode',
  },
  VOUCHER_VALUE_MISMATCH: {
    code: 'VOUCHER_VALUE_MISMATCH',
    message: 'Voucher value does not match the order amount',
    field: 'redeemVoucherCode',
  },
};

async function refusal(
  verdict: Exclude<PlacementRefusal, 'STALE'>,
  of: { readonly order: PricedOrder; readonly raw: RawOrderRequest },
  deps: CreateTopupOrderDeps,
): Promise<Rejection> {
  if (verdict === 'DUPLICATE') {
    const { clientId, clientReference, inputDigest: digest } = of.order;
    const existing = await deps.store.findOrderByReference(clientId, clientReference ?? '');
    return duplicate(existing, { digest, quoteId: parseOrderTerms(of.raw).quoteId }, deps);
  }
  const { code, message, field } = REFUSALS[verdict];
  return new Rejection(code, message, { field: [field] });
}

/** A retry may come with a new quote, but not with one for something else. */
function duplicate(
  existing: TopupOrder | null,
  { digest, quoteId }: Asked,
  { hashingKey }: CreateTopupOrderDeps,
): Rejection {
  const isSame = existing !== null && existing.inputDigest === digest
    && (quoteId === null || isOfQuote(existing, quoteId, hashingKey));
  return new Rejection('DUPLICATE_CLIENT_REFERENCE', 'Duplicate client_reference', {
    field: ['clientReference'],
    ...(isSame ? {} : { detail: 'INPUT_MISMATCH' }),
  });
}

/** One bounded try, outside any transaction, where the product fulfils inside the request. */
async function fulfilNow(order: TopupOrder, deps: CreateTopupOrderDeps): Promise<TopupOrder> {
  if (!order.fulfilsInRequest) return order;
  const { fulfilment, feed, inlineWaitMs, stopping } = deps;
  try {
    return await fulfilInRequest(order, { ...fulfilment, feed, waitMs: inlineWaitMs, stopping });
  } catch {
    // The order stands and is paid: an error would invite a second one. A worker takes it over
    // when the lease ends, and meets whatever is wrong where it is logged.
    return order;
  }
}
