import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fulfilInRequest } from '../../src/domain/fulfil-in-request.ts';
import { decideMove, fulfilTopupOrder } from '../../src/domain/fulfil-topup-order.ts';
import type {
  ClaimedOrder, FulfilmentStore, Move, MoveResult, Outcome, RecordedMove, Supplier,
} from '../../src/domain/fulfilment-ports.ts';
import type { Clock } from '../../src/domain/ports.ts';
import { receiveCallback, type CallbackResult } from '../../src/domain/receive-callback.ts';
import { TemporarilyUnavailable } from '../../src/domain/rejection.ts';
import { FAILURE_CODES, type FailureCode, type TopupOrder } from '../../src/domain/topup-order.ts';
import { claimedOrder, HOUR_MS, LADDER, topupOrder } from './builders.ts';

/** No jitter: the middle of its bounds. */
const MIDDLE = () => 0.5;
const STEP_MS = LADDER[0];

const DELIVERED: Outcome = { kind: 'DELIVERED', receipt: { pin: '1234' } };
const ACCEPTED: Outcome = { kind: 'ACCEPTED' };
const REVERSED: Outcome = { kind: 'REVERSED' };
const UNKNOWN: Outcome = { kind: 'UNKNOWN', reason: 'connection lost after send' };
const NOT_FOUND: Outcome = { kind: 'NOT_FOUND' };
const failed = (failureCode: FailureCode): Outcome => ({ kind: 'FAILED', failureCode });
const transient = (retryAfterMs: number | null = null): Outcome =>
  ({ kind: 'TRANSIENT', reason: 'HTTP 429', retryAfterMs });

const QUERY = { action: 'QUERY' } as const;
const OVER = { windowLeftMs: 0 };
const LATE = { windowLeftMs: -HOUR_MS };
const NO_QUERY = { canBeQueried: false };
const BLIND = { canBeQueried: false, dedupesByReference: false };

const move = (over: Partial<ClaimedOrder>, outcome: Outcome, random = MIDDLE): Move =>
  decideMove(claimedOrder(over), outcome, random);

