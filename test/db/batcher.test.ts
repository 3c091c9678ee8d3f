import { describe, expect, it, vi } from 'vitest';
import { Batcher } from '../../src/db/batcher.ts';
import { TemporarilyUnavailable } from '../../src/domain/rejection.ts';

interface Call {
  readonly items: readonly string[];
  /** Answers the call. */
  end(): void;
}

const turn = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve); });

/** A batcher over calls that a test ends one by one; an item's letter is its lane. */
function steppedBatcher(
  sizeMax: number,
  secondCallFrom?: number,
  isRefusable: (item: string) => boolean = () => true,
): {
  readonly batcher: Batcher<string, string>;
  readonly calls: Call[];
  /** Ends the call under way and lets the next one begin. */
  endCall(): Promise<void>;
} {
  const calls: Call[] = [];
  const batcher = new Batcher<string, string>({
    sizeMax,
    isRefusable,
    ...(secondCallFrom === undefined ? {} : { secondCallFrom }),
    laneOf: (item) => item.charCodeAt(0),
    run: (items) => new Promise((resolve) => {
      calls.push({ items, end: () => resolve(items.map((item) => `${item} done`)) });
    }),
  });
  const endCall = async (): Promise<void> => {
    calls.at(-1)?.end();
    await turn();
  };
  return { batcher, calls, endCall };
}

