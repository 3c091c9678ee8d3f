import { describe, expect, it } from 'vitest';
import type { Clock } from '../../src/domain/ports.ts';
import { EventStream } from '../../src/rest/event-stream.ts';
import { OpenStreams } from '../../src/rest/open-streams.ts';

/** A clock whose sleepers wake when they are told to. */
class StillClock implements Clock {
  readonly #sleepers: { readonly ms: number; readonly wake: () => void }[] = [];

  now(): Date {
    return new Date(0);
  }

  monotonicMs(): number {
    return 0;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.#sleepers.push({ ms, wake: resolve });
      signal?.addEventListener('abort', () => resolve());
    });
  }

  async wake(ms: number): Promise<void> {
    for (const sleeper of this.#sleepers.splice(0)) {
      if (sleeper.ms === ms) sleeper.wake();
      else this.#sleepers.push(sleeper);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** A feed on which nothing happens until somebody lets go of it. */
function quietFeed(): AsyncIterableIterator<string> & { readonly freed: Promise<void> } {
  const { promise: freed, resolve } = Promise.withResolvers<void>();
  const end = (): Promise<IteratorResult<string>> => Promise.resolve({ done: true, value: '' });
  return {
    freed,
    next: () => freed.then(end),
    return: () => {
      resolve();
      return end();
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

describe('a stream on which nothing happens', () => {
  it('is written a comment every 12 seconds, and ends with its token', async () => {
    const clock = new StillClock();
    const streams = new OpenStreams({
      clock, streamsPerClient: 1, isStillAdmitted: () => true, onAccessChange: () => () => {},
    });
    const feed = quietFeed();
    const stream = new EventStream(feed, { textOf: (text: string) => text, faultOf: String });
    let text = '';
    stream.setEncoding('utf8').on('data', (chunk: string) => { text += chunk; });
    const caller = { clientId: 1, tokenId: 'T', expiresAtMs: 60_000 } as never;
    await streams.open(caller, async () => stream);
    await clock.wake(0);
    expect(text).toBe('retry: 1000\n\n');

    await clock.wake(12_000);
    await clock.wake(12_000);
    expect(text).toBe('retry: 1000\n\n:\n\n:\n\n');

    // The machine slept meanwhile: its clock went on, and no timer did.
    clock.now = () => new Date(60_000);
    const ended = new Promise((resolve) => stream.once('end', resolve));
    await clock.wake(30_000);
    await ended;
    await feed.freed;
    const renewed = { clientId: 1, tokenId: 'U', expiresAtMs: 120_000 } as never;
    const next = new EventStream(quietFeed(), { textOf: String, faultOf: String });
    expect(await streams.open(renewed, async () => next)).toBe(next);
    next.destroy();
  });
});

it('a stream that is begun while all are being ended is ended too', async () => {
  const clock = new StillClock();
  const streams = new OpenStreams({
    clock, streamsPerClient: 1, isStillAdmitted: () => true, onAccessChange: () => () => {},
  });
  const stream = new EventStream(quietFeed(), { textOf: String, faultOf: String });
  const caller = { clientId: 1, tokenId: 'T', expiresAtMs: 60_000 } as never;
  const begun = Promise.withResolvers<typeof stream>();
  const opening = streams.open(caller, () => begun.promise);
  await streams.finishAll();
  begun.resolve(stream);
  const ended = new Promise((resolve) => stream.resume().once('end', resolve));
  await opening;
  await ended;
});

it('a stream that is broken off lets go of its feed', async () => {
  const feed = quietFeed();
  const stream = new EventStream(feed, { textOf: String, faultOf: String });
  stream.resume();
  stream.destroy();
  await feed.freed;
});

it('a stream whose reader takes nothing is broken off a second after its end', async () => {
  const clock = new StillClock();
  const streams = new OpenStreams({
    clock, streamsPerClient: 1, isStillAdmitted: () => true, onAccessChange: () => () => {},
  });
  const feed = quietFeed();
  const stream = new EventStream(feed, { textOf: String, faultOf: String });
  const caller = { clientId: 1, tokenId: 'T', expiresAtMs: 60_000 } as never;
  await streams.open(caller, async () => stream);
  const finished = streams.finishAll();
  await feed.freed;
  expect(stream.destroyed).toBe(false);
  await clock.wake(1_000);
  await finished;
  expect(stream.destroyed).toBe(true);
});

it('nobody is told of changes of access once all streams are ended', async () => {
  const listeners = new Set<() => void>();
  const streams = new OpenStreams({
    clock: new StillClock(), streamsPerClient: 1, isStillAdmitted: () => true,
    onAccessChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  });
  const stream = new EventStream(quietFeed(), { textOf: String, faultOf: String });
  const caller = { clientId: 1, tokenId: 'T', expiresAtMs: 60_000 } as never;
  await streams.open(caller, async () => stream);
  expect(listeners.size).toBe(1);
  stream.resume();
  await streams.finishAll();
  expect(listeners.size).toBe(0);
});

it.each([
  ['an event', async () => ({ done: false, value: 'late' })],
  ['a fault', () => Promise.reject(new Error('late'))],
])('a stream that has ended is told nothing more, be it %s or a comment', async (_what, late) => {
  const begun = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const feed = Object.assign(quietFeed(), {
    async next() {
      begun.resolve();
      await go.promise;
      return late();
    },
  });
  const stream = new EventStream(feed, { textOf: String, faultOf: String });
  const faults: Error[] = [];
  stream.setEncoding('utf8').on('error', (fault) => faults.push(fault));
  expect(stream.read()).toBe('retry: 1000\n\n');
  await begun.promise;
  stream.finish();
  stream.beat();
  go.resolve();
  await new Promise((resolve) => setImmediate(resolve));
  expect([stream.read(), faults]).toEqual([null, []]);
});
