import pg from 'pg';
import type { Locator, Page, WebSocketRoute } from 'playwright-core';
import { expect, onTestFinished, test } from 'vitest';
import { TokenSocket } from '../support/access.ts';
import { useStage, type PageOptions } from '../support/browser.ts';

const stage = useStage();

async function openWatch(options?: PageOptions): Promise<Page> {
  const page = await stage().openPage(options);
  await page.goto(stage().facts.watchUrl);
  await page.getByText('Following the feed').or(page.getByText(/Event \d+ of the feed/)).waitFor();
  return page;
}

/** The youngest order of the list, by the id it has now: others may come above it. */
async function youngest(page: Page): Promise<Locator> {
  const first = page.locator('#orders > li').first();
  await first.waitFor();
  const id = await first.getAttribute('data-order');
  return page.locator(`#orders > li[data-order="${id}"]`);
}

async function rows<Row extends object>(sql: string): Promise<readonly Row[]> {
  const owner = new pg.Client(stage().facts.ownerDatabaseUrl);
  await owner.connect();
  return (await owner.query<Row>(sql).finally(() => owner.end())).rows;
}

/** Lets the supplier deliver what it holds. */
async function release(id: number): Promise<void> {
  const answer = await fetch(`${stage().facts.supplierUrl}/release/1-${id}-1`, { method: 'POST' });
  expect(answer.status).toBe(200);
}

async function lastOrderId(): Promise<number> {
  const sql = 'select coalesce(max(id), 0)::int as id from topup_order where client_id = 1';
  return (await rows<{ readonly id: number }>(sql))[0]?.id ?? 0;
}

async function statusOf(id: number): Promise<string | undefined> {
  const sql = `select status from topup_order where id = ${id}`;
  return (await rows<{ readonly status: string }>(sql))[0]?.status;
}

/** What was placed before may come to the page after the click: its id tells it apart. */
async function place(page: Page, outcome: string, delay = 'At once'): Promise<Locator> {
  const before = await lastOrderId();
  await page.getByLabel('What the supplier does').selectOption({ label: outcome });
  await page.getByLabel('When it does').selectOption({ label: delay });
  await page.getByRole('button', { name: 'Place order' }).click();
  await expect.poll(lastOrderId).toBeGreaterThan(before);
  const order = page.locator(`#orders > li[data-order="${await lastOrderId()}"]`);
  await order.waitFor();
  return order;
}

const wallet = (page: Page): Promise<string> =>
  page.getByRole('list', { name: 'Wallets' }).getByText('USD').innerText();

test('one click shows an order from PENDING to DELIVERED, each version with its time', async () => {
  const page = await openWatch();
  const before = await wallet(page);
  const order = await place(page, 'Delivers', 'After 3 seconds');
  await order.getByText('PENDING').waitFor();
  await stage().picture(page, 'watch-pending');
  await order.getByText('DELIVERED', { exact: true }).waitFor();
  const steps = (await order.getByRole('list').innerText()).replaceAll(/\s+/g, ' ');
  expect(steps).toMatch(
    new RegExp('^1 Placed and paid \\d+ \\w+ \\d{4}, [\\d:]{8}'
      + ' 2 Handed to the supplier [\\d:]{8} 3 Delivered [\\d:]{8}$'),
  );
  expect(before).toBe('10,000 USD');
  await page.getByText('9,995.2595 USD').waitFor();
  expect(await page.locator('#news').innerText()).toMatch(/^Order \d+: Top-up delivered$/);
  expect(await page.locator('#feed').innerText()).toBe('Event 3 of the feed, 0 missed.');
});

test('a refusal by the supplier brings the money back', async () => {
  const page = await openWatch();
  const before = await wallet(page);
  const order = await place(page, 'Refuses: no such recipient');
  await order.getByText('FAILED', { exact: true }).waitFor();
  await order.getByText('4.7405 USD are back in the wallet.').waitFor();
  await expect.poll(() => wallet(page)).toBe(before);
});

