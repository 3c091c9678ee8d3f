import { expect, test } from 'vitest';
import { useStage } from '../support/browser.ts';

const stage = useStage();

test('the reference shows the API, and sends a request with the token in its form', async () => {
  const { facts, openPage, picture } = stage();
  const page = await openPage();
  await page.goto(facts.docsUrl);
  await page.getByRole('heading', { name: 'Top-up gateway' }).waitFor();
  // Only the first part of the reference is open at first.
  await page.locator('a[href="#tag/orders"]').click();
  await page.getByRole('heading', { name: 'Create an order' }).first().waitFor();
  await picture(page, 'reference');
  // The stage fails this test for any error, refused content or request to another origin.
  const create = /test request.*post \/api\/v1\/topups\/orders\)/i;
  await page.getByRole('button', { name: create }).click();
  await page.getByRole('button', { name: /send post request/i }).click();
  await page.getByText('200 OK').waitFor();
  await page.getByText('"PENDING"').first().waitFor();
  await picture(page, 'reference-request');
});

test('the reference is shown where the browser keeps nothing for the page', async () => {
  const { facts, openPage } = stage();
  const page = await openPage({ isStorageBlocked: true });
  await page.goto(facts.docsUrl);
  await page.getByRole('heading', { name: 'Top-up gateway' }).waitFor();
  await page.locator('a[href="#tag/orders"]').click();
  await page.getByRole('heading', { name: 'Create an order' }).first().waitFor();
});

test('without JavaScript it says so, and where to read what it is made from', async () => {
  const { facts, openPage, picture } = stage();
  const page = await openPage({ javaScriptEnabled: false });
  await page.goto(facts.docsUrl);
  // Text inside this element is found by no other way.
  const words = page.locator('noscript');
  expect(await words.innerText()).toContain('The reference needs JavaScript.');
  await picture(page, 'reference-without-script');
  expect(await words.locator('a').getAttribute('href')).toBe('/openapi.json');
});

test('the front page leads to every other page', async () => {
  const { facts, openPage, picture } = stage();
  const page = await openPage({ viewport: { width: 320, height: 640 } });
  await page.goto(facts.baseUrl);
  await page.getByRole('heading', { name: 'Top-up gateway' }).waitFor();
  await picture(page, 'front');
  const titles = [
    ['Live orders', 'Live orders · Top-up gateway'],
    ['GraphQL explorer', 'GraphQL explorer · Top-up gateway'],
    ['REST reference', 'Top-up gateway: REST reference'],
  ] as const;
  for (const [name, title] of titles) {
    await page.getByRole('link', { name }).click();
    await expect.poll(() => page.title()).toBe(title);
    await page.goto(facts.baseUrl);
  }
});
