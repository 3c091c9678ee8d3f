import { describe, expect, it } from 'vitest';
import {
  authorization, graphqlRequest, JSON_TYPE, rest, untilTerminal,
} from '../support/doors.ts';
import { caughtMails, useWorld } from '../support/world.ts';

const world = useWorld();

async function create(ending: string): Promise<number> {
  const answer = await rest.create(world(), 1, {
    product_id: 4218, amount: '4.99', input_data: { player_id: `5123456${ending}`, server: 'asia' },
  });
  if ('refused' in answer) throw new Error(answer.message);
  return answer.order.id;
}

/** Held by the supplier until the test is over. */
const createPending = (): Promise<number> => create('022');

async function createEnded(ending: string): Promise<number> {
  const orderId = await create(ending);
  await untilTerminal(rest, world(), { clientId: 1, orderId });
  return orderId;
}

/** What is sent as `email`; `undefined` leaves the key out. */
type Told = { readonly email: string | null; readonly id: number } | { readonly refused: string };
type SetEmail = (clientId: number, orderId: number, email: unknown) => Promise<Told>;

const byRest: SetEmail = async (clientId, orderId, email) => {
  const url = `${world().gateway.url}/api/v1/topups/orders/${orderId}`;
  const headers = { ...JSON_TYPE, ...authorization(world(), clientId) };
  const response = await fetch(`${url}/notification-email`, {
    method: 'PATCH', headers, body: JSON.stringify({ email }),
  });
  const body = await response.json() as Record<string, unknown>;
  if (response.status !== 200) {
    const { code } = body['error'] as { code: string };
    return { refused: `${response.status} ${code}` };
  }
  // The answer is the order as it is read; a PENDING one may have moved on meanwhile.
  const read = await (await fetch(url, { headers })).json();
  if (body['status'] !== 'PENDING') expect(read).toEqual(body);
  if ('notification_email' in body) expect(Object.keys(body).at(-1)).toBe('notification_email');
  return { id: body['id'] as number, email: (body['notification_email'] ?? null) as string | null };
};

const byGraphql: SetEmail = async (clientId, orderId, email) => {
  const answer = await graphqlRequest(world(), clientId, {
    query: `mutation ($input: SetTopupOrderNotificationEmailInput!) {
      setTopupOrderNotificationEmail(input: $input) {
        order { orderId notificationEmail } userErrors { code field } } }`,
    variables: { input: { by: { orderId }, email } },
  });
  if (answer.errors !== undefined) return { refused: '400 VALIDATION_FAILURE' };
  const { order, userErrors } = answer.data?.['setTopupOrderNotificationEmail'] as {
    order: { orderId: number; notificationEmail: string | null } | null;
    userErrors: readonly { code: string; field: string[] }[];
  };
  if (order !== null) return { id: order.orderId, email: order.notificationEmail };
  const [error] = userErrors;
  const isUnknown = error?.code === 'ORDER_NOT_FOUND';
  expect(error?.field).toEqual([isUnknown ? 'by' : 'email']);
  return { refused: isUnknown ? '404 NOT_FOUND' : `400 ${error?.code}` };
};

let addressCount = 0;
const newAddress = (): string => `client-${addressCount += 1}@example.com`;

const until = <Value>(read: () => Promise<Value>): ReturnType<typeof expect.poll> =>
  expect.poll(read, { timeout: 30_000, interval: 25 });

it('ten addresses are told how an order ended, however many are named at once', async () => {
  const id = await createEnded('000');
  const addresses = Array.from({ length: 14 }, newAddress);
  const told = await Promise.all(addresses.map((address) => byGraphql(1, id, address)));
  expect(told.filter((each) => 'id' in each)).toHaveLength(10);
  const refused = { refused: '400 VALIDATION_FAILURE' };
  expect(told.filter((each) => !('id' in each))).toEqual([refused, refused, refused, refused]);
  const owed = await world().database.query<{ address: string }>(
    'select address from email_outbox where topup_order_id = $1', [id]);
  expect(owed).toHaveLength(10);
  // Whoever was told may be named again.
  const [known] = owed;
  for (const setEmail of [byRest, byGraphql]) {
    expect(await setEmail(1, id, newAddress())).toEqual(refused);
    expect(await setEmail(1, id, known?.address)).toEqual({ id, email: known?.address });
    expect(await setEmail(1, id, null)).toEqual({ id, email: null });
  }
});

