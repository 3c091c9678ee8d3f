/** What the sandbox supplier does with an order, chosen by the recipient's last three digits. */
export interface Behaviour {
  /** Answers to the first submits, each without effect; the one after them is accepted. */
  readonly refusals: readonly Refusal[];
  /** Refused on every submit with this code; never accepted. */
  readonly refusalCode: string | null;
  /** What becomes of an accepted order, one after the other. */
  readonly steps: readonly Step[];
  /** What the accepting call is answered, if it is not the truth. */
  readonly firstAnswer: 'DUPLICATE' | 'CONNECTION_LOST' | null;
  /** How often each late step is told by callback. */
  readonly callbackCount: number;
  /** Nothing happens before the order is released. */
  readonly isHeld: boolean;
  /** Queries are answered PROCESSING for ever. */
  readonly isHiddenFromQueries: boolean;
  readonly hasReceipt: boolean;
}

export type Refusal = 'UNAVAILABLE' | 'TOO_MANY_REQUESTS' | 'CONNECTION_LOST';

export interface Step {
  readonly status: 'DELIVERED' | 'REJECTED' | 'DECLINED' | 'REVERSED';
  readonly code: string | null;
  /** Milliseconds after the step before, or after the order was accepted; 0: at once. */
  readonly afterMs: number;
}

/** By the hundreds digit. 4 to 9 are as 0. */
const DELAY_MS: Readonly<Record<string, number>> = { 1: 3_000, 2: 20_000, 3: 300_000 };
/** Asynchronous products take at least this long. */
const ASYNC_MS_MIN = 1_000;
const LATE_SUCCESS_MS = 2_000;

const REJECTION_CODE: Readonly<Record<string, string>> = {
  '02': 'INVALID-CREDIT-PARTY',
  '03': 'BARRED-CREDIT-PARTY',
  '04': 'OPERATOR-CURRENTLY-UNAVAILABLE',
  '08': 'INELIGIBLE-CREDIT-PARTY',
  '09': 'LIMITATIONS-ON-CREDIT-PARTY-AMOUNT',
  '10': 'LIMITATIONS-ON-OPERATOR',
  '11': 'LIMITATIONS-ON-CUSTOMER',
  '12': 'PRODUCT-UNAVAILABLE',
  '13': 'OUT-OF-STOCK',
  '14': 'INVALID-AMOUNT',
};
/** The one supplier and sku that deliver where the other supplier cannot. */
const SECOND_ROUTE = { supplierCode: 'sandbox-b', sku: 'pubg-uc-660', endings: ['12', '13'] };

/** The behaviour for an order; times are those of the table, before any scaling. */
export function behaviourOf(order: {
  readonly supplierCode: string; readonly sku: string; readonly recipient: string;
}): Behaviour {
  const [, hundreds = '0', lastTwo = '00'] = /(\d)?(\d\d)$/.exec(order.recipient) ?? [];
  const delayMs = DELAY_MS[hundreds] ?? 0;
  const lateMs = Math.max(ASYNC_MS_MIN, delayMs);
  const endMs = order.sku.endsWith('-instant') ? delayMs : lateMs;
  const ending = deliversAsSecondRoute(order, lastTwo) ? '00' : lastTwo;
  const code = REJECTION_CODE[ending];
  const delivers: Behaviour = { ...PLAIN, steps: [step('DELIVERED', endMs)] };
  if (code !== undefined) return rejects(ending, code, delayMs);
  switch (ending) {
    case '01':
      return { ...delivers, hasReceipt: true };
    case '05':
      return { ...delivers, firstAnswer: 'DUPLICATE', callbackCount: 0 };
    case '06':
      return { ...PLAIN, steps: [step('DECLINED', delayMs)] };
    case '07':
      return { ...delivers, firstAnswer: 'CONNECTION_LOST', callbackCount: 0 };
    case '20':
      return { ...delivers, refusals: ['UNAVAILABLE', 'UNAVAILABLE'] };
    case '21':
      return { ...delivers, refusals: ['TOO_MANY_REQUESTS'] };
    case '22':
      return { ...delivers, steps: [step('DELIVERED', lateMs)], isHeld: true };
    case '23':
      return { ...delivers, steps: [step('DELIVERED', lateMs)], isHiddenFromQueries: true };
    case '24':
      return { ...delivers, callbackCount: 2 };
    case '25':
      return { ...PLAIN, steps: [step('DECLINED', lateMs), step('DELIVERED', LATE_SUCCESS_MS)] };
    case '26':
      return { ...delivers, refusals: ['CONNECTION_LOST'] };
    case '27':
      return { ...PLAIN, steps: [step('DELIVERED', endMs), step('REVERSED', lateMs)] };
    default:
      return delivers;
  }
}

const PLAIN: Behaviour = {
  refusals: [],
  refusalCode: null,
  steps: [],
  firstAnswer: null,
  callbackCount: 1,
  isHeld: false,
  isHiddenFromQueries: false,
  hasReceipt: false,
};

/** An operator that is down or full takes nothing, so that each submit is a fresh try. */
function rejects(ending: string, code: string, delayMs: number): Behaviour {
  const isOfOperator = ending === '04' || ending === '10';
  return isOfOperator && delayMs === 0
    ? { ...PLAIN, refusalCode: code }
    : { ...PLAIN, steps: [step('REJECTED', delayMs, code)] };
}

function deliversAsSecondRoute(
  order: { readonly supplierCode: string; readonly sku: string },
  lastTwo: string,
): boolean {
  return order.supplierCode === SECOND_ROUTE.supplierCode && order.sku === SECOND_ROUTE.sku
    && SECOND_ROUTE.endings.includes(lastTwo);
}

function step(status: Step['status'], afterMs: number, code: string | null = null): Step {
  return { status, afterMs, code };
}