test('events go on where they stopped when the gateway is started anew', async () => {
  const page = await openWatch();
  const order = await place(page, 'Delivers', 'After 20 seconds');
  await order.getByText('Handed to the supplier').waitFor();
  const count = await page.locator('#orders > li').count();
  await stage().restart(async () => {
    await page.getByText('The gateway is away').waitFor();
    await page.getByLabel('When it does').selectOption({ label: 'At once' });
    await page.getByRole('button', { name: 'Place order' }).click();
    await page.getByText('it is placed when the gateway is back').waitFor();
    await stage().picture(page, 'watch-away');
  });
  await page.getByText('Live', { exact: true }).waitFor();
  await order.getByText('DELIVERED', { exact: true }).waitFor();
  expect(await page.locator('#feed').innerText()).toContain(', 0 missed.');
  // What was asked for meanwhile was placed, once.
  expect(await page.locator('#orders > li').count()).toBe(count + 1);
  await stage().picture(page, 'watch-after-restart');
});

test('nothing is missed where a proxy ends the socket as if nothing more were needed', async () => {
  const page = await stage().openPage();
  const back = Promise.withResolvers<undefined>();
  const sockets: WebSocketRoute[] = [];
  await page.routeWebSocket(/graphql$/, async (socket) => {
    sockets.push(socket);
    if (sockets.length > 1) await back.promise;
    socket.connectToServer();
  });
  await page.goto(stage().facts.watchUrl);
  const order = await place(page, 'Delivers', 'After 3 seconds');
  await order.getByText('Handed to the supplier').waitFor();
  await sockets[0]?.close({ code: 1000 });
  await page.getByText('The gateway is away').waitFor();
  const id = await lastOrderId();
  await expect.poll(() => statusOf(id)).toBe('DELIVERED');
  back.resolve(undefined);
  await order.getByText('DELIVERED', { exact: true }).waitFor();
  expect(await page.locator('#feed').innerText()).toContain(', 0 missed.');
});

test('what the gateway cannot say now is asked for again, and its order placed once', async () => {
  const page = await openWatch();
  // All that was placed before comes at once.
  await youngest(page);
  const count = await page.locator('#orders > li').count();
  const owner = new pg.Client(stage().facts.ownerDatabaseUrl);
  await owner.connect();
  await owner.query('begin; select from wallet for update');
  await page.getByRole('button', { name: 'Place order' }).click();
  await page.getByText('it is placed when the gateway is back').waitFor();
  await owner.end();
  await page.locator('#orders > li').nth(count).waitFor();
  await (await youngest(page)).getByText('DELIVERED', { exact: true }).waitFor();
  await expect.poll(() => page.getByRole('alert').innerText()).toBe('');
  expect(await page.locator('#orders > li').count()).toBe(count + 1);
});

test('a press is told of at once, and the second of a double click orders nothing', async () => {
  const page = await openWatch();
  const before = await lastOrderId();
  const owner = new pg.Client(stage().facts.ownerDatabaseUrl);
  await owner.connect();
  await owner.query('begin; select from wallet for update');
  await page.getByRole('button', { name: 'Place order' }).dblclick();
  await page.getByText('Placing the order…').waitFor();
  await owner.end();
  await page.getByText(/^Order \d+ is placed\.$/).waitFor();
  await page.getByRole('button', { name: 'Ten, mixed' }).dblclick();
  await page.getByText('10 of 10 orders are placed.').waitFor();
  // A key that is held down comes again and again.
  await page.keyboard.down('Enter');
  for (let times = 0; times < 5; times += 1) await page.keyboard.down('Enter');
  await page.keyboard.up('Enter');
  await page.getByText('Placing 10 orders…').waitFor({ state: 'hidden' });
  await expect.poll(lastOrderId).toBe(before + 21);
  const [{ count } = { count: 0 }] = await rows<{ readonly count: number }>(
    `select count(*)::int from topup_order where client_id = 1 and id > ${before}`);
  expect(count).toBe(21);
});

test('an order that took more steps than are read is shown at its end', async () => {
  const page = await openWatch();
  const order = await place(page, 'Holds it until it is released');
  await order.getByText('Handed to the supplier').waitFor();
  const id = await lastOrderId();
  await rows(`with told as (
      insert into topup_order_event (client_id, topup_order_id, version, type, status)
        select 1, ${id}, n, 'RETRY_SCHEDULED', 'PENDING' from generate_series(3, 110) n
        returning client_id, topup_order_id, version
    ), queued as (
      insert into feed_inbox (client_id, topup_order_id, version) select * from told
    )
    update topup_order set version = 110 where client_id = 1 and id = ${id}`);
  await release(id);
  await order.getByText('DELIVERED', { exact: true }).waitFor();
  const later = await openWatch();
  const same = later.locator(`#orders > li[data-order="${id}"]`);
  await same.getByText('DELIVERED', { exact: true }).waitFor();
  expect(await same.getByRole('listitem').count()).toBe(100);
});

