import { expect, test } from 'vitest';
import { VoucherGuesses } from '../../src/domain/guess-voucher.ts';
import type { Placement } from '../../src/domain/ports.ts';
import { NOT_LIMITED, RateLimited, type RateLimits } from '../../src/domain/rate-limits.ts';
import { TemporarilyUnavailable } from '../../src/domain/rejection.ts';

const GOOD: Placement = { verdict: 'VOUCHER_VALUE_MISMATCH' };
const BAD: Placement = { verdict: 'VOUCHER_INVALID' };

/** One token, and every answer a turn late, as a database's is. */
function oneToken(answer: () => Promise<void> = async () => undefined) {
  let left = 1;
  let askedCount = 0;
  const rateLimits: RateLimits = {
    async take() {
      askedCount += 1;
      const isAdmitted = left > 0;
      if (isAdmitted) left -= 1;
      await answer();
      return { ...NOT_LIMITED, limit: 1, isAdmitted };
    },
    async giveBack() {
      left += 1;
    },
  };
  return { rateLimits, askedCount: () => askedCount };
}

/** No time passes: a sleep ends as that of the clock does whose signal is aborted. */
const untilAborted = (_ms: number, signal?: AbortSignal) => new Promise<void>((resolve) => {
  signal?.addEventListener('abort', () => resolve(), { once: true });
});

function guesses(rateLimits: RateLimits, clock = {}): VoucherGuesses {
  const still = { monotonicMs: () => 0, sleep: untilAborted };
  return new VoucherGuesses({ rateLimits, clock: { ...still, ...clock } });
}

test('good codes wait for the tokens of each other, one after the other', async () => {
  let placingCount = 0;
  const of = guesses(oneToken().rateLimits);
  const told = await Promise.all(Array.from({ length: 20 }, () => of.place(1, async () => {
    expect(placingCount += 1).toBe(1);
    await Promise.resolve();
    placingCount -= 1;
    return GOOD;
  })));
  expect(told).toEqual(Array.from({ length: 20 }, () => GOOD));
});

test('whoever waits hears of the limit when the code before was bad', async () => {
  const { rateLimits, askedCount } = oneToken();
  const of = guesses(rateLimits);
  const told = await Promise.allSettled(
    Array.from({ length: 20 }, () => of.place(1, async () => BAD)));
  expect(told[0]).toEqual({ status: 'fulfilled', value: BAD });
  for (const each of told.slice(1)) {
    expect(each).toMatchObject({ status: 'rejected', reason: expect.any(RateLimited) as unknown });
  }
  // Once as they came, and once after the bad one.
  expect(askedCount()).toBe(39);
});

test('a token that comes back while another is being refused is asked for again', async () => {
  const gates = [Promise.withResolvers<undefined>(), Promise.withResolvers<undefined>()];
  const placing = Promise.withResolvers<Placement>();
  let asked = 0;
  const of = guesses(oneToken(async () => gates[(asked += 1) - 1]?.promise).rateLimits);
  gates[0]?.resolve(undefined);
  const first = of.place(1, () => placing.promise);
  const second = of.place(1, async () => GOOD);
  placing.resolve(GOOD);
  await first;
  gates[1]?.resolve(undefined);
  await expect(second).resolves.toEqual(GOOD);
});

test('clients do not wait for each other', async () => {
  const tokens = new Map([[1, oneToken().rateLimits], [2, oneToken().rateLimits]]);
  const limitsOf = (clientId: number) => tokens.get(clientId) ?? oneToken().rateLimits;
  const of = guesses({
    take: (request) => limitsOf(request.clientId).take(request),
    giveBack: (request) => limitsOf(request.clientId).giveBack(request),
  });
  const { promise, resolve } = Promise.withResolvers<Placement>();
  const stuck = of.place(1, () => promise);
  await expect(of.place(2, async () => GOOD)).resolves.toEqual(GOOD);
  resolve(GOOD);
  await stuck;
});

test('whoever waited for a call that failed has its turn', async () => {
  const of = guesses(oneToken().rateLimits);
  const { promise, reject } = Promise.withResolvers<Placement>();
  const fault = new TemporarilyUnavailable('away');
  const failing = expect(of.place(1, () => promise)).rejects.toBe(fault);
  const waiting = of.place(1, async () => GOOD);
  reject(fault);
  await failing;
  await expect(waiting).resolves.toEqual(GOOD);
});