describe('decideMove', () => {
  test.each<readonly [string, Partial<ClaimedOrder>, Outcome, Move]>([
    ['delivers', {}, DELIVERED, { kind: 'DELIVER', receipt: { pin: '1234' } }],
    ['delivers without a receipt', QUERY, { kind: 'DELIVERED', receipt: null },
      { kind: 'DELIVER', receipt: null }],
    ['delivers after the window', { ...QUERY, ...LATE }, DELIVERED,
      { kind: 'DELIVER', receipt: { pin: '1234' } }],
    ['reverses', QUERY, REVERSED, { kind: 'REVERSE' }],

    ['awaits what was accepted', {}, ACCEPTED, { kind: 'AWAIT', nextInMs: STEP_MS }],
    ['awaits it still when asked', QUERY, ACCEPTED, { kind: 'AWAIT', nextInMs: STEP_MS }],
    ['awaits what was sent after the window', LATE, ACCEPTED, { kind: 'AWAIT', nextInMs: STEP_MS }],
    ['hands what is never finished to review', { ...QUERY, ...LATE, wasAccepted: true }, ACCEPTED,
      { kind: 'REVIEW', nextInMs: STEP_MS }],
    ['notes before that it was taken', { ...QUERY, ...LATE }, ACCEPTED,
      { kind: 'AWAIT', nextInMs: STEP_MS }],

    ['retries what was not taken', {}, transient(), { kind: 'RETRY', nextInMs: STEP_MS }],
    ['asks about what may have been applied before a repeat was not taken', { isResent: true },
      transient(), { kind: 'ASK_AGAIN', nextInMs: STEP_MS }],
    ['reviews it after the window', { isResent: true, ...OVER }, transient(),
      { kind: 'REVIEW', nextInMs: STEP_MS }],
    ['goes on sending what is never taken', OVER, transient(),
      { kind: 'RETRY', nextInMs: STEP_MS }],
    ['retries what a supplier without memory did not take', BLIND, transient(),
      { kind: 'RETRY', nextInMs: STEP_MS }],
    ['asks again after a question without an answer', QUERY, transient(),
      { kind: 'ASK_AGAIN', nextInMs: STEP_MS }],
    ['hands a question never answered to review', { ...QUERY, ...LATE }, transient(),
      { kind: 'REVIEW', nextInMs: STEP_MS }],

    ['asks before it sends again', {}, UNKNOWN, { kind: 'ASK_AGAIN', nextInMs: STEP_MS }],
    ['asks again', QUERY, UNKNOWN, { kind: 'ASK_AGAIN', nextInMs: STEP_MS }],
    ['asks again with a route left: this one may have been applied', { hasNextRoute: true },
      UNKNOWN, { kind: 'ASK_AGAIN', nextInMs: STEP_MS }],
    ['hands what stays unknown to review', { ...QUERY, ...OVER }, UNKNOWN,
      { kind: 'REVIEW', nextInMs: STEP_MS }],
    ['asks where only sending again can tell', NO_QUERY, UNKNOWN,
      { kind: 'ASK_AGAIN', nextInMs: STEP_MS }],
    ['reviews what can neither be asked nor be sent again', BLIND, UNKNOWN,
      { kind: 'REVIEW', nextInMs: STEP_MS }],

    ['waits until "not found" is proof', { ...QUERY, resendInMs: 1234 }, NOT_FOUND,
      { kind: 'ASK_AGAIN', nextInMs: 1234 }],
    ['waits for the proof beyond the window', { ...QUERY, ...LATE, resendInMs: 1 }, NOT_FOUND,
      { kind: 'ASK_AGAIN', nextInMs: 1 }],
    ['sends at once what was proved not applied', QUERY, NOT_FOUND,
      { kind: 'RETRY', nextInMs: 0 }],
    ['sends again, as unknown as before, where only that can tell and sending twice is safe',
      { ...QUERY, ...NO_QUERY }, NOT_FOUND, { kind: 'RESEND', nextInMs: STEP_MS }],
    ['sends it the later the more often it was sent', { ...QUERY, ...NO_QUERY, attemptCount: 3 },
      NOT_FOUND, { kind: 'RESEND', nextInMs: LADDER[2] }],
    ['sends again what was accepted and is gone, as unknown as before',
      { ...QUERY, wasAccepted: true }, NOT_FOUND, { kind: 'RESEND', nextInMs: STEP_MS }],
    ['reviews what only sending could tell, and is not sold any more',
      { ...QUERY, ...NO_QUERY, supplierSku: '' }, NOT_FOUND, { kind: 'REVIEW', nextInMs: STEP_MS }],
    ['sends once more what was lost before the window ended', { ...QUERY, ...OVER },
      NOT_FOUND, { kind: 'RETRY', nextInMs: 0 }],
    ['fails what is confirmed undelivered after that',
      { ...QUERY, ...OVER, isTriedAfterWindow: true },
      NOT_FOUND, { kind: 'FAIL', failureCode: 'UNKNOWN' }],
    ['reviews what was accepted and is gone after that',
      { ...QUERY, ...OVER, isTriedAfterWindow: true, wasAccepted: true },
      NOT_FOUND, { kind: 'REVIEW', nextInMs: STEP_MS }],
    ['reviews what a supplier without memory had accepted', { ...QUERY, wasAccepted: true,
      dedupesByReference: false }, NOT_FOUND, { kind: 'REVIEW', nextInMs: STEP_MS }],
    ['fails nothing that no supplier confirmed',
      { ...QUERY, ...NO_QUERY, ...LATE, isTriedAfterWindow: true }, NOT_FOUND,
      { kind: 'REVIEW', nextInMs: STEP_MS }],

    ['retries an unavailable operator', {}, failed('OPERATOR_UNAVAILABLE'),
      { kind: 'RETRY', nextInMs: STEP_MS }],
    ['retries it once more at the end of the window', { windowLeftMs: 10 },
      failed('OPERATOR_UNAVAILABLE'), { kind: 'RETRY', nextInMs: 10 }],
    ['retries an operator at its limit', QUERY, failed('OPERATOR_LIMIT_EXCEEDED'),
      { kind: 'RETRY', nextInMs: STEP_MS }],
    ['asks again while what is looked up may be what an earlier attempt met',
      { ...QUERY, attemptCount: 2, resendInMs: 1234 }, failed('OPERATOR_UNAVAILABLE'),
      { kind: 'ASK_AGAIN', nextInMs: 1234 }],
    ['asks so beyond the window, too', { ...QUERY, ...OVER, attemptCount: 2, resendInMs: 1 },
      failed('OPERATOR_LIMIT_EXCEEDED'), { kind: 'ASK_AGAIN', nextInMs: 1 }],
    ['asks so before it takes the next route',
      { ...QUERY, attemptCount: 2, resendInMs: 1, hasNextRoute: true },
      failed('PRODUCT_OUT_OF_STOCK'), { kind: 'ASK_AGAIN', nextInMs: 1 }],
    ['believes it once no attempt can be on its way', { ...QUERY, attemptCount: 2 },
      failed('OPERATOR_UNAVAILABLE'), { kind: 'RETRY', nextInMs: STEP_MS }],
    ['believes it where there was one attempt only, whose it must be',
      { ...QUERY, attemptCount: 1, resendInMs: 1234 },
      failed('OPERATOR_UNAVAILABLE'), { kind: 'RETRY', nextInMs: STEP_MS }],
    ['waits no longer for having been asked about often',
      { ...QUERY, attemptCount: 1, backoffStep: 9 },
      failed('OPERATOR_UNAVAILABLE'), { kind: 'RETRY', nextInMs: STEP_MS }],
    ['believes it of who cannot be asked: it came by callback',
      { ...QUERY, ...NO_QUERY, attemptCount: 1, resendInMs: 1234, hasNextRoute: true },
      failed('PRODUCT_OUT_OF_STOCK'), { kind: 'NEXT_ROUTE' }],
    ['believes what it is answered itself', { attemptCount: 2, resendInMs: 1234 },
      failed('OPERATOR_UNAVAILABLE'), { kind: 'RETRY', nextInMs: STEP_MS }],
    ['fails an unavailable operator after the window', OVER, failed('OPERATOR_UNAVAILABLE'),
      { kind: 'FAIL', failureCode: 'OPERATOR_UNAVAILABLE' }],
    ['fails it though a route is left: the operator is the same', { ...OVER, hasNextRoute: true },
      failed('OPERATOR_LIMIT_EXCEEDED'),
      { kind: 'FAIL', failureCode: 'OPERATOR_LIMIT_EXCEEDED' }],
    ['takes the next route', { hasNextRoute: true }, failed('PRODUCT_UNAVAILABLE'),
      { kind: 'NEXT_ROUTE' }],
    ['takes it after the window as well', { ...LATE, hasNextRoute: true },
      failed('PRODUCT_OUT_OF_STOCK'), { kind: 'NEXT_ROUTE' }],
    ['fails without another route', {}, failed('PRODUCT_OUT_OF_STOCK'),
      { kind: 'FAIL', failureCode: 'PRODUCT_OUT_OF_STOCK' }],
    ['fails where nobody supplies it any more', { action: 'NO_ROUTE' },
      failed('PRODUCT_UNAVAILABLE'), { kind: 'FAIL', failureCode: 'PRODUCT_UNAVAILABLE' }],
  ])('%s', (_case, over, outcome, expected) => {
    expect(move(over, outcome)).toEqual(expected);
  });

  const final = FAILURE_CODES.filter((code) => !/^(OPERATOR|PRODUCT)_/.test(code));

  test.each(final)('fails %s at once, with time and routes left', (failureCode) => {
    for (const action of ['SUBMIT', 'QUERY'] as const) {
      expect(move({ action, hasNextRoute: true }, failed(failureCode)))
        .toEqual({ kind: 'FAIL', failureCode });
    }
  });
});

