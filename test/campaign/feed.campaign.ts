import type { ChildProcess } from 'node:child_process';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useTestDatabase } from '../support/database.ts';
import {
  floodInbox, follow, killProcess, loggedFeed, openTestFeed, placeOrders, startSequencerProcess,
  withoutTime, writeEvents,
} from '../support/feed-writers.ts';

/** What the feed of events bears; figures go to the log, the promises are asserted. */

const EVENT_COUNT = Number(process.env['EVENT_COUNT'] ?? 30_000);
const FLOOD_COUNT = Number(process.env['FLOOD_COUNT'] ?? 100_000);
const KILL_EVERY_MS = 1_500;

const report = (figures: Readonly<Record<string, string | number>>): void => {
  process.stdout.write(`${JSON.stringify(figures)}\n`);
};

const percentile = (values: readonly number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) * share)] ?? 0;

describe('a feed under 16 writers', () => {
  const database = useTestDatabase();
  const children: ChildProcess[] = [];
  afterAll(async () => {
    await Promise.all(children.splice(0).map(killProcess));
  });

  it('misses and doubles nothing, though its sequencer is killed again and again', async () => {
    const orderIds = await placeOrders(database(), 1, 200);
    children.push(await startSequencerProcess(database()), await startSequencerProcess(database()));
    const { feed, close } = openTestFeed(database());
    const through = 200 + EVENT_COUNT;
    const watching = Array.from({ length: 12 }, (_, index) => follow(feed, {
      clientId: 1, through: () => through, cutShare: [0, 0.001, 0.01][index % 3] ?? 0,
    }));
    const killedAt: number[] = [];
    let isWriting = true;
    const killing = (async () => {
      while (isWriting) {
        await sleep(KILL_EVERY_MS);
        const victim = children.shift();
        killedAt.push(Date.now());
        if (victim !== undefined) await killProcess(victim);
        children.push(await startSequencerProcess(database()));
      }
    })();
    const startedMs = performance.now();
    await writeEvents(database(), {
      clientId: 1, orderIds, writerCount: 16, eventCount: EVENT_COUNT,
    });
    const writtenMs = performance.now() - startedMs;
    isWriting = false;
    const seen = await Promise.all(watching);
    await killing;
    const logged = await loggedFeed(database(), 1);
    expect(logged).toHaveLength(through);
    for (const each of seen) expect(withoutTime(each)).toEqual(logged);
    const [gap] = await database().query<{ ms: string }>(
      `select max(extract(epoch from entered_at - before) * 1000)::int as ms
        from (select entered_at, lag(entered_at) over (order by sequence) as before
          from feed_entry where client_id = 1) g`,
    );
    report({
      events: EVENT_COUNT,
      eventsPerSecond: Math.round(EVENT_COUNT / writtenMs * 1000),
      kills: killedAt.length,
      longestPauseOfNumberingMs: Number(gap?.ms),
    });
    expect(Number(gap?.ms)).toBeLessThan(1000);
    expect(feed.watchCount()).toBe(0);
    await close();
  });
});

describe('the inbox', () => {
  const database = useTestDatabase();
  let sequencer: pg.Client;
  beforeAll(async () => {
    sequencer = new pg.Client(database().databaseUrl);
    await sequencer.connect();
  });
  afterAll(() => sequencer.end());

  const step = async (): Promise<{ readonly moved: number; readonly ms: number }> => {
    const startedMs = performance.now();
    const { rows: [row] } = await sequencer.query<{ moved: number }>({
      name: 'step', text: 'select number_events(1000) as moved',
    });
    return { moved: row?.moved ?? 0, ms: performance.now() - startedMs };
  };

  it.each([
    ['nobody looks back', false],
    ['an old transaction keeps every dead row', true],
  ])('is emptied at an even pace while %s', async (name, old) => {
    const [orderId = 0] = await placeOrders(database(), 1, 1);
    const holder = new pg.Client(database().ownerDatabaseUrl);
    await holder.connect();
    if (old) await holder.query('begin isolation level repeatable read; select 1');
    await floodInbox(database(), { clientId: 1, orderId, count: FLOOD_COUNT });
    const steps: number[] = [];
    for (let one = await step(); one.moved > 0; one = await step()) steps.push(one.ms);
    const idle: number[] = [];
    for (let count = 0; count < 50; count += 1) idle.push((await step()).ms);
    report({
      inbox: name,
      events: FLOOD_COUNT,
      eventsPerSecond: Math.round(FLOOD_COUNT / steps.reduce((sum, ms) => sum + ms, 0) * 1000),
      firstStepsMs: Math.round(percentile(steps.slice(0, 10), 0.5)),
      lastStepsMs: Math.round(percentile(steps.slice(-10), 0.5)),
      idleStepMs: Number(percentile(idle, 0.5).toFixed(2)),
    });
    const [first, last] = [steps.slice(0, 10), steps.slice(-10)];
    expect(percentile(last, 0.5)).toBeLessThan(10 * percentile(first, 0.5));
    await holder.end();
    await database().query('vacuum feed_inbox');
  });
});
