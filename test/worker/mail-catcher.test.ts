import { createTransport } from 'nodemailer';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startMailCatcher, type MailCatcher } from '../../src/demo/mail-catcher.ts';
import { createSandboxSchema } from '../../src/demo/sandbox-schema.ts';
import { useTestDatabase } from '../support/database.ts';

const database = useTestDatabase();
let catcher: MailCatcher;
beforeAll(async () => {
  await createSandboxSchema(database().ownerDatabaseUrl, 'topup_app');
  catcher = await startMailCatcher({
    host: '127.0.0.1', databaseUrl: database().databaseUrl, log: () => undefined,
  });
});
afterAll(() => catcher.close());

it('refuses a mail that is too long, heard to its end, and keeps the next one', async () => {
  const transport = createTransport(catcher.smtpUrl);
  const from = 'a@example.com';
  // Of a length that is not said before: the end of it is where it is found out.
  const long = transport.sendMail({ envelope: { from, to: 'long@example.com' },
    raw: `Subject: long\r\n\r\n${'x'.repeat(70).concat('\r\n').repeat(20_000)}` });
  await expect(long).rejects.toMatchObject({ responseCode: 552 });
  await transport.sendMail({ from, to: 'short@example.com', subject: 'Short', text: 'Well' });
  const mails = await (await fetch(`${catcher.url}/messages.json`)).json();
  expect(mails).toMatchObject([{ to: 'short@example.com', subject: 'Short' }]);
  transport.close();
});

it('takes the longest address that an order may be given', async () => {
  const transport = createTransport(catcher.smtpUrl);
  const to = `${'a'.repeat(64)}@${['b', 'c', 'd'].map((each) => each.repeat(60)).join('.')}.exm.co`;
  expect(to).toHaveLength(254);
  await transport.sendMail({ from: 'a@example.com', to, subject: 'Long', text: 'Well' });
  const mails = await (await fetch(`${catcher.url}/messages.json`)).json() as object[];
  expect(mails.find((mail) => 'to' in mail && mail.to === to)).toMatchObject({ subject: 'Long' });
  transport.close();
});
