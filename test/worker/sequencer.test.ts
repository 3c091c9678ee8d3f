import type { ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useTestDatabase } from '../support/database.ts';
import {
  follow, killProcess, loggedFeed, openTestFeed, placeOrders, startSequencerProcess, withoutTime,
  writeEvents,
} from '../support/feed-writers.ts';

const database = useTestDatabase();
const children: ChildProcess[] = [];
let orderIds: readonly number[];

beforeAll(async () => {
  orderIds = await placeOrders(database(), 1, 40);
  children.push(await startSequencerProcess(database()), await startSequencerProcess(database()));
});

afterAll(async () => {
  await Promise.all(children.splice(0).map(killProcess));
});

const countEvents = async (): Promise<number> => {
  const [row] = await database().query<{ count: string }>(
    'select count(*) from topup_order_event where client_id = 1',
  );
  return Number(row?.count);
};

const write = (eventCount: number): Promise<void> =>
  writeEvents(database(), { clientId: 1, orderIds, writerCount: 16, eventCount });

describe('the sequencer', () => {
  it('misses and doubles nothing while it is killed, under 16 writers', async () => {
    const { feed, close } = openTestFeed(database());
    const through = 40 + 1500;
    const watching = [
      follow(feed, { clientId: 1, through: () => through }),
      follow(feed, { clientId: 1, through: () => through, cutShare: 0.02 }),
      // Too slow for its buffer: it goes back to the log again and again.
      follow(feed, { clientId: 1, through: () => through, pauseMs: 1 }),
    ];
    let isWriting = true;
    const writing = write(1500).finally(() => { isWriting = false; });
    let kills = 0;
    while (isWriting) {
      await sleep(100);
      const victim = children.shift();
      if (victim !== undefined) await killProcess(victim);
      kills += 1;
      children.push(await startSequencerProcess(database()));
    }
    await writing;
    const seen = await Promise.all(watching);
    const logged = await loggedFeed(database(), 1);
    expect(kills).toBeGreaterThan(0);
    expect(logged).toHaveLength(through);
    for (const each of seen) expect(withoutTime(each)).toEqual(logged);
    expect(feed.watchCount()).toBe(0);
    await close();
  });

  it('is followed by another when it dies or stands still', async () => {
    const [stopped] = children;
    stopped?.kill('SIGSTOP');
    const startedMs = performance.now();
    await write(16);
    const through = await countEvents();
    await expect.poll(async () => (await loggedFeed(database(), 1)).length, { interval: 20 })
      .toBe(through);
    expect(performance.now() - startedMs).toBeLessThan(5000);
    stopped?.kill('SIGCONT');
  });
});

describe('a subscriber', () => {
  it('is told within a second where no notification reaches its process', async () => {
    const { feed, close } = openTestFeed(database(), { isDeaf: true });
    const start = await countEvents();
    const events = feed.watchClient(1, start);
    const first = events.next();
    await expect.poll(() => feed.watchCount()).toBe(1);
    for (let count = 0; count < 3; count += 1) {
      await write(1);
      const committedMs = performance.now();
      expect((await (count === 0 ? first : events.next())).value?.sequence)
        .toBe(start + count + 1);
      expect(performance.now() - committedMs).toBeLessThan(5000);
    }
    await close();
  });

  it('loses nothing while the database is away, and needs not come back by hand', async () => {
    const { feed, close } = openTestFeed(database());
    const start = await countEvents();
    const through = start + 300;
    const watching = [
      follow(feed, { clientId: 1, through: () => through }),
      follow(feed, { clientId: 1, through: () => through, cutShare: 0.05 }),
    ];
    await expect.poll(() => feed.watchCount()).toBe(2);
    await write(150);
    const superuser = new pg.Client(database().superuserUrl.replace(/[^/]*$/, 'postgres'));
    await superuser.connect();
    const name = new URL(database().databaseUrl).pathname.slice(1);
    await superuser.query(`alter database ${name} allow_connections false`);
    // Only the gateway's connections: the writers are not what is tried here.
    await superuser.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
        where datname = $1 and usename = 'topup_app'`, [name],
    );
    await sleep(800);
    await superuser.query(`alter database ${name} allow_connections true`);
    await superuser.end();
    await write(150);
    for (const seen of await Promise.all(watching)) {
      expect(withoutTime(seen)).toEqual((await loggedFeed(database(), 1)).slice(0, through));
    }
    await close();
  });
});