describe('the time of the next step', () => {
  const nextInMs = (over: Partial<ClaimedOrder>, outcome: Outcome, random = MIDDLE) => {
    const decided = move(over, outcome, random);
    return 'nextInMs' in decided ? decided.nextInMs : expect.fail(decided.kind);
  };

  const rungs: readonly (readonly [backoffStep: number, ms: number])[] = [
    ...LADDER.map((ms, rung) => [rung, ms] as const), [LADDER.length, HOUR_MS], [99, HOUR_MS],
  ];

  test.each(rungs)('is on rung %d %d ms, a fifth more or less', (backoffStep, ms) => {
    expect(nextInMs({ backoffStep }, transient())).toBe(ms);
    expect(nextInMs({ backoffStep }, transient(), () => 0)).toBe(ms * 0.8);
    const longest = nextInMs({ backoffStep }, UNKNOWN, () => 1 - Number.EPSILON);
    expect(longest).toBeLessThanOrEqual(ms * 1.2);
    expect(longest).toBeGreaterThan(ms * 1.19);
  });

  test.each([
    ['is what the supplier asks for', 0, 60_000, 60_000],
    ['is not less than the rung', 1, 1, 15_000],
    ['is the rung where nothing is asked', 1, null, 15_000],
    ['is the rung where the past is asked', 1, -5000, 15_000],
    ['is at most an hour, whatever is asked', 0, 24 * HOUR_MS, HOUR_MS],
    ['is at most an hour, though for ever is asked', 0, Infinity, HOUR_MS],
  ])('%s', (_case, backoffStep, retryAfterMs, expected) => {
    expect(nextInMs({ backoffStep }, transient(retryAfterMs))).toBe(expected);
    expect(nextInMs({ ...QUERY, backoffStep }, transient(retryAfterMs))).toBe(expected);
  });
});

