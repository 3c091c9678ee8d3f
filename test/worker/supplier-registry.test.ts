import { beforeEach, describe, expect, test } from 'vitest';

import { systemClock } from '../../src/clock.ts';
import type {
  ClaimedOrder, Outcome, Supplier, SupplierRegistry,
} from '../../src/domain/fulfilment-ports.ts';
import type { Clock } from '../../src/domain/ports.ts';
import { createSupplierRegistry } from '../../src/outbound/supplier-registry.ts';

const REST_MS = 1000;
const UNREACHED: Outcome = { kind: 'TRANSIENT', reason: 'no connection', retryAfterMs: null };
const TIMED_OUT: Outcome = { kind: 'UNKNOWN', reason: 'no answer in time' };
const ACCEPTED: Outcome = { kind: 'ACCEPTED' };

/** A supplier whose answers the test gives, one by one, in order of the calls. */
let calls: PromiseWithResolvers<Outcome>[];
let nowMs: number;
let registry: SupplierRegistry;
const clock: Clock = { ...systemClock, monotonicMs: () => nowMs };
const order = {} as ClaimedOrder;

beforeEach(() => {
  calls = [];
  nowMs = 0;
  registry = createSupplierRegistry([idleSupplier('a'), idleSupplier('b')], {
    clock, concurrencyMax: { a: 3, b: 3 }, unreachedCountMax: 2, restMs: REST_MS, probesMax: 1,
  });
});

function idleSupplier(code: string): Supplier {
  const call = () => {
    const answer = Promise.withResolvers<Outcome>();
    calls.push(answer);
    return answer.promise;
  };
  return { code, submit: call, query: call, verifyCallback: () => null };
}

function submit(signal = AbortSignal.timeout(10_000), code = 'a'): Promise<Outcome> {
  const supplier = registry.find(code);
  if (supplier === undefined) throw new Error(`no supplier ${code}`);
  return supplier.submit(order, signal);
}

function ask(): Promise<Outcome> {
  return registry.find('a')?.query(order, AbortSignal.timeout(10_000)) ?? Promise.reject();
}

function withoutRoom(): string[] {
  return Object.entries(registry.rooms()).flatMap(([code, room]) => (room === 0 ? [code] : []));
}

/** Lets all that can go on without an answer go on. */
async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

async function answeredWith(outcome: Outcome, call = () => submit()): Promise<Outcome> {
  const told = call();
  await settled();
  calls.at(-1)?.resolve(outcome);
  return told;
}

test('a code that nobody has is not found', () => {
  expect(registry.find('constructor')).toBeUndefined();
  expect(registry.find('a')?.code).toBe('a');
});

