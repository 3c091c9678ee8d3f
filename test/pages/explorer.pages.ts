import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { postAuth } from '../support/access.ts';
import { useStage, type PageOptions } from '../support/browser.ts';

const stage = useStage();

async function openExplorer(options: PageOptions = {}): Promise<Page> {
  const page = await stage().openPage(options);
  await goToExplorer(page);
  return page;
}

async function goToExplorer(page: Page, url = stage().facts.explorerUrl): Promise<void> {
  await page.goto(url);
  await editorsAreThere(page);
}

/** The tabs are there before the editors, which hear of no tab that is chosen before them. */
async function editorsAreThere(page: Page): Promise<void> {
  for (const editor of ['.graphiql-query-editor', '.graphiql-editors', '.result-window']) {
    await page.locator(`${editor} .monaco-editor`).first().waitFor();
  }
  await page.locator('.graphiql-query-editor .view-line').getByText(/query|subscription/).first()
    .waitFor();
}

async function run(page: Page, tab: string, options?: TabOptions): Promise<void> {
  await openTab(page, tab, options);
  await execute(page);
}

interface TabOptions {
  readonly hasVariables: boolean;
}

async function openTab(
  page: Page,
  tab: string,
  { hasVariables }: TabOptions = { hasVariables: true },
): Promise<void> {
  await page.getByRole('tab', { name: tab }).click();
  await page.locator('.graphiql-query-editor .view-line').getByText(tab).first().waitFor();
  const variables = page.locator('.graphiql-editor-tool .view-line').getByText(/[a-z]/);
  if (hasVariables) await variables.first().waitFor();
}

const execute = (page: Page) => page.getByRole('button', { name: /execute query/i }).click();

async function newToken(): Promise<string> {
  const { baseUrl, clients: [client] } = stage().facts;
  const { body: { data } } = await postAuth(baseUrl, 'login', {
    body: { username: client?.apiKey, password: client?.apiSecret },
  });
  return data?.access_token ?? '';
}

/** Over what stands there; the editor closes the quote and the bracket by itself. */
async function writeToken(page: Page, token: string): Promise<void> {
  await page.getByRole('button', { name: 'Headers' }).click();
  await page.locator('.graphiql-editor-tool .monaco-editor:visible').click();
  await page.keyboard.press('Control+A');
  await page.keyboard.insertText(`{"Authorization": "Bearer ${token}`);
}

/** The editors fetch a font and their three workers a moment after the first answer. */
async function loadWhole(page: Page): Promise<void> {
  await expect.poll(async () => {
    // An editor may replace its worker meanwhile: then that one answers no more.
    const asked = page.workers().map((worker) => worker.evaluate('location.href'));
    const answers = await Promise.allSettled(asked);
    return answers.map(({ status }) => status);
  }).toEqual(['fulfilled', 'fulfilled', 'fulfilled']);
  await page.evaluate('document.fonts.ready');
}

const answer = (page: Page) => page.locator('.graphiql-response');

test('the explorer creates an order and shows its events as they happen', async () => {
  const page = await openExplorer();
  await run(page, 'CreateOrder');
  await answer(page).getByText('"status": "PENDING"').waitFor();
  await stage().picture(page, 'explorer-create');
  await run(page, 'WatchOrder');
  await answer(page).getByText('"type": "SNAPSHOT"').waitFor();
  await answer(page).getByText('"type": "DELIVERED"').waitFor();
  await stage().picture(page, 'explorer-watch');
});

test('products are browsed and quoted, at the price of an order', async () => {
  const page = await openExplorer();
  await run(page, 'BrowseProducts', { hasVariables: false });
  await answer(page).getByText('"totalCount"').waitFor();
  await stage().picture(page, 'explorer-browse');
  await run(page, 'Quote');
  await answer(page).getByText('"amount": "282.26"').waitFor();
  await stage().picture(page, 'explorer-quote');
});

test.each([
  ['phone', { viewport: { width: 375, height: 740 } }],
  ['screen at 200 per cent', { viewport: { width: 640, height: 400 }, deviceScaleFactor: 2 }],
] as const)('an answer can be read on a %s', async (what, screen) => {
  const page = await openExplorer(screen);
  await run(page, 'BrowseProducts', { hasVariables: false });
  await answer(page).getByText('"totalCount"').waitFor();
  await answer(page).scrollIntoViewIfNeeded();
  await stage().picture(page, `explorer-${what.split(' ')[0]}`);
  const { width, height } = await answer(page).boundingBox() ?? { width: 0, height: 0 };
  expect(width).toBeGreaterThan(250);
  expect(height).toBeGreaterThan(150);
});

test('it is as it was left when the page is loaded again', async () => {
  const page = await openExplorer();
  const tabs = page.getByRole('tab');
  const names = await tabs.allInnerTexts();
  await page.getByRole('tab', { name: 'WatchOrder' }).click();
  // What is kept is written half a second later.
  await expect.poll(() => page.evaluate(
    'JSON.parse(localStorage.getItem("graphiql:tabState") ?? "{}").activeTabIndex',
  )).toBe(names.indexOf('WatchOrder'));
  expect(await page.evaluate('JSON.stringify(localStorage)')).not.toContain('Bearer');
  await page.reload();
  await editorsAreThere(page);
  await run(page, 'CreateOrder');
  await answer(page).getByText('"status": "PENDING"').waitFor();
  expect(await tabs.allInnerTexts()).toEqual(names);
});