const actions = fc.constantFrom('SUBMIT', 'QUERY');
/** Any order at any time, of a supplier of any abilities. */
const orders: fc.Arbitrary<Partial<ClaimedOrder>> = fc.record({
  action: actions,
  hasNextRoute: fc.boolean(),
  backoffStep: fc.nat(20),
  attemptCount: fc.nat(1000),
  windowLeftMs: fc.integer({ min: -HOUR_MS, max: 24 * HOUR_MS }),
  resendInMs: fc.integer({ min: -HOUR_MS, max: HOUR_MS }),
  canBeQueried: fc.boolean(),
  dedupesByReference: fc.boolean(),
});
const randoms = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const anyTransient = fc.option(fc.integer({ min: -1, max: 48 * HOUR_MS }), { nil: null })
  .map(transient);
const uncertain = fc.oneof(anyTransient, fc.constant(UNKNOWN));

describe('decideMove, for any order', () => {
  test('fails nothing that is transient or unknown, and looks at it within 72 minutes', () => {
    fc.assert(fc.property(orders, uncertain, randoms, (order, outcome, random) => {
      const decided = move(order, outcome, () => random);
      expect(['RETRY', 'ASK_AGAIN', 'REVIEW']).toContain(decided.kind);
      const { nextInMs } = decided as Extract<Move, { nextInMs: number }>;
      expect(Number.isSafeInteger(nextInMs)).toBe(true);
      expect(nextInMs).toBeGreaterThan(0);
      expect(nextInMs).toBeLessThanOrEqual(1.2 * HOUR_MS);
    }), { numRuns: 1000 });
  });

  test('sends nothing again before "not found" is proof', () => {
    fc.assert(fc.property(orders, fc.integer({ min: 1 }), randoms, (order, resendInMs, random) => {
      expect(move({ ...order, resendInMs }, NOT_FOUND, () => random))
        .toEqual({ kind: 'ASK_AGAIN', nextInMs: resendInMs });
    }));
  });

  test('sends nothing again after an unknown outcome alone', () => {
    fc.assert(fc.property(orders, randoms, (order, random) => {
      const kinds = [
        move(order, UNKNOWN, () => random), move({ ...order, ...QUERY }, transient(), () => random),
      ].map(({ kind }) => kind);
      for (const kind of kinds) expect(['ASK_AGAIN', 'REVIEW']).toContain(kind);
    }));
  });

  test('never ends an order over any sequence of transient and unknown outcomes', () => {
    const start = fc.record({ canBeQueried: fc.boolean(), dedupesByReference: fc.boolean() });
    fc.assert(fc.property(start, fc.array(uncertain, { maxLength: 60 }), (able, outcomes) => {
      let order = claimedOrder({ ...able, resendInMs: 60_000 });
      for (const outcome of outcomes) {
        const decided = decideMove(order, outcome, MIDDLE);
        expect(['RETRY', 'ASK_AGAIN', 'REVIEW']).toContain(decided.kind);
        // Only what was definitely not applied is sent again; else the next step is a question.
        if (decided.kind === 'RETRY') {
          expect([order.action, outcome.kind]).toEqual(['SUBMIT', 'TRANSIENT']);
        }
        const { nextInMs } = decided as Extract<Move, { nextInMs: number }>;
        order = {
          ...order,
          action: decided.kind === 'RETRY' ? 'SUBMIT' : 'QUERY',
          backoffStep: order.backoffStep + 1,
          windowLeftMs: order.windowLeftMs - nextInMs,
          resendInMs: order.resendInMs - nextInMs,
        };
      }
    }), { numRuns: 300 });
  });
});

