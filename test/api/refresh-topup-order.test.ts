import { describe, expect, it } from 'vitest';
import { fulfilTopupOrder } from '../../src/domain/fulfil-topup-order.ts';
import type { ClaimedOrder } from '../../src/domain/fulfilment-ports.ts';
import { authorization, rest, type ToldOrder } from '../support/doors.ts';
import { useWorld } from '../support/world.ts';

// Nobody works on orders here: what changes one is the reader's question.
const world = useWorld({ role: 'gateway' });

async function placed(ending: string): Promise<number> {
  const answer = await rest.create(world(), 1, {
    product_id: 4218,
    amount: '4.99',
    input_data: { player_id: `5123456${ending}`, server: 'asia' },
  });
  if ('refused' in answer) throw new Error(answer.message);
  return answer.order.id;
}

async function claimed(orderId: number): Promise<ClaimedOrder> {
  const order = await world().parts.fulfilment.store.claimOrder(1, orderId);
  if (order === null) throw new Error('The order cannot be claimed');
  return order;
}

/** An order that was handed to its supplier once. */
async function submitted(ending: string): Promise<number> {
  const orderId = await placed(ending);
  await fulfilTopupOrder(await claimed(orderId), world().parts.fulfilment);
  return orderId;
}

const read = (orderId: number): Promise<ToldOrder | null> => rest.find(world(), 1, orderId);

interface LogLine {
  readonly kind: string;
  readonly supplierReference: string;
  readonly effective: boolean;
}

async function logOf(orderId: number): Promise<readonly LogLine[]> {
  const response = await fetch(`${world().sandboxUrl}/log`);
  const lines = (await response.text()).split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as LogLine)
    .filter((line) => line.supplierReference === `1-${orderId}-1`);
}

const questions = async (orderId: number): Promise<number> =>
  (await logOf(orderId)).filter((line) => line.kind === 'STATUS').length;

async function lease(orderId: number): Promise<unknown> {
  const rows = await world().database.query(
    `select lease_token, lease_until, next_action_at, backoff_step, attempt_count, fulfilment_state,
      version from topup_order where id = $1`, [orderId]);
  return rows[0];
}

describe('reading an order that is in its supplier\'s hands', () => {
  it('asks the supplier and shows what it says', async () => {
    const orderId = await submitted('007');
    await expect.poll(async () => (await logOf(orderId)).some((line) => line.effective)).toBe(true);
    expect(await read(orderId)).toMatchObject({ status: 'DELIVERED', isCompleted: true });
  });

  it('asks once in two seconds, however many read in however many processes', async () => {
    const orderId = await submitted('022');
    const other = await world().startProcess('gateway');
    const before = await lease(orderId);
    const readAt = async (url: string): Promise<unknown> => {
      const response = await fetch(`${url}/api/v1/topups/orders/${orderId}`, {
        headers: authorization(world(), 1),
      });
      return (await response.json() as { status: string }).status;
    };
    const urls = [world().gateway.url, other?.url ?? ''];
    const round = () => Promise.all(Array.from({ length: 20 }, (_, nth) => readAt(urls[nth % 2]!)));
    expect(new Set(await round())).toEqual(new Set(['PENDING']));
    await expect.poll(() => questions(orderId)).toBe(1);
    await world().database.query(
      "update submission set asked_at = asked_at - interval '2 seconds' where topup_order_id = $1",
      [orderId],
    );
    // A reader waits for the answer for a while only.
    await round();
    await expect.poll(() => questions(orderId)).toBe(2);
    expect(await lease(orderId)).toEqual(before);
  });

  it('leaves a lease to its holder', async () => {
    const orderId = await submitted('022');
    await world().database.query(
      "update topup_order set next_action_at = now() - interval '1 hour' where id = $1", [orderId]);
    const held = await world().parts.fulfilment.store.claimOrders({
      limit: 10, rooms: {},
    });
    expect(held.map((order) => order.orderId)).toContain(orderId);
    const before = await lease(orderId);
    expect(await read(orderId)).toMatchObject({ status: 'PENDING' });
    await expect.poll(() => questions(orderId)).toBe(1);
    expect(await lease(orderId)).toEqual(before);
  });

  it('asks about nothing that was not handed over, that has ended, or that is another\'s',
    async () => {
      const queued = await placed('000');
      const held = await submitted('022');
      const { store } = world().parts;
      expect(await read(queued)).toMatchObject({ status: 'PENDING' });
      expect(await questions(queued)).toBe(0);
      expect(await store.askAboutOrder(2, held)).toBeNull();
      expect(await store.askAboutOrder(1, queued)).toBeNull();
      expect(await store.askAboutOrder(1, held)).toMatchObject({ action: 'QUERY', orderId: held });
    });

  it('asks about nothing that is being sent, or only waits to be sent again', async () => {
    const orderId = await placed('000');
    const { clientId, route, leaseToken } = await claimed(orderId);
    const before = await lease(orderId);
    const { store, fulfilment } = world().parts;
    expect(await store.askAboutOrder(1, orderId)).toBeNull();
    expect(await lease(orderId)).toEqual(before);
    expect(await fulfilment.store.recordMove({
      clientId, orderId, route, leaseToken, move: { kind: 'RETRY', nextInMs: 60_000 },
      callback: null,
    })).toBe('APPLIED');
    expect(await store.askAboutOrder(1, orderId)).toBeNull();
  });
});