test('nobody waits for longer than some seconds, and whoever left is passed over', async () => {
  const sleeps: [number, () => void][] = [];
  const sleep = (ms: number) => new Promise<void>((resolve) => {
    sleeps.push([ms, resolve]);
  });
  const of = guesses(oneToken().rateLimits, { sleep });
  const { promise, resolve } = Promise.withResolvers<Placement>();
  const holding = of.place(1, () => promise);
  const waiting = [1, 2, 3].map(() => of.place(1, async () => GOOD));
  await expect.poll(() => sleeps.map(([ms]) => ms)).toEqual([4000, 4000, 4000]);
  sleeps[0]?.[1]();
  await expect(waiting[0]).rejects.toBeInstanceOf(TemporarilyUnavailable);
  resolve(GOOD);
  expect(await Promise.all([holding, waiting[1], waiting[2]])).toEqual([GOOD, GOOD, GOOD]);
});

test('whoever came first has the next token, and each asks a few times only', async () => {
  const { rateLimits, askedCount } = oneToken();
  const of = guesses(rateLimits);
  const order: number[] = [];
  const all: Promise<Placement>[] = [];
  const placeNext = (n: number): void => {
    all.push(of.place(1, async () => {
      order.push(n);
      if (n < 50) placeNext(n + 50);
      return GOOD;
    }));
  };
  for (let n = 0; n < 50; n += 1) placeNext(n);
  while (all.length > 0) await all.shift();
  expect(order.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, n) => n));
  // Who came at once comes before whoever came later.
  expect(order.slice(0, 50).every((n) => n < 50)).toBe(true);
  expect(askedCount()).toBeLessThanOrEqual(200);
});

/** One token that another process holds, taken so long ago, until it was asked for so often. */
function heldElsewhere(of: {
  readonly sinceMs: number;
  readonly untilAsked: number;
  readonly onAsked?: (askedCount: number) => void;
}) {
  let nowMs = 0;
  let askedCount = 0;
  const rateLimits: RateLimits = {
    async take() {
      askedCount += 1;
      of.onAsked?.(askedCount);
      const isAdmitted = askedCount >= of.untilAsked;
      return { ...NOT_LIMITED, limit: 1, isAdmitted, resetInMs: 60_000 - of.sinceMs - nowMs };
    },
    giveBack: async () => undefined,
  };
  const clock = {
    monotonicMs: () => nowMs,
    // Whoever waits for others, with a signal, waits as long as those do.
    sleep: async (ms: number, signal?: AbortSignal) => (
      signal === undefined ? void (nowMs += ms) : untilAborted(ms, signal)),
  };
  return { of: guesses(rateLimits, clock), asked: () => [askedCount, nowMs] };
}

test('a token of another process is asked for until it comes back', async () => {
  const { of, asked } = heldElsewhere({ sinceMs: 100, untilAsked: 4 });
  await expect(of.place(1, async () => GOOD)).resolves.toEqual(GOOD);
  expect(asked()).toEqual([4, 150]);
});

test('but not for long where nobody takes any more, nor where others always do', async () => {
  for (const [sinceMs, asks] of [[100, [9, 400]], [400, [3, 100]], [500, [1, 0]]] as const) {
    const { of, asked } = heldElsewhere({ sinceMs, untilAsked: Infinity });
    await expect(of.place(1, async () => GOOD)).rejects.toBeInstanceOf(RateLimited);
    expect(asked()).toEqual(asks);
  }
  const { of, asked } = heldElsewhere({ sinceMs: -60_000, untilAsked: Infinity });
  await expect(of.place(1, async () => GOOD)).rejects.toBeInstanceOf(TemporarilyUnavailable);
  expect(asked()).toEqual([82, 4050]);
});

test('whoever waits behind one that gives up asks on', async () => {
  let second: Promise<Placement> | null = null;
  const held = heldElsewhere({
    sinceMs: -60_000,
    untilAsked: 90,
    onAsked: (count) => {
      if (count === 50) second = held.of.place(1, async () => GOOD);
    },
  });
  await expect(held.of.place(1, async () => GOOD)).rejects.toBeInstanceOf(TemporarilyUnavailable);
  await expect(second).resolves.toEqual(GOOD);
});

test('a fault of the counting is told as it is, to each that asked', async () => {
  const fault = new TemporarilyUnavailable('away');
  const of = guesses({ take: () => Promise.reject(fault), giveBack: async () => undefined });
  const told = await Promise.allSettled([1, 2, 3].map(() => of.place(1, async () => GOOD)));
  expect(told).toEqual(told.map(() => ({ status: 'rejected', reason: fault })));
});