/** A store that remembers moves, and one supplier whose calls are counted. */
function world(of: {
  readonly answer?: Outcome;
  readonly order?: ClaimedOrder | null;
  readonly result?: MoveResult;
  readonly callback?: Outcome | 'UNREADABLE' | null;
}) {
  const { answer = DELIVERED, order = claimedOrder(), result = 'APPLIED', callback = null } = of;
  const calls: string[] = [];
  const moves: RecordedMove[] = [];
  const strays: string[] = [];
  const supplier: Supplier = {
    code: 'sandbox-a',
    submit: async () => (calls.push('submit'), answer),
    query: async () => (calls.push('query'), answer),
    verifyCallback: () => (callback === null || callback === 'UNREADABLE' ? callback : {
      event: {
        supplierCode: 'sandbox-a', eventId: 'e1', supplierReference: '1-9123456-1',
        bodyDigest: 'd1',
      },
      outcome: callback,
    }),
  };
  const store: FulfilmentStore = {
    claimOrders: async () => [],
    claimOrder: async () => order,
    leaveSuspendedSuppliers: async () => 0,
    recallFarOrders: async () => 0,
    recordMove: async (recorded) => (moves.push(recorded), result),
    findSubmission: async () => order,
    strays: {
      keep: async ({ event }) => (strays.push(event.eventId), 'NEW' as const),
      find: async () => ({ callbacks: [], after: null }),
      forget: async () => undefined,
    },
    nextDueInMs: async () => null,
  };
  const clock: Clock = {
    now: () => new Date(0), monotonicMs: () => 0, sleep: () => Promise.resolve(),
  };
  const suppliers = {
    find: (code: string) => (code === supplier.code ? supplier : undefined),
    rooms: () => ({}),
  };
  return { deps: { store, suppliers, clock, random: MIDDLE }, calls, moves, strays };
}

describe('fulfilTopupOrder', () => {
  test.each<readonly [string, Partial<ClaimedOrder>, readonly string[], Move['kind']]>([
    ['sends what was never sent', {}, ['submit'], 'DELIVER'],
    ['asks what may have been sent', QUERY, ['query'], 'DELIVER'],
    ['sends again where it cannot ask and twice is once', { ...QUERY, ...NO_QUERY }, [], 'RESEND'],
    ['leaves alone what it may neither ask about nor send', { ...QUERY, ...BLIND }, [], 'REVIEW'],
    ['leaves it alone at once, as no time will tell', { ...QUERY, ...BLIND, resendInMs: HOUR_MS },
      [], 'REVIEW'],
    ['fails what nobody supplies', { action: 'NO_ROUTE' }, [], 'FAIL'],
    ['keeps what waits for a supplier that is not configured', { supplierCode: 'gone' }, [],
      'RETRY'],
    ['keeps asking for one that is not configured', { ...QUERY, supplierCode: 'gone' }, [],
      'ASK_AGAIN'],
  ])('%s', async (_case, over, called, kind) => {
    const { deps, calls, moves } = world({});
    const order = claimedOrder(over);
    await expect(fulfilTopupOrder(order, deps)).resolves.toBe('APPLIED');
    expect(calls).toEqual(called);
    expect(moves.map((each) => each.move.kind)).toEqual([kind]);
    expect(moves[0]).toMatchObject({
      clientId: 1, orderId: 9123456, route: 1, leaseToken: order.leaseToken, callback: null,
    });
  });
});

