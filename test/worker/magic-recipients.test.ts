import { describe, expect, it } from 'vitest';
import {
  doors,
  rest,
  untilTerminal,
  type CreateRequest,
  type ToldOrder,
} from '../support/doors.ts';
import { useWorld } from '../support/world.ts';

const world = useWorld();

interface LogLine {
  readonly kind: 'SUBMIT' | 'STATUS' | 'CALLBACK';
  readonly supplierReference: string;
  readonly outcome: string;
  readonly effective: boolean;
}

async function supplierLog(orderId: number): Promise<readonly LogLine[]> {
  const response = await fetch(`${world().sandboxUrl}/log`);
  const lines = (await response.text()).split('\n').filter((line) => line !== '');
  return lines
    .map((line) => JSON.parse(line) as LogLine)
    .filter((line) => line.supplierReference.startsWith(`1-${orderId}-`));
}

async function create(request: CreateRequest): Promise<ToldOrder> {
  const answer = await rest.create(world(), 1, request);
  if ('refused' in answer) throw new Error(answer.message);
  return answer.order;
}

const game = (ending: string): CreateRequest => ({
  product_id: 4218,
  amount: '4.99',
  input_data: { player_id: `5123456${ending}`, server: 'asia' },
});

const end = (order: ToldOrder): Promise<ToldOrder> =>
  untilTerminal(rest, world(), { clientId: 1, orderId: order.id });

async function eventually(check: () => Promise<void>): Promise<void> {
  const deadline = performance.now() + 10_000;
  for (;;) {
    try {
      await check();
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
}

const DELIVERED = [
  '000',
  '001',
  '005',
  '007',
  '020',
  '021',
  '023',
  '024',
  '026',
  '100',
  '099',
  '777',
];
const FAILED: readonly [ending: string, code: string, isUserFixable: boolean][] = [
  ['002', 'INVALID_RECIPIENT', true],
  ['003', 'RECIPIENT_BARRED', false],
  ['004', 'OPERATOR_UNAVAILABLE', false],
  ['006', 'UNKNOWN', false],
  ['008', 'RECIPIENT_INELIGIBLE', true],
  ['009', 'RECIPIENT_LIMIT_EXCEEDED', false],
  ['010', 'OPERATOR_LIMIT_EXCEEDED', false],
  ['011', 'CLIENT_LIMIT_EXCEEDED', false],
  ['012', 'PRODUCT_UNAVAILABLE', true],
  ['013', 'PRODUCT_OUT_OF_STOCK', true],
  ['014', 'AMOUNT_OUT_OF_RANGE', true],
  ['102', 'INVALID_RECIPIENT', true],
];

describe.concurrent('a recipient ending in', () => {
  it.each(DELIVERED)('%s is delivered, exactly once', async (ending) => {
    const order = await end(await create(game(ending)));
    expect(order).toMatchObject({ status: 'DELIVERED', refundAmount: null });
    const effects = (await supplierLog(order.id)).filter((line) => line.effective);
    expect(effects).toHaveLength(1);
  });

  it.each(FAILED)('%s fails as %s and is refunded', async (ending, failureCode, isUserFixable) => {
    const order = await end(await create(game(ending)));
    expect(order).toMatchObject({
      status: 'FAILED',
      failureCode,
      isUserFixable,
      refundAmount: '4.7405',
    });
    expect((await supplierLog(order.id)).filter((line) => line.effective)).toHaveLength(0);
  });

  it('22 stays PENDING until it is released', async () => {
    const order = await create(game('022'));
    await eventually(async () => expect(await supplierLog(order.id)).not.toHaveLength(0));
    expect(await rest.find(world(), 1, order.id)).toMatchObject({ status: 'PENDING' });
    const url = `${world().sandboxUrl}/release/1-${order.id}-1`;
    expect((await fetch(url, { method: 'POST' })).status).toBeLessThan(300);
    expect(await end(order)).toMatchObject({ status: 'DELIVERED' });
  });

  it('25 fails, and the late success becomes a case without money', async () => {
    const order = await end(await create(game('025')));
    expect(order).toMatchObject({ status: 'FAILED', failureCode: 'UNKNOWN' });
    await eventually(async () => {
      const cases = await world().database.query(
        'select kind from reconciliation_case where topup_order_id = $1',
        [order.id],
      );
      expect(cases).toEqual([{ kind: 'LATE_SUCCESS' }]);
    });
    for (const door of doors) {
      expect(await door.find(world(), 1, order.id)).toMatchObject({
        status: 'FAILED',
        refundAmount: '4.7405',
      });
    }
    expect((await supplierLog(order.id)).filter((line) => line.effective)).toHaveLength(1);
  });

  it('27 is delivered and reversed: credited once, still DELIVERED', async () => {
    const order = await end(await create(game('027')));
    expect(order.status).toBe('DELIVERED');
    await eventually(async () => {
      const credits = await world().database.query(
        "select amount from transfer where topup_order_id = $1 and reason = 'REVERSAL'",
        [order.id],
      );
      expect(credits).toEqual([{ amount: '4.7405' }]);
    });
    expect(await rest.find(world(), 1, order.id)).toMatchObject({ status: 'DELIVERED' });
  });

  it.each(['012', '013'])('%s on 660 UC is delivered by the second supplier', async (ending) => {
    const order = await end(await create({ ...game(ending), amount: '9.99' }));
    expect(order).toMatchObject({ status: 'DELIVERED', variantName: '660 UC' });
    const effects = (await supplierLog(order.id)).filter((line) => line.effective);
    expect(effects.map((line) => line.supplierReference)).toEqual([`1-${order.id}-2`]);
  });

  it('12 shows in the answer of a product that is fulfilled in the request', async () => {
    expect(
      await create({
        product_id: 4219,
        amount: '1.99',
        input_data: { player_id: '51234512', zone_id: '1234' },
      }),
    ).toMatchObject({ status: 'FAILED', failureCode: 'PRODUCT_UNAVAILABLE' });
  });
});