test('it works for somebody at another machine, over plain HTTP', async () => {
  const page = await stage().openPage();
  await goToExplorer(page, stage().elsewhere(stage().facts.explorerUrl));
  expect(await page.evaluate('isSecureContext')).toBe(false);
  await run(page, 'CreateOrder');
  await answer(page).getByText('"status": "PENDING"').waitFor();
  await run(page, 'WatchOrder');
  await answer(page).getByText('"type": "SNAPSHOT"').waitFor();
});

test('it works where the browser keeps nothing for the page', async () => {
  const page = await openExplorer({ isStorageBlocked: true });
  await run(page, 'Quote');
  await answer(page).getByText('"amount": "282.26"').waitFor();
});

test('all of it is the main part of the page', async () => {
  const page = await openExplorer();
  await page.getByRole('main').getByRole('button', { name: /execute query/i }).waitFor();
});

test('a subscription goes on when the gateway is started anew', async () => {
  const page = await openExplorer();
  await run(page, 'CreateOrder');
  await answer(page).getByText('"status": "PENDING"').waitFor();
  await run(page, 'WatchOrder');
  await answer(page).getByText('"type": "SNAPSHOT"').waitFor();
  await loadWhole(page);
  // Away until the page has missed it.
  await stage().restart(async () => void await page.waitForEvent('console', {
    predicate: (message) => message.text().includes('ERR_CONNECTION_REFUSED'),
  }));
  await answer(page).getByText('"status": "DELIVERED"').waitFor();
});

test('a subscription needs no more of the page than was loaded with it', async () => {
  const page = await openExplorer();
  await run(page, 'CreateOrder');
  await answer(page).getByText('"status": "PENDING"').waitFor();
  // Workers are another matter: the editor does without them.
  await page.route(/assets\/(?!.*worker).*\.js$/, (route) => route.abort());
  await run(page, 'WatchOrder');
  await answer(page).getByText('"type": "SNAPSHOT"').waitFor();
});

test('a query that finds no gateway says so, and is answered when it is back', async () => {
  const page = await openExplorer();
  await run(page, 'Quote');
  await answer(page).getByText('"amount": "282.26"').waitFor();
  await loadWhole(page);
  await stage().restart(async () => {
    await run(page, 'CreateOrder');
    await answer(page).getByText('The gateway cannot be reached').waitFor();
    await stage().picture(page, 'explorer-away');
  });
  await run(page, 'CreateOrder');
  await answer(page).getByText('"status": "PENDING"').waitFor();
});

test.each([1000, 1001])('behind ends by %i it says that there is no gateway', async (code) => {
  const page = await openExplorer();
  let socketCount = 0;
  await page.routeWebSocket(/graphql$/, async (socket) => {
    socketCount += 1;
    await socket.close({ code });
  });
  await run(page, 'WatchOrder');
  // Nearly a minute of retries passes at once.
  await page.clock.install();
  await expect.poll(async () => {
    await page.clock.runFor(2_000);
    return answer(page).getByText('The gateway cannot be reached').count();
  }).toBe(1);
  expect(socketCount).toBe(31);
});

test('the socket is opened with the token in Headers, and its end is told in words', async () => {
  const page = await openExplorer();
  await run(page, 'CreateOrder');
  await answer(page).getByText('"status": "PENDING"').waitFor();
  await openTab(page, 'WatchOrder');
  await writeToken(page, 'none');
  await execute(page);
  await answer(page).getByText('A valid bearer token is required').waitFor();
  const token = await newToken();
  await writeToken(page, token);
  await execute(page);
  await answer(page).getByText('"type": "SNAPSHOT"').waitFor();
  const headers = { authorization: `Bearer ${token}` };
  await postAuth(stage().facts.baseUrl, 'logout', { headers });
  await answer(page).getByText('A valid bearer token is required').waitFor();
  expect(await answer(page).innerText()).not.toContain('stack');
  await stage().picture(page, 'explorer-refused');
});

test('outside the demo there is only what reads, and a word on where the token goes', async () => {
  const page = await stage().openPage();
  await page.route(/graphql$/, async (route) => {
    const response = await route.fetch();
    const body = (await response.text()).replace(/("session">)[^<]*/, '$1{}');
    // The browser calls a refusal an error of the page.
    await route.fulfill({ response, body, status: 200 });
  });
  await goToExplorer(page);
  expect(await page.getByRole('tab').allInnerTexts()).toEqual(['BrowseProducts']);
  await page.getByText('Your token goes into Headers below').waitFor();
  await stage().picture(page, 'explorer-outside');
  await execute(page);
  await answer(page).getByText('A valid bearer token is required').waitFor();
  await writeToken(page, await newToken());
  await execute(page);
  await answer(page).getByText('"totalCount"').waitFor();
});

test('the button that runs an operation is seen in forced colours', async () => {
  const page = await openExplorer({ forcedColors: 'active', colorScheme: 'light' });
  const colour = (of: string, name: string): Promise<unknown> => page.evaluate(
    `getComputedStyle(document.querySelector('.graphiql-execute-button${of}')).${name}`,
  );
  expect(await colour(' > svg', 'color')).not.toBe(await colour('', 'backgroundColor'));
});