describe('the cap', () => {
  test('lets the next call in when one ends', async () => {
    const told = [submit(), submit(), submit(), submit()];
    await settled();
    expect(calls).toHaveLength(3);
    calls[1]?.resolve(ACCEPTED);
    await settled();
    expect(calls).toHaveLength(4);
    for (const call of calls) call.resolve(ACCEPTED);
    expect(await Promise.all(told)).toEqual([ACCEPTED, ACCEPTED, ACCEPTED, ACCEPTED]);
  });

  test('is one supplier\'s own', async () => {
    void Promise.all([submit(), submit(), submit(), submit()]);
    void submit(undefined, 'b');
    await settled();
    expect(calls).toHaveLength(4);
  });

  test('a wait for room ends with the deadline, and nothing is sent afterwards', async () => {
    void Promise.all([submit(), submit(), submit()]);
    const deadline = new AbortController();
    const waiting = submit(deadline.signal);
    await settled();
    deadline.abort();
    expect(await waiting).toMatchObject({ kind: 'TRANSIENT' });
    for (const call of calls) call.resolve(ACCEPTED);
    await settled();
    expect(calls).toHaveLength(3);
  });

  test('is told as room, so that no more orders are taken than calls can begin', async () => {
    void Promise.all([submit(), submit()]);
    expect(registry.rooms()).toEqual({ a: 1, b: 3 });
    void submit();
    expect(registry.rooms()).toEqual({ a: 0, b: 3 });
    await settled();
    calls[0]?.resolve(ACCEPTED);
    await settled();
    expect(registry.rooms()).toEqual({ a: 1, b: 3 });
  });

  test('a busy supplier has room again once some calls can begin together', async () => {
    registry = createSupplierRegistry([idleSupplier('a')], { clock, concurrencyMax: { a: 16 } });
    void Promise.all(Array.from({ length: 15 }, () => submit()));
    await settled();
    expect(registry.rooms()).toEqual({ a: 0 });
    calls[0]?.resolve(ACCEPTED);
    await settled();
    expect(registry.rooms()).toEqual({ a: 2 });
  });

  test('a call under way is waited for, deadline or not: its outcome is what counts', async () => {
    const deadline = new AbortController();
    const told = submit(deadline.signal);
    await settled();
    deadline.abort();
    calls[0]?.resolve(TIMED_OUT);
    expect(await told).toEqual(TIMED_OUT);
  });

  test('a fault of the adapter is no answer, and frees its room', async () => {
    for (let count = 0; count < 5; count += 1) {
      const told = submit();
      await settled();
      calls.at(-1)?.reject(new Error('a bug'));
      await expect(told).rejects.toThrow('a bug');
    }
    expect(withoutRoom()).toEqual([]);
  });
});

test('no supplier has more room than leaves some to the others', () => {
  registry = createSupplierRegistry([idleSupplier('a'), idleSupplier('b')], {
    clock, concurrencyMax: { a: 5_000, b: 256 },
  });
  expect(registry.rooms()).toEqual({ a: 256, b: 256 });
});