test('an older order that moves comes with all of its steps', async () => {
  const page = await openWatch();
  const order = await place(page, 'Holds it until it is released');
  await order.getByText('Handed to the supplier').waitFor();
  const id = await lastOrderId();
  for (const other of [page, await openWatch()]) {
    await other.getByRole('button', { name: 'Ten, mixed' }).click();
    await other.getByText('10 of 10 orders are placed.').waitFor();
  }
  const later = await openWatch();
  await later.locator(`#orders > li[data-order="${id + 20}"]`).waitFor();
  const same = later.locator(`#orders > li[data-order="${id}"]`);
  expect(await same.count()).toBe(0);
  await release(id);
  await expect.poll(() => same.getByRole('listitem').allInnerTexts()).toEqual([
    expect.stringContaining('Placed and paid'), expect.stringContaining('Handed to'),
    expect.stringContaining('Delivered'),
  ]);
});

test('an order is placed from another machine, over plain HTTP', async () => {
  const page = await stage().openPage();
  await page.goto(stage().elsewhere(stage().facts.watchUrl));
  await page.getByText('Live', { exact: true }).waitFor();
  expect(await page.evaluate('isSecureContext')).toBe(false);
  await (await place(page, 'Delivers')).getByText('DELIVERED', { exact: true }).waitFor();
});

test('that there are no orders is said only where that is known', async () => {
  const page = await stage().openPage();
  const isAway = Promise.withResolvers<undefined>();
  await page.routeWebSocket(/graphql$/, async (socket) => {
    await isAway.promise;
    socket.connectToServer();
  });
  await page.goto(stage().facts.watchUrl);
  await page.getByText('Connecting').waitFor();
  expect(await page.getByText('None yet.').isVisible()).toBe(false);
  isAway.resolve(undefined);
  await youngest(page);
  expect(await page.getByText('None yet.').isVisible()).toBe(false);
});

test('long names stay within the page', async () => {
  const page = await openWatch({ viewport: { width: 320, height: 640 } });
  await youngest(page);
  await page.evaluate(`for (const name of document.querySelectorAll('#client, h3')) {
    name.textContent = 'W'.repeat(150);
  }`);
  expect(await page.evaluate('document.body.scrollWidth')).toBe(320);
});

test('a page that is opened later shows the same orders and steps', async () => {
  const [first, second] = [await openWatch(), await openWatch()];
  const shown = (page: Page): Promise<string[]> => page.locator('#orders > li').allInnerTexts();
  expect((await shown(first)).length).toBeGreaterThan(1);
  expect(await shown(second)).toEqual(await shown(first));
  // And both follow: what is placed on the one is seen on the other.
  const order = await place(first, 'Delivers');
  const id = await order.getAttribute('data-order');
  await second.locator(`#orders > li[data-order="${id}"][data-status="DELIVERED"]`).waitFor();
});

test('an order is placed by keyboard alone', async () => {
  const page = await openWatch();
  await page.getByLabel('Product').focus();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  const count = await page.locator('#orders > li').count();
  await page.keyboard.press('Enter');
  await page.locator('#orders > li').nth(count).waitFor();
});

test.each([
  ['light', { width: 1280, height: 800 }],
  ['dark', { width: 1280, height: 800 }],
  ['light', { width: 390, height: 844 }],
] as const)('ten orders at once, %s, %o', async (colorScheme, viewport) => {
  const page = await openWatch({ colorScheme, viewport });
  const failed = page.locator('#orders > li[data-status="FAILED"]');
  const [count, failedCount] = [await page.locator('#orders > li').count(), await failed.count()];
  await page.getByRole('button', { name: 'Ten, mixed' }).click();
  await page.locator('#orders > li').nth(count + 9).waitFor();
  await expect.poll(() => failed.count()).toBeGreaterThan(failedCount);
  await stage().picture(page, `watch-${colorScheme}-${viewport.width}`);
  const isTooWide = await page.evaluate('document.body.scrollWidth > window.innerWidth');
  expect(isTooWide).toBe(false);
});

