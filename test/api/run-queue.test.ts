import { describe, expect, test, vi } from 'vitest';
import { RunQueue } from '../../src/rest/run-queue.ts';

const turn = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve); });

/** Time stands still, however busy the machine is, but for what is set. */
function stopTime(): { nowMs: number } {
  const time = { nowMs: 1 };
  vi.spyOn(performance, 'now').mockImplementation(() => time.nowMs);
  return time;
}

/** A queue, and the names of what has begun. */
function queued(cutPolling?: () => void): {
  readonly begun: string[];
  readonly queue: RunQueue;
  /** Adds one of the lane; every start keeps the process busy for `busyMs`. */
  add(name: string, lane: number, busyMs?: number): boolean;
} {
  const queue = new RunQueue(cutPolling);
  const begun: string[] = [];
  const add = (name: string, lane: number, busyMs = 0): boolean =>
    queue.add(() => lane, () => {
      begun.push(name);
      const untilMs = performance.now() + busyMs;
      while (performance.now() < untilMs);
    });
  return { begun, queue, add };
}

describe('a run queue', () => {
  test('begins a few at once, without asking whose they are', () => {
    const queue = new RunQueue();
    let begun = 0;
    for (let count = 0; count < 32; count += 1) {
      const laneOf = (): number => { throw new Error('Nobody is to be asked'); };
      expect(queue.add(laneOf, () => { begun += 1; })).toBe(true);
    }
    expect(begun).toBe(32);
    expect(queue.waitingCount).toBe(0);
  });

  test('begins the others in later turns, 32 in each, in their order', async () => {
    stopTime();
    const { begun, queue, add } = queued();
    const names = Array.from({ length: 100 }, (_, index) => `a${index}`);
    for (const name of names) expect(add(name, 1)).toBe(true);
    for (const count of [32, 64, 96, 100]) {
      expect(begun).toEqual(names.slice(0, count));
      expect(queue.waitingCount).toBe(100 - count);
      await turn();
    }
    expect(add('b', 1)).toBe(true);
    expect(begun.at(-1)).toBe('b');
  });

  test('lets nobody pass who waits, but lanes take turns', async () => {
    stopTime();
    const { begun, add } = queued();
    for (let count = 0; count < 200; count += 1) add('a', 1);
    await turn();
    add('b', 2);
    add('b', 2);
    expect(begun).not.toContain('b');
    await turn();
    expect(begun.slice(64, 96)).toEqual(['a', 'b', 'a', 'b', ...Array<string>(28).fill('a')]);
  });

  test('begins more within a turn that lasts, and has that one cut once', async () => {
    const time = stopTime();
    let cutCount = 0;
    const { begun, add } = queued(() => { cutCount += 1; });
    for (let count = 0; count < 200; count += 1) add('a', 1);
    expect([begun.length, cutCount]).toEqual([32, 0]);
    for (const [nowMs, count] of [[52, 64], [102, 64], [103, 96]] as const) {
      time.nowMs = nowMs;
      add('a', 1);
      expect([begun.length, cutCount]).toEqual([count, 1]);
    }
    await turn();
    expect(begun).toHaveLength(128);
    time.nowMs = 160;
    add('a', 1);
    expect([begun.length, cutCount]).toEqual([160, 2]);
  });

  test('refuses what would wait too long, and a flood only in its own lane', async () => {
    const { begun, queue, add } = queued();
    // Turns of some 64 ms: so that a flood has room for three or four of them.
    const flood = (): boolean[] => Array.from({ length: 400 }, () => add('a', 1, 2));
    flood();
    for (let count = 0; count < 8; count += 1) await turn();
    expect(queue.waitingCount).toBeGreaterThan(0);
    const isAdmitted = flood();
    expect(isAdmitted).toContain(false);
    expect(queue.waitingCount).toBeLessThan(200);
    expect(add('b', 2)).toBe(true);
    while (queue.waitingCount > 0) await turn();
    expect(begun).toContain('b');
    const count = begun.length;
    await turn();
    expect(begun).toHaveLength(count);
    expect(add('a', 1)).toBe(true);
  });

  test('does not take a crowd of lanes for room', async () => {
    const { queue, add } = queued();
    for (let lane = 1; lane <= 400; lane += 1) add('a', lane, 2);
    for (let count = 0; count < 8; count += 1) await turn();
    const isAdmitted = Array.from({ length: 400 }, (_, index) => add('a', 1000 + index, 2));
    expect(isAdmitted).toContain(false);
    expect(queue.waitingCount).toBeLessThan(200);
  });

  test('has a bound where turns are quick', () => {
    stopTime();
    const { add } = queued();
    for (let count = 0; count < 32 + 4096; count += 1) expect(add('a', 1)).toBe(true);
    expect(add('a', 1)).toBe(false);
    expect(add('b', 2)).toBe(true);
  });

  test('has a bound for all lanes together', () => {
    stopTime();
    const { queue, add } = queued();
    for (let count = 0; count < 32; count += 1) add('a', 1);
    for (let lane = 1; lane <= 100; lane += 1) while (add('a', lane));
    expect(queue.waitingCount).toBe(2 * 4096);
  });

  test('does not take one long pause for how long turns take', async () => {
    const { queue, add } = queued();
    const flood = (busyMs: number): void => {
      for (let count = 0; count < 80; count += 1) add('a', 1, count === 40 ? busyMs : 0);
    };
    flood(3000);
    while (queue.waitingCount > 0) await turn();
    for (let count = 0; count < 32 + 128; count += 1) expect(add('a', 1)).toBe(true);
  });
});