test('nobody is called by a process that comes to it too late', async () => {
  const { deps, calls, moves } = world({});
  const order = claimedOrder();
  const clock = { ...deps.clock, monotonicMs: () => order.askedAtMs + order.callDeadlineMs };
  await fulfilTopupOrder(order, { ...deps, clock });
  await fulfilTopupOrder({ ...order, ...QUERY }, { ...deps, clock });
  expect(calls).toEqual([]);
  expect(moves.map(({ move }) => move.kind)).toEqual(['RETRY', 'ASK_AGAIN']);
});

test.each([['', 'PRODUCT_UNAVAILABLE'], ['pubg-uc-325', 'PRODUCT_OUT_OF_STOCK']])(
  'what has no route and the SKU "%s" fails as %s, and nobody is called',
  async (supplierSku, failureCode) => {
    const { deps, calls, moves } = world({});
    await fulfilTopupOrder(claimedOrder({ action: 'NO_ROUTE', supplierSku }), deps);
    expect(calls).toEqual([]);
    expect(moves.map(({ move }) => move)).toEqual([{ kind: 'FAIL', failureCode }]);
  },
);

describe('fulfilInRequest', () => {
  test.each([[4000, 1000], [5000, 0], [6000, 0]])(
    'waits no longer in all than it may: after a step of %i ms, %i ms more', async (took, left) => {
      const { deps } = world({});
      let nowMs = 100;
      const clock = {
        ...deps.clock, monotonicMs: () => nowMs, sleep: () => new Promise<never>(() => {}),
      };
      const store = {
        ...deps.store,
        recordMove: async (recorded: RecordedMove) => {
          nowMs += took;
          return deps.store.recordMove(recorded);
        },
      };
      const waits: number[] = [];
      const untilTerminal = async (_clientId: number, _id: number, of: { timeoutMs: number }) =>
        (waits.push(of.timeoutMs), topupOrder());
      await fulfilInRequest(topupOrder(), {
        ...deps, clock, store, feed: { untilTerminal }, waitMs: 5000,
        stopping: new AbortController().signal,
      });
      expect(waits).toEqual([left]);
    },
  );

  test.each(['claim', 'news'])(
    'is not kept by a database that falls silent behind the placed order: no %s',
    async (missing) => {
      const { deps } = world({});
      const silent = () => new Promise<never>(() => {});
      const slept: number[] = [];
      const clock = { ...deps.clock, sleep: async (ms: number) => void slept.push(ms) };
      const store = missing === 'claim' ? { ...deps.store, claimOrder: silent } : deps.store;
      const placed = topupOrder();
      const told = await fulfilInRequest(placed, {
        ...deps, clock, store, feed: { untilTerminal: silent }, waitMs: 5000,
        stopping: new AbortController().signal,
      });
      expect(told).toBe(placed);
      expect(slept[0]).toBe(5500);
    },
  );

  test('lets a request go that waits for a silent supplier, where the process stops', async () => {
    const { deps } = world({});
    const silent = () => new Promise<never>(() => {});
    const supplier: Supplier = {
      code: 'sandbox-a', submit: silent, query: silent, verifyCallback: () => null,
    };
    const clock: Clock = {
      ...deps.clock,
      sleep: (_ms, signal) => new Promise((resolve) => {
        signal?.addEventListener('abort', () => resolve());
      }),
    };
    const stopping = new AbortController();
    const told: TopupOrder[] = [];
    void fulfilInRequest(topupOrder(), {
      ...deps, clock, suppliers: { ...deps.suppliers, find: () => supplier },
      feed: { untilTerminal: async () => topupOrder() }, waitMs: 5000, stopping: stopping.signal,
    }).then((order) => told.push(order));
    // Nothing here waits for more than a turn.
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    await turn();
    expect(told).toEqual([]);
    stopping.abort();
    await turn();
    expect(told).toEqual([topupOrder()]);
  });
});

