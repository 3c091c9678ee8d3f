import { expect, test } from 'vitest';
import { useStage } from '../support/browser.ts';

const stage = useStage();

test('the mail that tells how an order ended is shown', async () => {
  const { baseUrl, mailUrl, clients } = stage().facts;
  const headers = {
    authorization: `Bearer ${clients[0]?.token}`, 'content-type': 'application/json',
  };
  const orders = `${baseUrl}/api/v1/topups/orders`;
  const placed = await fetch(orders, {
    method: 'POST',
    headers,
    body: JSON.stringify({
      product_id: 4218,
      amount: 4.99,
      input_data: { player_id: '5123456000', server: 'asia' },
    }),
  });
  const { id } = await placed.json() as { id: number };
  await fetch(`${orders}/${id}/notification-email`, {
    method: 'PATCH', headers, body: JSON.stringify({ email: 'reader@example.com' }),
  });
  await expect.poll(async () => (await fetch(`${mailUrl}/messages.json`)).json())
    .toHaveLength(1);

  const page = await stage().openPage({ viewport: { width: 375, height: 740 } });
  await page.goto(mailUrl);
  expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(375);
  await page.getByRole('row', { name: 'reader@example.com' }).getByRole('link').click();
  await page.getByText('reader@example.com').waitFor();
  await stage().picture(page, 'mail');
  await page.getByRole('link', { name: 'As HTML' }).click();
  expect(await page.locator('body').innerText()).toContain('325 UC');
});