describe('the breaker', () => {
  test.each([['no connection', UNREACHED], ['no answer in time', TIMED_OUT]])(
    'opens after two calls in a row with %s',
    async (_reason, outcome) => {
      await answeredWith(outcome);
      expect(withoutRoom()).toEqual([]);
      expect(await answeredWith(outcome)).toEqual(outcome);
      expect(withoutRoom()).toEqual(['a']);
      expect(await submit()).toMatchObject({ kind: 'TRANSIENT' });
      expect(calls).toHaveLength(2);
      void submit(undefined, 'b');
      await settled();
      expect(calls).toHaveLength(3);
    },
  );

  test.each<Outcome>([
    { kind: 'TRANSIENT', reason: 'HTTP 503', retryAfterMs: null },
    { kind: 'TRANSIENT', reason: 'HTTP 429', retryAfterMs: 1000 },
    { kind: 'UNKNOWN', reason: 'connection lost (ECONNRESET)' },
    { kind: 'UNKNOWN', reason: 'answer not understood' },
    { kind: 'FAILED', failureCode: 'OPERATOR_UNAVAILABLE' },
    { kind: 'NOT_FOUND' },
  ])('does not count %j', async (outcome) => {
    for (let count = 0; count < 5; count += 1) await answeredWith(outcome);
    await answeredWith(UNREACHED);
    await answeredWith(outcome);
    await answeredWith(UNREACHED);
    expect(withoutRoom()).toEqual([]);
  });

  async function openAndRest(): Promise<void> {
    await answeredWith(UNREACHED);
    await answeredWith(UNREACHED);
    nowMs += REST_MS;
    calls = [];
  }

  test('lets one call try after the rest; the others wait for what it finds', async () => {
    await openAndRest();
    expect(registry.rooms()).toEqual({ a: 1, b: 3 });
    const told = [submit(), submit()];
    await settled();
    expect(calls).toHaveLength(1);
    expect(withoutRoom()).toEqual(['a']);
    calls[0]?.resolve(ACCEPTED);
    await settled();
    expect(calls).toHaveLength(2);
    expect(withoutRoom()).toEqual([]);
    calls[1]?.resolve(ACCEPTED);
    expect(await Promise.all(told)).toEqual([ACCEPTED, ACCEPTED]);
  });

  test('lets several try, of which one answer is enough, whatever the others meet', async () => {
    registry = createSupplierRegistry([idleSupplier('a')], {
      clock, concurrencyMax: { a: 16 }, unreachedCountMax: 8, restMs: REST_MS,
    });
    for (let count = 0; count < 8; count += 1) await answeredWith(TIMED_OUT);
    expect(registry.rooms()).toEqual({ a: 0 });
    nowMs += REST_MS;
    calls = [];
    expect(registry.rooms()).toEqual({ a: 8 });
    const told = Array.from({ length: 8 }, () => submit());
    await settled();
    expect(calls).toHaveLength(8);
    expect(registry.rooms()).toEqual({ a: 0 });
    for (const call of calls.slice(0, 7)) call.resolve(TIMED_OUT);
    await settled();
    expect(registry.rooms()).toEqual({ a: 0 });
    calls[7]?.resolve(ACCEPTED);
    expect(await Promise.all(told)).toEqual([...Array.from({ length: 7 }, () => TIMED_OUT),
      ACCEPTED]);
    expect(registry.rooms()).toEqual({ a: 16 });
  });

  test('has no more room after the rest than calls can begin, however many may try', async () => {
    registry = createSupplierRegistry([idleSupplier('a')], {
      clock, concurrencyMax: { a: 3 }, unreachedCountMax: 2, restMs: REST_MS, probesMax: 8,
    });
    await openAndRest();
    expect(registry.rooms()).toEqual({ a: 3 });
  });

  test('rests again when that call fails; the others are not sent', async () => {
    await openAndRest();
    const told = [submit(), submit(), submit()];
    await settled();
    calls[0]?.resolve(UNREACHED);
    expect(await Promise.all(told)).toMatchObject(
      [UNREACHED, { kind: 'TRANSIENT' }, { kind: 'TRANSIENT' }],
    );
    expect(calls).toHaveLength(1);
    expect(withoutRoom()).toEqual(['a']);
    nowMs += REST_MS;
    expect(withoutRoom()).toEqual([]);
    expect(await answeredWith(ACCEPTED)).toEqual(ACCEPTED);
    expect(withoutRoom()).toEqual([]);
  });

  test('lets the next one try where that call is a fault of the adapter', async () => {
    await openAndRest();
    const told = [submit(), submit()];
    await settled();
    calls[0]?.reject(new Error('a bug'));
    await expect(told[0]).rejects.toThrow('a bug');
    await settled();
    expect(calls).toHaveLength(2);
    calls[1]?.resolve(ACCEPTED);
    expect(await told[1]).toEqual(ACCEPTED);
  });

  test('sends nothing whose wait for the one call has ended, where that is a fault', async () => {
    await openAndRest();
    const probe = submit();
    const deadline = new AbortController();
    const waiting = submit(deadline.signal);
    await settled();
    deadline.abort();
    expect(await waiting).toMatchObject({ kind: 'TRANSIENT' });
    calls[0]?.reject(new Error('a bug'));
    await expect(probe).rejects.toThrow('a bug');
    await settled();
    expect(calls).toHaveLength(1);
  });

  test('a wait for the one call ends with the deadline', async () => {
    await openAndRest();
    const probe = submit();
    const deadline = new AbortController();
    const waiting = submit(deadline.signal);
    await settled();
    deadline.abort();
    expect(await waiting).toMatchObject({ kind: 'TRANSIENT' });
    calls[0]?.resolve(ACCEPTED);
    expect(await probe).toEqual(ACCEPTED);
    await settled();
    expect(calls).toHaveLength(1);
  });
});