describe("a supplier's word", () => {
  const order = claimedOrder();

  test.each<readonly [Outcome, Move['kind']]>([
    [ACCEPTED, 'AWAIT'], [DELIVERED, 'DELIVER'], [REVERSED, 'REVERSE'],
  ])('is recorded at last, however long the order was locked: %j', async (answer, kind) => {
    const { deps, moves } = world({ answer });
    const slept: number[] = [];
    const clock = { ...deps.clock, sleep: async (ms: number) => void slept.push(ms) };
    const { recordMove } = deps.store;
    const locked = [...Array(4).keys()];
    const store = {
      ...deps.store,
      async recordMove(move: RecordedMove) {
        if (locked.pop() !== undefined) throw new TemporarilyUnavailable('busy', 40);
        return recordMove(move);
      },
    };
    await expect(fulfilTopupOrder(order, { ...deps, clock, store })).resolves.toBe('APPLIED');
    expect(slept).toEqual(Array(4).fill(40));
    expect(moves.map(({ move }) => move.kind)).toEqual([kind]);
  });

  test('is given up where it can never be, or any other fault is met', async () => {
    const { deps } = world({ answer: DELIVERED });
    const clock = { ...deps.clock, sleep: async () => undefined };
    for (const fault of [new TemporarilyUnavailable('busy', 40), new Error('a fault of ours')]) {
      let count = 0;
      const store = {
        ...deps.store,
        recordMove: () => { count += 1; return Promise.reject(fault); },
      };
      await expect(fulfilTopupOrder(order, { ...deps, clock, store })).rejects.toBe(fault);
      expect(count).toBe(fault instanceof TemporarilyUnavailable ? 5 : 1);
    }
  });

  test('of a refusal is not, which the next attempt may have overtaken', async () => {
    const { deps } = world({ answer: failed('INVALID_RECIPIENT') });
    let count = 0;
    const store = {
      ...deps.store,
      recordMove: () => { count += 1; return Promise.reject(new TemporarilyUnavailable('', 40)); },
    };
    await expect(fulfilTopupOrder(order, { ...deps, store })).rejects.toThrow();
    expect(count).toBe(1);
  });

  test.each<readonly [Outcome, readonly Move['kind'][]]>([
    [ACCEPTED, ['AWAIT', 'NOTE_ACCEPTED']], [UNKNOWN, ['ASK_AGAIN']], [DELIVERED, ['DELIVER']],
  ])('that comes after the lease: %j', async (answer, kinds) => {
    const { deps, moves } = world({ answer, result: 'STALE_LEASE' });
    await fulfilTopupOrder(order, deps);
    expect(moves.map(({ move }) => move.kind)).toEqual(kinds);
    expect(moves.map(({ leaseToken }) => leaseToken))
      .toEqual(kinds.map((kind) => (kind === 'NOTE_ACCEPTED' ? null : order.leaseToken)));
  });
});

