import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { removeFeedPositions } from '../../src/db/feed-numbers.ts';
import { createPool } from '../../src/db/pool.ts';
import { startFeedRetention } from '../../src/worker/feed-retention.ts';
import type { Loop } from '../../src/worker/loop.ts';
import { rest } from '../support/doors.ts';
import { useSubscriptions, type Following } from '../support/subscriptions.ts';
import { useWorld } from '../support/world.ts';

const world = useWorld({ role: 'gateway' });
const { follow } = useSubscriptions();

interface Edge {
  readonly cursor: string;
  readonly node: { readonly sequence: number; readonly version: number } | null;
}

const watch = (after: string | null = null): Following<Edge> => follow<Edge>({
  url: world().gateway.url,
  token: world().token(1),
  query: `subscription ($after: String) {
    topupOrderEvents(after: $after) { cursor node { sequence version } } }`,
  variables: { after },
});

const detail = async ({ ended }: Following<Edge>): Promise<unknown> =>
  (await ended as { extensions: { detail: string } }[])[0]?.extensions.detail;

async function create(): Promise<number> {
  const answer = await rest.create(world(), 1, {
    product_id: 4218,
    amount: '0.99',
    input_data: { player_id: '5123456789', server: 'asia' },
  });
  if ('refused' in answer) throw new Error(answer.message);
  return answer.order.id;
}

const position = async (): Promise<{ readonly last: number; readonly removed: number }> => {
  const [row] = await world().database.query<{ last: string; removed: string }>(
    `select last_sequence as last, removed_through as removed from feed_position
      where client_id = 1`,
  );
  return { last: Number(row?.last ?? 0), removed: Number(row?.removed ?? 0) };
};

const untilQuiet = (): Promise<void> =>
  expect.poll(() => world().database.query('select 1 from feed_inbox limit 1')).toEqual([]);

/** Moves everything up to a sequence, or all, into the time before last month. */
async function age(through: number | null = null): Promise<void> {
  await world().database.query(
    `update feed_entry set entered_at = entered_at - interval '30 days 1 minute'
      where client_id = 1 and sequence <= coalesce($1, sequence)
        and entered_at > now() - interval '1 day'`, [through],
  );
  await world().database.query(
    `update feed_position p set kept_since = (select min(entered_at) from feed_entry f
      where f.client_id = p.client_id) where client_id = 1`,
  );
}

const step = (limit: number): Promise<number> => world().parts.removeFeedPositions(limit);

let retention: Loop | null = null;
afterEach(async () => {
  await retention?.stop();
  retention = null;
});

function startRetention(faults: unknown[]): void {
  retention = startFeedRetention({
    removeFeedPositions: step,
    clock: systemClock,
    onError: (error) => faults.push(error),
  });
}

describe('the feed', () => {
  let orderId = 0;
  const cursors: string[] = [];

  beforeAll(async () => {
    const before = watch();
    cursors.push((await before.until(1))[0]?.cursor ?? '');
    for (let count = 0; count < 12; count += 1) orderId = await create();
    const edges = await before.until(13);
    cursors.push(...edges.slice(1).map(({ cursor }) => cursor));
  });

  it('keeps what is younger than it is kept', async () => {
    expect(await step(100)).toBe(0);
    expect(await position()).toEqual({ last: 12, removed: 0 });
  });

  it('loses what is older, in steps, and each event keeps its number', async () => {
    await age(7);
    expect([await step(3), await step(3), await step(3), await step(3)]).toEqual([3, 3, 1, 0]);
    expect(await position()).toEqual({ last: 12, removed: 7 });
    const noted = await world().database.query(
      'select sequence from topup_order_event where sequence is not null order by sequence',
    );
    expect(noted.map(({ sequence }) => Number(sequence))).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  it('refuses a cursor from before with CURSOR_EXPIRED, and goes on behind others', async () => {
    for (const [sequence, cursor] of cursors.entries()) {
      const again = watch(cursor);
      if (sequence < 7) {
        expect(await detail(again), `cursor ${sequence}`).toBe('CURSOR_EXPIRED');
        continue;
      }
      if (sequence < 12) await again.until(12 - sequence);
      expect(again.edges.map(({ node }) => node?.sequence))
        .toEqual([8, 9, 10, 11, 12].slice(sequence - 7));
    }
  });

  it('goes on where all of it was removed, and the last cursor is good as ever', async () => {
    const live = watch();
    await live.until(1);
    await age();
    expect(await step(100)).toBe(5);
    expect(await position()).toEqual({ last: 12, removed: 12 });
    expect(await step(100)).toBe(0);
    // Nothing stands behind it that could show what is missing.
    expect(await detail(watch(cursors[11]))).toBe('CURSOR_EXPIRED');
    const again = watch(cursors[12]);
    await create();
    for (const each of [live, again]) {
      const found = await each.untilEdge(({ node }) => node !== null);
      expect(found.node).toEqual({ sequence: 13, version: 1 });
    }
    expect(await detail(watch(cursors[11]))).toBe('CURSOR_EXPIRED');
  });

  it("loses none of an order's own events", async () => {
    const updates = follow<Edge>({
      url: world().gateway.url,
      token: world().token(1),
      query: `subscription ($id: SafeInt!) {
        topupOrderUpdated(by: { orderId: $id }) { cursor node { sequence version } } }`,
      variables: { id: orderId },
    });
    await updates.until(1);
    const page = { orderId, afterVersion: 0, throughVersion: 1, first: 10 };
    const [found] = await world().parts.store.findEventPages(1, [page]);
    expect(found?.events.map(({ sequence, version }) => [sequence, version])).toEqual([[12, 1]]);
  });

  it('is removed while it is written and read, and disturbs neither', async () => {
    const faults: unknown[] = [];
    await world().database.query(
      `with placed as (
        insert into topup_order_event (client_id, topup_order_id, version, type, previous_status,
            status)
          select 1, $1, v, 'RETRY_SCHEDULED', 'PENDING', 'PENDING' from generate_series(2, 4001) v
          returning client_id, topup_order_id, version
      ), bumped as (update topup_order set version = 4001 where client_id = 1 and id = $1)
      insert into feed_inbox (client_id, topup_order_id, version)
        select * from placed order by version`, [orderId],
    );
    await untilQuiet();
    await age();
    const { last } = await position();
    const live = watch();
    await live.until(1);
    startRetention(faults);
    let placed = 0;
    let slowestMs = 0;
    while ((await position()).removed < last) {
      const startedMs = performance.now();
      await create();
      placed += 1;
      await live.until(1 + placed);
      slowestMs = Math.max(slowestMs, performance.now() - startedMs);
    }
    expect(faults).toEqual([]);
    expect(placed).toBeGreaterThan(1);
    // From the request to the event at the subscriber, with a step of the removal in between.
    expect(slowestMs).toBeLessThan(2000);
    expect(live.edges.slice(1).map(({ node }) => node?.sequence))
      .toEqual(Array.from({ length: placed }, (_, index) => last + index + 1));
  });

  it('is kept for as long as the setting says', async () => {
    const pool = createPool({
      databaseUrl: world().database.databaseUrl,
      size: 1,
      applicationName: 'test',
      onError: () => undefined,
    });
    await untilQuiet();
    await age();
    expect(await removeFeedPositions(pool, 31, 100)).toBe(0);
    expect(await removeFeedPositions(pool, 30, 1)).toBe(1);
    await pool.end();
  });
});