describe.each([['REST', byRest], ['GraphQL', byGraphql]] as const)('%s', (_name, setEmail) => {
  it('sets, replaces and clears the address of a PENDING order, which sends nothing', async () => {
    const id = await createPending();
    const [first, second] = [newAddress(), newAddress()];
    expect(await setEmail(1, id, first)).toEqual({ id, email: first });
    expect(await setEmail(1, id, second)).toEqual({ id, email: second });
    expect(await setEmail(1, id, null)).toEqual({ id, email: null });
    const owed = await world().database.query(
      'select from email_outbox where topup_order_id = $1', [id]);
    expect(owed).toEqual([]);
  });

  it('sends the mail when the order ends', async () => {
    const id = await createPending();
    const address = newAddress();
    await setEmail(1, id, newAddress());
    await setEmail(1, id, address);
    await expect.poll(() => fetch(`${world().sandboxUrl}/release/1-${id}-1`, { method: 'POST' })
      .then(({ status }) => status), { timeout: 10_000 }).toBeLessThan(300);
    await until(() => caughtMails(world(), address)).toMatchObject([{
      to: address,
      subject: 'Top-up delivered: PUBG Mobile UC, 325 UC',
      text: expect.stringContaining('325 UC'),
      messageId: expect.stringMatching(new RegExp(`^<1\\.${id}\\.DELIVERED\\.`)),
    }]);
  });

  it.each([['000', 'Top-up delivered'], ['002', 'Top-up not delivered']])(
    'sends the mail of an order ending in %s that has ended, once per address',
    async (ending, headline) => {
      const id = await createEnded(ending);
      const [first, second] = [newAddress(), newAddress()];
      expect(await setEmail(1, id, first)).toEqual({ id, email: first });
      expect(await setEmail(1, id, first)).toEqual({ id, email: first });
      expect(await setEmail(1, id, second)).toEqual({ id, email: second });
      for (const address of [first, second]) {
        await until(() => caughtMails(world(), address)).toMatchObject([
          { subject: `${headline}: PUBG Mobile UC, 325 UC` },
        ]);
      }
      const owed = await world().database.query(
        'select from email_outbox where topup_order_id = $1', [id]);
      expect(owed).toHaveLength(2);
    },
  );

  it('refuses what is no address, and a body that does not say one', async () => {
    const id = await createPending();
    const address = newAddress();
    await setEmail(1, id, address);
    const wrong = [
      undefined, '', 'nobody', 'a@b', 1, true, [address], { address }, `${'l'.repeat(250)}@b.org`,
      'a@example.com\r\nBcc: b@example.com', 'a@example.com, b@example.com', 'A <a@example.com>',
    ];
    for (const email of wrong) {
      expect([email, await setEmail(1, id, email)])
        .toEqual([email, { refused: '400 VALIDATION_FAILURE' }]);
    }
    expect(await setEmail(1, id, null)).toEqual({ id, email: null });
  });

  it('takes an address whose domain is written otherwise for the same', async () => {
    const id = await createEnded('000');
    const address = newAddress();
    const shouted = address.replace('example.com', 'EXAMPLE.Com');
    expect(await setEmail(1, id, shouted)).toEqual({ id, email: address });
    expect(await setEmail(1, id, address)).toEqual({ id, email: address });
    const owed = await world().database.query(
      'select address from email_outbox where topup_order_id = $1', [id]);
    expect(owed).toEqual([{ address }]);
    await until(() => caughtMails(world(), address)).toHaveLength(1);
  });

  it('tells a wrong address first where the order is unknown too', async () => {
    expect(await setEmail(1, 999_999, 'nobody')).toEqual({ refused: '400 VALIDATION_FAILURE' });
  });

  it('does not find the order of another client, or of nobody', async () => {
    const id = await createEnded('000');
    const address = newAddress();
    expect(await setEmail(2, id, address)).toEqual({ refused: '404 NOT_FOUND' });
    expect(await setEmail(1, 999_999, address)).toEqual({ refused: '404 NOT_FOUND' });
    const owed = await world().database.query(
      'select from email_outbox where address = $1', [address]);
    expect(owed).toEqual([]);
  });
});

it('REST refuses a PATCH without a body, and a body that is no object', async () => {
  const id = await createPending();
  const url = `${world().gateway.url}/api/v1/topups/orders/${id}/notification-email`;
  const headers = { ...JSON_TYPE, ...authorization(world(), 1) };
  for (const body of [undefined, '', '"a@example.com"', 'null', '[]', '{"email":']) {
    const response = await fetch(url, {
      method: 'PATCH', headers, ...(body === undefined ? {} : { body }),
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { code: 'VALIDATION_FAILURE' } });
  }
});

describe('the page of caught mail', () => {
  it('lists and shows what was caught, escaped and without scripts', async () => {
    const id = await createEnded('000');
    await world().database.query(
      `update topup_order set client_reference = '<script>x</script>' where id = $1`, [id]);
    const address = newAddress();
    await byRest(1, id, address);
    await until(async () => (await caughtMails(world(), address)).length).toBe(1);
    const get = (path: string): Promise<Response> => fetch(`${world().mail.url}${path}`);
    const list = await get('/');
    expect(list.headers.get('content-security-policy')).toMatch(/^default-src 'none'; style-src/);
    const [, path] = /href="(\/messages\/[0-9]+)"/.exec(await list.text()) ?? [];
    const shown = await (await get(path ?? '')).text();
    expect(shown).toContain('&lt;script&gt;x&lt;/script&gt;');
    expect(shown).not.toContain('<script');
    const rendered = await get(`${path}/html`);
    expect(rendered.headers.get('content-security-policy')).toMatch(/^sandbox; default-src 'none'/);
    expect(await rendered.text()).toContain('&lt;script&gt;x&lt;/script&gt;');
    expect((await get('/messages/999999')).status).toBe(404);
    expect((await fetch(world().mail.url, { method: 'POST' })).status).toBe(405);
  });
});