test('what is refused of ten orders is said, and stays', async () => {
  const page = await openWatch();
  const before = await lastOrderId();
  const frozen = async (isFrozen: boolean): Promise<void> => {
    const owner = new pg.Client(stage().facts.ownerDatabaseUrl);
    await owner.connect();
    await owner.query(
      `update wallet set is_frozen = $1 where client_id = 1 and currency = 'EUR'`, [isFrozen],
    ).finally(() => owner.end());
  };
  await frozen(true);
  try {
    await page.getByRole('button', { name: 'Ten, mixed' }).click();
    await expect.poll(lastOrderId).toBe(before + 8);
    await expect.poll(() => page.getByRole('alert').innerText())
      .toBe('2 of 10: Wallet is frozen');
  } finally {
    await frozen(false);
  }
  await place(page, 'Delivers');
  await expect.poll(() => page.getByRole('alert').innerText()).toBe('');
});

test('where no further socket is given the page says so, and is live when one is', async () => {
  const { baseUrl, clients: [client] } = stage().facts;
  const others: TokenSocket[] = [];
  onTestFinished(() => others.forEach((other) => other.end()));
  // One after another, and acknowledged: the page's would come before those that are on their way,
  // and the socket of a page that was just closed may still be counted.
  while (others.length < 20) {
    const other = new TokenSocket(baseUrl, client?.token ?? '');
    if (await other.greeted() === 'connection_ack') others.push(other);
  }
  const page = await stage().openPage();
  await page.goto(stage().facts.watchUrl);
  await page.getByText('Too many connections of this client').waitFor();
  others.forEach((other) => other.end());
  await page.getByText('Live', { exact: true }).waitFor();
});

test('an order whose answer was cut off with its token is not called off', async () => {
  const page = await openWatch();
  const { baseUrl, clients: [client], ownerDatabaseUrl } = stage().facts;
  const before = await lastOrderId();
  const post = (name: string, headers: Record<string, string>, body: string | null) =>
    fetch(`${baseUrl}/auth/${name}`, { method: 'POST', headers, body });
  const owner = new pg.Client(ownerDatabaseUrl);
  await owner.connect();
  onTestFinished(() => owner.end());
  await owner.query('begin; select from wallet for update');
  await page.getByRole('button', { name: 'Place order' }).click();
  const waiting = 'select from pg_locks where not granted';
  await expect.poll(async () => (await owner.query(waiting)).rowCount).toBeGreaterThan(0);
  const login = await post('login', { 'content-type': 'application/json' }, JSON.stringify({
    username: client?.apiKey, password: client?.apiSecret,
  }));
  const { data } = await login.json() as { data: { access_token: string } };
  const authorization = `Bearer ${data.access_token}`;
  expect((await post('logout', { authorization }, null)).status).toBe(200);
  await page.getByText('It may have been placed').waitFor();
  await page.getByText('The token is no longer good').waitFor();
  await page.getByRole('button', { name: 'Place order' }).click();
  await page.getByText('Not placed: load the page again.').waitFor();
  await owner.query('commit');
  await expect.poll(lastOrderId).toBeGreaterThan(before);
  await page.reload();
  await page.locator(`#orders > li[data-order="${await lastOrderId()}"]`).waitFor();
});

test('the feed begins anew where the gateway has lost it', async () => {
  const page = await openWatch();
  await (await place(page, 'Delivers')).getByText('DELIVERED', { exact: true }).waitFor();
  await stage().startAnew();
  await page.getByText('None yet.').waitFor();
  const order = await place(page, 'Delivers');
  await order.getByText('DELIVERED', { exact: true }).waitFor();
  expect(await order.getAttribute('data-order')).toBe('1');
  await stage().picture(page, 'watch-begun-anew');
});

test('a gateway that executes only trusted documents is told as such', async () => {
  const page = await openWatch();
  await stage().restart(undefined, { TRUSTED_DOCUMENTS_ONLY: '1' });
  const state = page.locator('#connection');
  await state.getByText('Only trusted documents are executed here').waitFor();
  await page.getByRole('button', { name: 'Place order' }).click();
  await page.getByRole('alert').getByText('Only trusted documents are executed').waitFor();
  // The press had a socket of its own, and that was acknowledged.
  expect(await state.getAttribute('data-state')).toBe('forbidden');
});
