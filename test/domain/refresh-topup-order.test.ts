import { describe, expect, test } from 'vitest';

import { systemClock } from '../../src/clock.ts';
import type { Fulfilment } from '../../src/domain/fulfil-topup-order.ts';
import type { ClaimedOrder, Outcome, RecordedMove } from '../../src/domain/fulfilment-ports.ts';
import type { Clock } from '../../src/domain/ports.ts';
import { createRefreshTopupOrder } from '../../src/domain/refresh-topup-order.ts';
import type { TopupOrder } from '../../src/domain/topup-order.ts';

const CLAIMED = {
  clientId: 1, orderId: 5, route: 1, supplierCode: 'a', callDeadlineMs: 60_000, canBeQueried: true,
  attemptCount: 1, backoffStep: 0, backoffMs: [50],
} as unknown as ClaimedOrder;

/** Order 5 of client 1 in a supplier's hands; `query` is what the supplier says, or how. */
function refreshing(of: {
  readonly query: (signal: AbortSignal) => Promise<Outcome>;
  readonly state?: TopupOrder['fulfilmentState'];
  readonly askAboutOrder?: () => Promise<ClaimedOrder | null>;
  readonly sleep?: Clock['sleep'];
}) {
  const moves: RecordedMove[] = [];
  const errors: unknown[] = [];
  let asked = 0;
  const { state: fulfilmentState = 'AWAITING_SUPPLIER' } = of;
  const order = { id: 5, fulfilmentState };
  const refresh = createRefreshTopupOrder({
    store: {
      findOrder: async () => (
        { ...order, status: moves.length > 0 ? 'DELIVERED' : 'PENDING' } as TopupOrder
      ),
      askAboutOrder: of.askAboutOrder ?? (async () => CLAIMED),
    },
    fulfilment: {
      clock: { ...systemClock, sleep: of.sleep ?? systemClock.sleep },
      random: () => 0.5,
      suppliers: {
        find: () => ({
          query: (_order: ClaimedOrder, signal: AbortSignal) => (asked += 1, of.query(signal)),
        }),
      },
      store: { recordMove: async (move: RecordedMove) => (moves.push(move), 'APPLIED') },
    } as unknown as Fulfilment,
    onError: (error) => errors.push(error),
  });
  return { read: () => refresh(1, 5), moves, errors, asked: () => asked };
}

describe('reading an order under way', () => {
  test('records final news without a lease, and shows it', async () => {
    const { read, moves } = refreshing({
      query: async () => ({ kind: 'DELIVERED', receipt: null }),
    });
    expect(await read()).toMatchObject({ status: 'DELIVERED' });
    expect(moves).toEqual([{
      clientId: 1, orderId: 5, route: 1, leaseToken: null, callback: null,
      move: { kind: 'DELIVER', receipt: null },
    }]);
  });

  test('notes that it was accepted', async () => {
    const { read, moves } = refreshing({ query: async () => ({ kind: 'ACCEPTED' }) });
    await read();
    expect(moves.map(({ leaseToken, move }) => [leaseToken, move.kind]))
      .toEqual([[null, 'NOTE_ACCEPTED']]);
  });

  test.each<Outcome>([
    { kind: 'NOT_FOUND' },
    { kind: 'UNKNOWN', reason: 'lost' },
    { kind: 'TRANSIENT', reason: 'busy', retryAfterMs: null },
  ])('changes nothing where the supplier says $kind', async (outcome) => {
    const { read, moves } = refreshing({ query: async () => outcome });
    expect(await read()).toMatchObject({ status: 'PENDING' });
    expect(moves).toEqual([]);
  });

  test('waits a second for a supplier that hangs, and asks it once for all readers', async () => {
    const waits: number[] = [];
    const { read, asked } = refreshing({
      query: () => new Promise(() => {}),
      sleep: async (ms) => void waits.push(ms),
    });
    const orders = await Promise.all([read(), read(), read()]);
    expect(orders.map((order) => order?.status)).toEqual(['PENDING', 'PENDING', 'PENDING']);
    expect(waits).toEqual([1000, 1000, 1000]);
    expect(asked()).toBe(1);
  });

  test('gives the question up when the supplier had its time', async () => {
    let reason: unknown = null;
    const { read, moves } = refreshing({
      askAboutOrder: async () => ({ ...CLAIMED, callDeadlineMs: 20 }),
      query: (signal) => new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          reason = signal.reason;
          reject(new Error('given up'));
        });
      }),
    });
    expect(await read()).toMatchObject({ status: 'PENDING' });
    expect([reason, moves]).toEqual(['deadline passed', []]);
  });

  test('shows what is known where the question fails', async () => {
    const { read, errors } = refreshing({ query: () => Promise.reject(new Error('broken')) });
    expect(await read()).toMatchObject({ status: 'PENDING' });
    expect(errors).toEqual([new Error('broken')]);
  });

  test.each(['QUEUED', 'SUBMITTING', 'RETRY_WAIT', null] as const)(
    'asks nobody about an order that is %s', async (state) => {
      const { read, asked } = refreshing({
        state, query: async () => ({ kind: 'DELIVERED', receipt: null }),
      });
      await read();
      expect(asked()).toBe(0);
    },
  );
});