describe('a batcher', () => {
  it('lets one alone go at once, and what arrives meanwhile go together', async () => {
    const { batcher, calls, endCall } = steppedBatcher(256);
    const first = batcher.add('a1');
    await turn();
    expect(calls.map((call) => call.items)).toEqual([['a1']]);
    const others = ['a2', 'a3'].map((item) => batcher.add(item));
    await turn();
    expect(calls).toHaveLength(1);
    expect(batcher).toMatchObject({ waitingCount: 2, openCount: 3 });
    await endCall();
    expect(calls.map((call) => call.items)).toEqual([['a1'], ['a2', 'a3']]);
    expect(batcher).toMatchObject({ waitingCount: 0, openCount: 2 });
    await endCall();
    expect(await Promise.all([first, ...others])).toEqual(['a1 done', 'a2 done', 'a3 done']);
    expect(batcher.openCount).toBe(0);
  });

  it('lets what one turn of the event loop brings go together', async () => {
    const { batcher, calls } = steppedBatcher(256);
    for (const item of ['a1', 'b1', 'a2']) void batcher.add(item);
    await turn();
    expect(calls.map((call) => call.items)).toEqual([['a1', 'b1', 'a2']]);
  });

  it('begins a second call where enough are waiting, and never a third', async () => {
    const { batcher, calls } = steppedBatcher(256, 3);
    const add = async (...items: readonly string[]): Promise<void> => {
      for (const item of items) void batcher.add(item);
      await turn();
    };
    await add('a1');
    await add('a2', 'a3');
    expect(calls.map((call) => call.items)).toEqual([['a1']]);
    await add('a4');
    expect(calls.map((call) => call.items)).toEqual([['a1'], ['a2', 'a3', 'a4']]);
    await add('a5', 'a6', 'a7', 'a8');
    expect(calls).toHaveLength(2);
    calls[0]?.end();
    await turn();
    expect(calls[2]?.items).toEqual(['a5', 'a6', 'a7', 'a8']);
    calls[1]?.end();
    await add('a9');
    expect(calls).toHaveLength(3);
    calls[2]?.end();
    await turn();
    expect(calls[3]?.items).toEqual(['a9']);
  });

  it('takes turns between lanes, and keeps the order within each', async () => {
    const { batcher, calls, endCall } = steppedBatcher(4);
    void batcher.add('a0');
    await turn();
    for (const item of ['a1', 'a2', 'a3', 'a4', 'a5', 'a6', 'b1', 'b2', 'c1']) {
      void batcher.add(item);
    }
    await endCall();
    await endCall();
    await endCall();
    expect(calls.map((call) => call.items)).toEqual([
      ['a0'], ['a1', 'b1', 'c1', 'a2'], ['b2', 'a3', 'a4', 'a5'], ['a6'],
    ]);
  });

  it('lets a single item of another lane pass a flood within two calls', async () => {
    const { batcher, calls, endCall } = steppedBatcher(8);
    for (let count = 0; count < 1000; count += 1) void batcher.add(`a${count}`);
    await turn();
    void batcher.add('b');
    await endCall();
    expect(calls[1]?.items).toContain('b');
  });

  it('refuses what would wait too long, and only in the lane that is too long', async () => {
    const batcher = new Batcher<string, null>({
      sizeMax: 1,
      laneOf: (item) => item.charCodeAt(0),
      run: async () => {
        await new Promise((resolve) => setTimeout(resolve, 20));
        return [null];
      },
    });
    await batcher.add('a');
    await batcher.add('a');
    // Some 20 ms each: long before there are 4,096 of them, a new one would wait too long.
    const flood = Array.from({ length: 1000 }, () => {
      try {
        batcher.add('a').catch(() => undefined);
        return 'taken';
      } catch (error) {
        return error instanceof TemporarilyUnavailable ? `retry ${error.retryAfterMs}` : error;
      }
    });
    expect(new Set(flood)).toEqual(new Set(['taken', 'retry 1000']));
    expect(await batcher.add('b')).toBeNull();
  });

  it('refuses no item that is not to be refused, however many others wait', async () => {
    const batcher = new Batcher<string, null>({
      sizeMax: 1,
      isRefusable: (item) => item !== 'kept',
      run: async () => {
        await new Promise((resolve) => setTimeout(resolve, 20));
        return [null];
      },
    });
    await batcher.add('a');
    await turn();
    const flood = (item: string) => Array.from({ length: 1000 }, () => {
      try {
        batcher.add(item).catch(() => undefined);
        return 'taken';
      } catch (error) {
        return error instanceof TemporarilyUnavailable ? 'refused' : error;
      }
    });
    expect(new Set(flood('a'))).toEqual(new Set(['taken', 'refused']));
    expect(new Set(flood('kept'))).toEqual(new Set(['taken']));
    expect(flood('a')).toEqual(Array.from({ length: 1000 }, () => 'refused'));
  });

  it('refuses nobody of the next call, however slow calls are, and a new lane as any', async () => {
    const { batcher, endCall } = steppedBatcher(8);
    const add = (item: string): void => void batcher.add(item);
    add('a');
    await turn();
    // A first call of 2.5 s: half a second each, as far as the mean knows.
    const nowMs = performance.now();
    const clock = vi.spyOn(performance, 'now').mockReturnValue(nowMs + 2500);
    await endCall();
    clock.mockRestore();
    add('a');
    await turn();
    for (const item of ['b', 'c', 'd', 'e', 'f', 'g', 'h', 'i']) add(item);
    expect(() => add('j')).toThrow(TemporarilyUnavailable);
    expect(() => add('b')).toThrow(TemporarilyUnavailable);
    await endCall();
    expect(() => add('j')).not.toThrow();
  });

  it('begins nothing for whoever waited too long, unless it is not to be refused', async () => {
    const { batcher, calls, endCall } = steppedBatcher(8, undefined, (item) => item !== 'kept');
    void batcher.add('a1');
    await turn();
    const late = batcher.add('a2').catch((error: unknown) => error);
    const kept = batcher.add('kept');
    const nowMs = performance.now();
    const clock = vi.spyOn(performance, 'now').mockReturnValue(nowMs + 4001);
    const fresh = batcher.add('a3');
    await endCall();
    clock.mockRestore();
    expect(await late).toBeInstanceOf(TemporarilyUnavailable);
    expect(calls[1]?.items.toSorted()).toEqual(['a3', 'kept']);
    await endCall();
    expect(await Promise.all([kept, fresh])).toEqual(['kept done', 'a3 done']);
    expect(batcher).toMatchObject({ openCount: 0, waitingCount: 0 });
  });

  it('has a bound even where every item is quick', () => {
    const { batcher } = steppedBatcher(256);
    const add = (): Promise<string> => batcher.add('a');
    // Some are refused at last, where the machine has other work to do.
    for (let count = 0; count < 4096; count += 1) void add().catch(() => undefined);
    expect(add).toThrow(TemporarilyUnavailable);
  });
});

