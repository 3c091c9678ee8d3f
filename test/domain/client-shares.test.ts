import { expect, it, vi } from 'vitest';
import { ClientShares } from '../../src/domain/client-shares.ts';
import { TemporarilyUnavailable } from '../../src/domain/rejection.ts';

/** A read that takes as long as the test likes. */
function heldRead() {
  const held = Promise.withResolvers<string>();
  let hasBegun = false;
  const read = (): Promise<string> => {
    hasBegun = true;
    return held.promise;
  };
  return { read, hasBegun: () => hasBegun, end: held.resolve, fail: held.reject };
}

it('reads so many of a client at once, the others in their order, whatever becomes of them',
  async () => {
    const shares = new ClientShares(2);
    const reads = [heldRead(), heldRead(), heldRead(), heldRead()];
    const begun = (): readonly boolean[] => reads.map(({ hasBegun }) => hasBegun());
    const results = reads.map(({ read }) => shares.read(1, read));
    const other = heldRead();
    const ofOther = shares.read(2, other.read);
    expect(begun()).toEqual([true, true, false, false]);
    expect(other.hasBegun()).toBe(true);
    reads[1]?.fail(new Error('away'));
    await expect(results[1]).rejects.toThrow('away');
    expect(begun()).toEqual([true, true, true, false]);
    for (const [nth, { end }] of reads.entries()) end(`${nth}`);
    other.end('other');
    expect(await Promise.all([results[0], results[2], results[3], ofOther]))
      .toEqual(['0', '2', '3', 'other']);
    const next = heldRead();
    const last = shares.read(1, next.read);
    expect(next.hasBegun()).toBe(true);
    next.end('last');
    expect(await last).toBe('last');
  });

it('tells whoever waits for too long, and nobody comes into its place', async () => {
  vi.useFakeTimers();
  try {
    const shares = new ClientShares(1);
    const first = heldRead();
    const firstResult = shares.read(1, first.read);
    const late = heldRead();
    const lateResult = expect(shares.read(1, late.read)).rejects.toThrow(TemporarilyUnavailable);
    await vi.advanceTimersByTimeAsync(1_000);
    const third = heldRead();
    const thirdResult = shares.read(1, third.read);
    await vi.advanceTimersByTimeAsync(1_000);
    await lateResult;
    first.end('first');
    expect(await firstResult).toBe('first');
    expect([late.hasBegun(), third.hasBegun()]).toEqual([false, true]);
    third.end('third');
    expect(await thirdResult).toBe('third');
  } finally {
    vi.useRealTimers();
  }
});

it('keeps the place of whoever waits, though others before it have waited long', async () => {
  vi.useFakeTimers();
  try {
    const shares = new ClientShares(1);
    const [first, second, third] = [heldRead(), heldRead(), heldRead()];
    const results = [shares.read(1, first.read), shares.read(1, second.read)];
    first.end('first');
    expect(await results[0]).toBe('first');
    await vi.advanceTimersByTimeAsync(1_500);
    results.push(shares.read(1, third.read));
    await vi.advanceTimersByTimeAsync(1_000);
    second.end('second');
    expect(await results[1]).toBe('second');
    expect(third.hasBegun()).toBe(true);
    third.end('third');
    expect(await results[2]).toBe('third');
  } finally {
    vi.useRealTimers();
  }
});