describe('receiveCallback', () => {
  const raw = { supplierCode: 'sandbox-a', headers: {}, body: new Uint8Array() };

  test.each<readonly [string, Outcome, Move]>([
    ['delivers', DELIVERED, { kind: 'DELIVER', receipt: { pin: '1234' } }],
    ['fails', failed('UNKNOWN'), { kind: 'FAIL', failureCode: 'UNKNOWN' }],
    ['asks before it sends again', failed('OPERATOR_UNAVAILABLE'),
      { kind: 'ASK_AGAIN', nextInMs: 0 }],
    ['reverses', REVERSED, { kind: 'REVERSE' }],
    ['notes that the order was accepted', ACCEPTED, { kind: 'NOTE_ACCEPTED' }],
    ['only notes what it does not understand', UNKNOWN, { kind: 'NONE' }],
    ['only notes what is transient', transient(), { kind: 'NONE' }],
    ['never takes "not found" unasked', NOT_FOUND, { kind: 'NONE' }],
  ])('%s', async (_case, callback, expected) => {
    const { deps, moves } = world({ callback });
    await expect(receiveCallback(raw, deps)).resolves.toBe('DONE');
    expect(moves).toHaveLength(1);
    expect(moves[0])
      .toMatchObject({ move: expected, leaseToken: null, callback: { eventId: 'e1' } });
  });

  test.each<readonly [string, Partial<ClaimedOrder>, Move]>([
    ['is that of the first attempt', BLIND, { kind: 'RETRY', nextInMs: STEP_MS }],
    ['is asked about at once where there was one only', { resendInMs: 1234 },
      { kind: 'ASK_AGAIN', nextInMs: 0 }],
    ['may be that of one before: asked about once that can be told',
      { attemptCount: 2, resendInMs: 1234 }, { kind: 'ASK_AGAIN', nextInMs: 1234 }],
    ['is asked about at once where that can be told', { attemptCount: 2, resendInMs: -1234 },
      { kind: 'ASK_AGAIN', nextInMs: 0 }],
    ['may be that of one before: sending again tells', { ...NO_QUERY, attemptCount: 2 },
      { kind: 'ASK_AGAIN', nextInMs: 0 }],
    ['may be that of one before: a person decides', { ...BLIND, attemptCount: 2 },
      { kind: 'REVIEW', nextInMs: STEP_MS }],
  ])('a refusal for now %s', async (_case, over, expected) => {
    const refusal = failed('OPERATOR_UNAVAILABLE');
    const { deps, moves } = world({ callback: refusal, order: claimedOrder(over) });
    await receiveCallback(raw, deps);
    expect(moves.map(({ move }) => move)).toEqual([expected]);
  });

  test.each<readonly [MoveResult, CallbackResult]>([
    ['APPLIED', 'DONE'], ['NO_CHANGE', 'DONE'], ['CASE_OPENED', 'DONE'], ['REPEATED_EVENT', 'DONE'],
    ['UNKNOWN_ORDER', 'DONE'], ['STALE_LEASE', 'TRY_LATER'], ['CONFLICTING_EVENT', 'REFUSED'],
  ])('makes of %s: %s', async (result, expected) => {
    const { deps } = world({ callback: DELIVERED, result });
    await expect(receiveCallback(raw, deps)).resolves.toBe(expected);
  });

  test.each([
    ['of an unknown supplier', { ...raw, supplierCode: 'stranger' }, DELIVERED],
    ['that is not authentic', raw, null],
  ])('refuses a message %s and stores nothing', async (_case, message, callback) => {
    const { deps, moves, strays } = world({ callback });
    await expect(receiveCallback(message, deps)).resolves.toBe('REFUSED');
    expect([moves, strays]).toEqual([[], []]);
  });

  test('tells apart what is authentic and not understood, and stores nothing', async () => {
    const { deps, moves, strays } = world({ callback: 'UNREADABLE' });
    await expect(receiveCallback(raw, deps)).resolves.toBe('NOT_UNDERSTOOD');
    expect([moves, strays]).toEqual([[], []]);
  });

  test('notes nothing where it is known that the order was accepted', async () => {
    const { deps, moves } = world({
      callback: ACCEPTED, order: claimedOrder({ wasAccepted: true }),
    });
    await expect(receiveCallback(raw, deps)).resolves.toBe('DONE');
    expect(moves.map(({ move }) => move)).toEqual([{ kind: 'NONE' }]);
  });

  test('keeps an authentic message of an order that it does not know', async () => {
    const { deps, moves, strays } = world({ callback: DELIVERED, order: null });
    await expect(receiveCallback(raw, deps)).resolves.toBe('KEPT');
    expect([moves, strays]).toEqual([[], ['e1']]);
  });
});