const lockTimeout = (): Error => Object.assign(new Error('locked'), { code: '55P03' });

describe('a batcher whose call fails', () => {
  /** Fails every call that carries one of `faults`; answers the others at once. */
  function failing(faults: Map<string, Error>) {
    const calls: (readonly string[])[] = [];
    const batcher = new Batcher<string, string>({
      sizeMax: 256,
      laneOf: (item) => item.charCodeAt(0),
      run: async (items) => {
        calls.push(items);
        await turn();
        const fault = items.map((item) => faults.get(item)).find((each) => each !== undefined);
        if (fault !== undefined) throw fault;
        return items.map((item) => `${item} done`);
      },
    });
    return { batcher, calls };
  }

  it('lets nobody wait with a lane whose lock is kept, nor those who come later', async () => {
    const locks = new Map([['b1', lockTimeout()], ['b2', lockTimeout()]]);
    const { batcher, calls } = failing(locks);
    const add = (item: string): Promise<string> => batcher.add(item);
    const [a1, b1, c1] = ['a1', 'b1', 'c1'].map(add);
    expect(await Promise.all([a1, c1])).toEqual(['a1 done', 'c1 done']);
    expect(calls.slice(0, 4)).toEqual([['a1', 'b1', 'c1'], ['a1'], ['b1'], ['c1']]);
    const [a2, b2] = ['a2', 'b2'].map(add);
    expect(await a2).toBe('a2 done');
    expect(calls.slice(1).filter((items) => new Set(items.map((item) => item[0])).size > 1))
      .toEqual([]);
    expect(batcher.openCount).toBe(2);
    locks.clear();
    expect(await Promise.all([b1, b2])).toEqual(['b1 done', 'b2 done']);
    expect(batcher).toMatchObject({ openCount: 0, waitingCount: 0 });
    calls.length = 0;
    await Promise.all(['a3', 'b3'].map(add));
    expect(calls).toEqual([['a3', 'b3']]);
  });

  it('calls four lanes apart at a time, and the fifth once one of them is through', async () => {
    const calls: { readonly items: readonly string[]; readonly end: () => void }[] = [];
    const batcher = new Batcher<string, string>({
      sizeMax: 256,
      laneOf: (item) => item.charCodeAt(0),
      run: (items) => items.length > 1
        ? Promise.reject(lockTimeout())
        : new Promise((resolve) => calls.push({ items, end: () => resolve([...items]) })),
    });
    const added = ['a1', 'b1', 'c1', 'd1', 'e1'].map((item) => batcher.add(item));
    await turn();
    await turn();
    expect(calls.flatMap(({ items }) => items)).toEqual(['a1', 'b1', 'c1', 'd1']);
    calls[2]?.end();
    await turn();
    expect(calls.flatMap(({ items }) => items)).toEqual(['a1', 'b1', 'c1', 'd1', 'e1']);
    for (const { end } of calls) end();
    expect(await Promise.all(added)).toEqual(['a1', 'b1', 'c1', 'd1', 'e1']);
  });

  it('counts nobody as waiting who left with a lane that goes apart, and in order', async () => {
    const { promise: hanging, resolve: end } = Promise.withResolvers<readonly string[]>();
    const calls: (readonly string[])[] = [];
    let isFirst = true;
    const batcher = new Batcher<string, string>({
      sizeMax: 256,
      secondCallFrom: 2,
      laneOf: (item) => item.charCodeAt(0),
      run: async (items) => {
        if (items.includes('c1')) return hanging;
        calls.push(items);
        if (!isFirst) return items;
        isFirst = false;
        await turn();
        throw lockTimeout();
      },
    });
    const add = (...items: readonly string[]): Promise<string>[] =>
      items.map((item) => batcher.add(item));
    const first = add('a1', 'b1');
    await turn();
    const beside = add('c1', 'c2');
    const later = add('a2');
    expect(await Promise.all([...first, ...later])).toEqual(['a1', 'b1', 'a2']);
    expect(calls).toEqual([['a1', 'b1'], ['a1', 'a2'], ['b1']]);
    expect(batcher).toMatchObject({ openCount: 2, waitingCount: 0 });
    end(['c1', 'c2']);
    expect(await Promise.all(beside)).toEqual(['c1', 'c2']);
  });

  it('fails a lane apart whole, and at once, where the connection was lost', async () => {
    const calls: (readonly string[])[] = [];
    const batcher = new Batcher<string, string>({
      sizeMax: 256,
      laneOf: (item) => item.charCodeAt(0),
      run: async (items) => {
        calls.push(items);
        if (calls.length === 1) throw lockTimeout();
        throw Object.assign(new Error('gone'), { code: 'ECONNRESET' });
      },
    });
    const results = await Promise.allSettled(['a1', 'a2', 'b1'].map((item) => batcher.add(item)));
    expect(results.map((each) => each.status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(calls).toEqual([['a1', 'b1', 'a2'], ['a1', 'a2'], ['b1']]);
  });

  it('tells of a lock that is kept for long, and lets but a call wait for it', async () => {
    const { batcher } = failing(new Map([['b1', lockTimeout()], ['b2', lockTimeout()]]));
    const told = batcher.add('b1').catch((error: unknown) => error);
    await turn();
    await turn();
    const nowMs = performance.now();
    const clock = vi.spyOn(performance, 'now').mockReturnValue(nowMs + 5001);
    expect(await told).toMatchObject({ code: '55P03' });
    clock.mockRestore();
    const flood = Array.from({ length: 1000 }, () => {
      try {
        batcher.add('b2').catch(() => undefined);
        return 'taken';
      } catch (error) {
        return error instanceof TemporarilyUnavailable ? 'refused' : error;
      }
    });
    expect(flood.filter((each) => each === 'taken').length).toBeLessThanOrEqual(512);
    expect(flood.at(-1)).toBe('refused');
    expect(await batcher.add('a')).toBe('a done');
  });

  it('fails the faulty item alone, in its lane and of all lanes', async () => {
    const { batcher } = failing(new Map([['b2', new Error('faulty')]]));
    const items = ['a1', 'b1', 'b2', 'b3', 'c1'];
    const results = await Promise.allSettled(items.map((item) => batcher.add(item)));
    expect(results.map((each) => each.status === 'fulfilled' ? each.value : each.reason))
      .toEqual(['a1 done', 'b1 done', expect.objectContaining({ message: 'faulty' }), 'b3 done',
        'c1 done']);
  });

  it('fails an item that a call leaves out', async () => {
    const batcher = new Batcher<string, string>({
      sizeMax: 256, run: async (items) => items.slice(1),
    });
    const results = await Promise.allSettled(['a1', 'a2'].map((item) => batcher.add(item)));
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  });

  it('makes the call of one that is faulty once', async () => {
    const { batcher, calls } = failing(new Map([['b1', new Error('faulty')]]));
    await expect(batcher.add('b1')).rejects.toThrow('faulty');
    expect(calls).toEqual([['b1']]);
  });

  it('tries again what met a lock beside a faulty item', async () => {
    const faults = new Map([['b1', new Error('faulty')], ['b2', lockTimeout()]]);
    const { batcher, calls } = failing(faults);
    const [faulty, locked] = ['b1', 'b2'].map((item) => batcher.add(item));
    await expect(faulty).rejects.toThrow('faulty');
    await expect.poll(() => calls.filter((items) => items.join() === 'b2').length)
      .toBeGreaterThan(1);
    faults.clear();
    expect(await locked).toBe('b2 done');
  });

  it('fails all that went together where the connection was lost', async () => {
    const lost = Object.assign(new Error('gone'), { code: 'ECONNRESET' });
    const { batcher, calls } = failing(new Map([['b1', lost]]));
    const results = await Promise.allSettled(['a1', 'b1'].map((item) => batcher.add(item)));
    expect(results.map((each) => each.status)).toEqual(['rejected', 'rejected']);
    expect(calls).toHaveLength(1);
  });
});
