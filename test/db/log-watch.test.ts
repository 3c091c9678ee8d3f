import { describe, expect, it } from 'vitest';
import { LogWatch } from '../../src/db/log-watch.ts';

/** A log of numbers, each of which is an event, and one subscriber that stands before its first. */
function watchNumbers(count: number, meanwhile = (): void => undefined) {
  const log = Array.from({ length: count }, (_, index) => index + 1);
  const faults: Error[] = [];
  let position = 0;
  let readCount = 0;
  const watch = new LogWatch<number>({
    register: async () => undefined,
    unregister: () => undefined,
    async read(limit) {
      readCount += 1;
      const fault = faults.shift();
      if (fault !== undefined) throw fault;
      const page = log.filter((event) => event > position).slice(0, limit);
      meanwhile();
      return page;
    },
    advance(event) {
      if (event <= position) return false;
      position = event;
      return true;
    },
  });
  return {
    watch,
    faults,
    reads: () => readCount,
    enter(event: number): void {
      log.push(event);
      watch.push(event);
    },
    async take(many: number): Promise<readonly (number | undefined)[]> {
      const taken: (number | undefined)[] = [];
      while (taken.length < many) taken.push((await watch.next()).value);
      return taken;
    },
  };
}

const upTo = (last: number): readonly number[] =>
  Array.from({ length: last }, (_, index) => index + 1);

describe('a watch', () => {
  it('reads the log to its end, though nothing new comes', async () => {
    expect(await watchNumbers(1_200).take(1_200)).toEqual(upTo(1_200));
  });

  it('has what is entered during its read once, behind what it read', async () => {
    const numbers = watchNumbers(3, () => {
      if (numbers.reads() === 1) numbers.enter(4);
    });
    expect(await numbers.take(4)).toEqual(upTo(4));
    numbers.enter(5);
    expect(await numbers.take(1)).toEqual([5]);
    expect(numbers.reads()).toBe(1);
  });

  it('goes back to the log where it was too slow, and misses and repeats nothing', async () => {
    const numbers = watchNumbers(1);
    expect(await numbers.take(1)).toEqual([1]);
    for (let event = 2; event <= 300; event += 1) numbers.enter(event);
    expect(await numbers.take(299)).toEqual(upTo(300).slice(1));
    expect(numbers.reads()).toBe(2);
  });

  it.each([
    ['goes away', Object.assign(new Error('ended'), { code: '57P01' })],
    ['can do nothing now', Object.assign(new Error('full'), { code: '53300' })],
  ])('outlives a database that %s', async (_what, fault) => {
    const numbers = watchNumbers(2);
    numbers.faults.push(fault);
    expect(await numbers.take(2)).toEqual([1, 2]);
  });

  it('tells a fault that does not pass, once, and is over', async () => {
    const numbers = watchNumbers(2);
    numbers.faults.push(new Error('no such table'));
    await expect(numbers.watch.next()).rejects.toThrow('no such table');
    expect(await numbers.watch.next()).toEqual({ done: true, value: undefined });
  });

  it('that was failed tells so to who waits, once, whatever had come', async () => {
    const numbers = watchNumbers(1);
    await numbers.take(1);
    const waiting = numbers.watch.next();
    numbers.watch.fail(new Error('begin again'));
    await expect(waiting).rejects.toThrow('begin again');
    expect(await numbers.watch.next()).toEqual({ done: true, value: undefined });
  });
});
