import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { useStage } from '../support/browser.ts';

const stage = useStage();

async function openExplorer(): Promise<Page> {
  const page = await stage().openPage();
  await page.goto(stage().facts.explorerUrl);
  await page.getByRole('tab', { name: 'CreateOrder' }).waitFor();
  // The explorer has read the schema, with the token that it was given.
  await page.getByRole('button', { name: /docs|documentation/i }).first().waitFor();
  return page;
}

async function run(page: Page, tab: string): Promise<void> {
  await page.getByRole('tab', { name: tab }).click();
  await page.getByRole('button', { name: /execute query/i }).click();
}

const answer = (page: Page) => page.locator('.graphiql-response');

test('the explorer creates an order and shows its events as they happen', async () => {
  const page = await openExplorer();
  await run(page, 'CreateOrder');
  await answer(page).getByText('"status": "PENDING"').waitFor();
  await stage().picture(page, 'explorer-create');
  await run(page, 'WatchOrder');
  await answer(page).getByText('"DELIVERED"').first().waitFor({ timeout: 60_000 });
  await stage().picture(page, 'explorer-watch');
  expect(await answer(page).innerText()).toContain('DELIVERED');
});