describe('a storm of answers that turn everything away', () => {
  const BUSY: Outcome = { kind: 'TRANSIENT', reason: 'HTTP 503', retryAfterMs: null };

  /** One a second. */
  async function turnAway(outcome: Outcome, count: number): Promise<void> {
    for (let sent = 0; sent < count; sent += 1) {
      expect(await answeredWith(outcome)).toEqual(outcome);
      nowMs += 1000;
    }
  }

  test.each<Outcome>([
    BUSY,
    { kind: 'TRANSIENT', reason: 'HTTP 429', retryAfterMs: 1000 },
    { kind: 'UNKNOWN', reason: 'HTTP 502' },
  ])('opens the breaker: %j', async (outcome) => {
    await turnAway(outcome, 15);
    expect(withoutRoom()).toEqual([]);
    await answeredWith(outcome);
    expect(withoutRoom()).toEqual(['a']);
    expect(await submit()).toEqual(
      { kind: 'TRANSIENT', reason: 'supplier rests after failures', retryAfterMs: null },
    );
    expect(calls).toHaveLength(16);
  });

  test('does not open it in less than ten seconds, however many there are', async () => {
    for (let count = 0; count < 100; count += 1) await answeredWith(BUSY);
    nowMs += 9_999;
    await answeredWith(BUSY);
    expect(withoutRoom()).toEqual([]);
    nowMs += 1;
    await answeredWith(BUSY);
    expect(withoutRoom()).toEqual(['a']);
  });

  test.each<Outcome>([
    ACCEPTED, { kind: 'FAILED', failureCode: 'OPERATOR_UNAVAILABLE' },
  ])('is over with one order that is taken or refused: %j', async (outcome) => {
    await turnAway(BUSY, 15);
    await answeredWith(outcome);
    await turnAway(BUSY, 15);
    expect(withoutRoom()).toEqual([]);
  });

  test('goes on though questions are answered, and though some calls are lost', async () => {
    await turnAway(BUSY, 15);
    await answeredWith(ACCEPTED, ask);
    await answeredWith(UNREACHED);
    await answeredWith({ kind: 'UNKNOWN', reason: 'connection lost (ECONNRESET)' });
    await answeredWith(BUSY);
    expect(withoutRoom()).toEqual(['a']);
    nowMs += REST_MS;
    await answeredWith(ACCEPTED, ask);
    // As many may try as it takes at a time, and one that is turned away is enough.
    expect(registry.rooms()).toEqual({ a: 3, b: 3 });
    await answeredWith(BUSY);
    expect(withoutRoom()).toEqual(['a']);
  });

  test('is over by itself where nobody was turned away for long', async () => {
    await turnAway(BUSY, 16);
    nowMs += 30_001;
    await answeredWith(ACCEPTED, ask);
    await answeredWith(UNREACHED);
    expect(withoutRoom()).toEqual([]);
  });

  test('lets the next try where a question has told nothing', async () => {
    await turnAway(BUSY, 16);
    nowMs += REST_MS;
    const asked = [ask(), ask(), ask(), submit()];
    await settled();
    // All places are taken by three questions.
    expect(calls).toHaveLength(19);
    for (const call of calls) call.resolve(ACCEPTED);
    await settled();
    expect(calls).toHaveLength(20);
    calls.at(-1)?.resolve(ACCEPTED);
    expect(await Promise.all(asked)).toEqual([ACCEPTED, ACCEPTED, ACCEPTED, ACCEPTED]);
    expect(registry.rooms()).toEqual({ a: 3, b: 3 });
  });

  test('is none where they are further apart', async () => {
    for (let sent = 0; sent < 30; sent += 1) {
      await answeredWith(BUSY);
      expect(withoutRoom()).toEqual([]);
      nowMs += 30_001;
    }
  });

  test('ends with the first order that is taken: all room is there at once', async () => {
    await turnAway(BUSY, 16);
    nowMs += REST_MS;
    await answeredWith(ACCEPTED);
    expect(registry.rooms()).toEqual({ a: 3, b: 3 });
    await turnAway(BUSY, 15);
    expect(registry.rooms()).toEqual({ a: 3, b: 3 });
  });
});
