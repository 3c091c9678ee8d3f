import pg from 'pg';
import { PgBoss } from 'pg-boss';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { isJobSchemaInstalled, JOB_OPTIONS, MAIL_QUEUE } from '../../src/db/job-schema.ts';
import { openMailQueue } from '../../src/db/mail-queue.ts';
import { createPool } from '../../src/db/pool.ts';
import type { Move } from '../../src/domain/fulfilment-ports.ts';
import { MailFault, type Mail } from '../../src/domain/mail.ts';
import { setNotificationEmail } from '../../src/domain/set-notification-email.ts';
import { createMailer, isNoSuchRecipient } from '../../src/outbound/mailer.ts';
import { openParts, type Parts } from '../../src/parts.ts';
import { startMailWorker, type MailWorker } from '../../src/worker/mail-worker.ts';
import { pricedOrder } from '../support/builders.ts';
import { startCuttingProxy } from '../support/cutting-proxy.ts';
import { useTestDatabase } from '../support/database.ts';
import { startMailServer, type MailServer } from '../support/mail-server.ts';
import { VOUCHER_KEY } from '../support/voucher-hash.ts';
import { SUPPLIER_KEYS } from '../support/world.ts';

const database = useTestDatabase();
const FROM = 'Top-ups <no-reply@topup.example>';
let parts: Parts;
let rival: Parts;
let server: MailServer;
let hasEnded = false;
const workers: MailWorker[] = [];
const undo: (() => unknown)[] = [];

beforeAll(async () => {
  const open = (): Promise<Parts> => openParts({
    databaseUrl: database().databaseUrl,
    tokenSigningKey: 'a token signing key that nobody here uses',
    keyHashingKey: VOUCHER_KEY,
    environment: 'sandbox',
    trustedProxies: [],
    supplierKeys: SUPPLIER_KEYS,
    sandboxUrl: null,
    mailServer: null,
    feedRetentionDays: 30,
    clock: systemClock,
    // A closed pool's sockets may still be open when the database is dropped, and hear of it.
    onError: (error) => { if (!hasEnded) throw error; },
  });
  parts = await open();
  rival = await open();
  server = await startMailServer();
});
afterEach(async () => {
  for (const worker of workers.splice(0)) await worker.stop(2000);
  for (const step of undo.splice(0)) await step();
});
afterAll(async () => {
  hasEnded = true;
  await parts.close();
  await rival.close();
  await server.close();
});

const faults: string[] = [];
const givenUp: string[] = [];

function startWorker(
  url = server.url,
  over: { parts?: Parts; socketMs?: number; sendMs?: number } = {},
): void {
  const mailer = createMailer({ url, from: FROM }, over);
  undo.push(() => mailer.close());
  workers.push(startMailWorker({
    queue: (over.parts ?? parts).mailQueue,
    mailer,
    store: parts.store,
    clock: systemClock,
    onError: (error) => pino().error(error),
    onFault: (_job, fault) => faults.push(fault),
    onGivenUp: ({ address }, fault) => givenUp.push(`${address}: ${fault}`),
  }));
}

const until = <Value>(read: () => Value | Promise<Value>): ReturnType<typeof expect.poll> =>
  expect.poll(read, { timeout: 30_000, interval: 20 });

async function place(): Promise<number> {
  const order = pricedOrder({ pricingVersion: parts.store.pricing().version });
  const placed = await parts.store.placeOrder(order);
  if (placed.verdict !== 'PLACED') throw new Error(placed.verdict);
  return placed.order.id;
}

const DELIVER: Move = { kind: 'DELIVER', receipt: { pin: '8642-9753' } };
const FAIL: Move = { kind: 'FAIL', failureCode: 'INVALID_RECIPIENT' };

async function end(orderId: number, move: Move = DELIVER): Promise<void> {
  const { store } = parts.fulfilment;
  const claimed = await store.claimOrder(1, orderId);
  if (claimed === null) throw new Error('The order was not claimed');
  const { route, leaseToken } = claimed;
  const moved = await store.recordMove({
    clientId: 1, orderId, route, leaseToken, move, callback: null,
  });
  expect(moved).toBe('APPLIED');
}

let addressCount = 0;
const newAddress = (): string => `reader-${addressCount += 1}@example.com`;

const mailTo = (to = newAddress()): Mail => (
  { key: to.split('@')[0] ?? '', to, subject: 'News', text: 'News', html: '<p>News</p>' }
);

const setEmail = (orderId: number, email: string | null): Promise<unknown> =>
  setNotificationEmail(1, orderId, email, parts);

/** A new order that ends and owes a mail to a new address. */
async function endWithMail(): Promise<{ readonly id: number; readonly address: string }> {
  const id = await place();
  const address = newAddress();
  await setEmail(id, address);
  await end(id);
  return { id, address };
}

async function jobsOf(address: string): Promise<readonly { name: string; state: string }[]> {
  return database().query(
    "select name, state from pgboss.job where data->>'address' = $1 order by name", [address]);
}

/** As if the wait before the next try were over. */
const retriesAreDue = (): Promise<unknown> => database().query(
  "update pgboss.job set start_after = now() where state = 'retry'");

async function untilSent(address: string, count: number): Promise<void> {
  await until(async () => {
    await retriesAreDue();
    const [job] = await jobsOf(address);
    return [server.to(address).length, job?.state];
  }).toEqual([count, 'completed']);
}

describe('the end of an order is told by mail', () => {
  it.each<readonly [string, Move | null, string, string]>([
    ['DELIVERED', DELIVER, 'Top-up delivered: PUBG Mobile UC, 325 UC', 'was delivered'],
    ['FAILED', FAIL, 'Top-up not delivered: PUBG Mobile UC, 325 UC', 'could not be found'],
    ['CANCELLED', null, 'Order cancelled and refunded: PUBG Mobile UC, 325 UC', '4.7405 USD were'],
  ])('%s', async (status, move, subject, words) => {
    const id = await place();
    const address = newAddress();
    await setEmail(id, address);
    if (move === null) await parts.store.cancelOrder(1, id);
    else await end(id, move);
    startWorker();
    await untilSent(address, 1);
    const [mail] = server.to(address);
    expect(mail).toMatchObject({ subject });
    expect(mail?.text).toContain(words);
    expect(mail?.text).toContain('******6789');
    expect(mail?.html).toContain(words);
    expect(`${mail?.text}${mail?.html}`).not.toMatch(/5123456789|8642/);
    expect(mail?.messageId)
      .toMatch(new RegExp(`^<1\\.${id}\\.${status}\\.[0-9a-f]{16}@topup\\.example>$`));
    expect(mail?.headers).toMatch(/^Auto-Submitted: auto-generated\r$/m);
  });

  it('to an address that is named after the end, once, and to each that replaces it', async () => {
    const id = await place();
    await end(id);
    const [first, second] = [newAddress(), newAddress()];
    startWorker();
    await setEmail(id, first);
    await untilSent(first, 1);
    await setEmail(id, first);
    await setEmail(id, second);
    await setEmail(id, null);
    await untilSent(second, 1);
    expect(server.to(first)).toHaveLength(1);
  });

  it('to the last address named before the end, and to none where it was cleared', async () => {
    const [id, cleared] = [await place(), await place()];
    const [first, second] = [newAddress(), newAddress()];
    await setEmail(id, first);
    await setEmail(id, second);
    await setEmail(cleared, first);
    await setEmail(cleared, null);
    await end(id);
    await end(cleared);
    startWorker();
    await untilSent(second, 1);
    expect(server.to(first)).toHaveLength(0);
    expect(await jobsOf(first)).toEqual([]);
  });

  it('exactly once where the address is named while the order ends', async () => {
    const orders = await Promise.all(Array.from({ length: 50 }, async () => (
      { id: await place(), address: newAddress() }
    )));
    const { store } = parts.fulfilment;
    const claims = await Promise.all(orders.map(({ id }) => store.claimOrder(1, id)));
    await Promise.all(orders.flatMap(({ id, address }, index) => {
      const claimed = claims[index];
      if (claimed === null || claimed === undefined) throw new Error('Not claimed');
      const move = (): Promise<unknown> => store.recordMove({
        ...claimed, orderId: id, move: DELIVER, callback: null,
      });
      const name = (): Promise<unknown> => setEmail(id, address);
      return index % 2 === 0 ? [move(), name()] : [name(), move()];
    }));
    startWorker();
    startWorker(server.url, { parts: rival });
    await until(() => orders.filter(({ address }) => server.to(address).length > 0).length)
      .toBe(50);
    await until(async () => (await database().query(
      "select from pgboss.job where name = $1 and state <> 'completed'", [MAIL_QUEUE])).length)
      .toBe(0);
    expect(orders.map(({ address }) => server.to(address).length)).toEqual(orders.map(() => 1));
  });
});

describe('hand-over', () => {
  it('makes one job of each mail, whoever hands over', async () => {
    const owed = await Promise.all(Array.from({ length: 30 }, endWithMail));
    const counts = await Promise.all([parts, rival, parts, rival]
      .map(({ mailQueue }) => mailQueue.handOver(200)));
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(30);
    for (const { address } of owed) expect(await jobsOf(address)).toHaveLength(1);
    startWorker();
    startWorker(server.url, { parts: rival });
    await until(() => owed.filter(({ address }) => server.to(address).length > 0).length).toBe(30);
    expect(owed.map(({ address }) => server.to(address).length)).toEqual(owed.map(() => 1));
  });

  it('that breaks off is made up for by the next', async () => {
    const { address } = await endWithMail();
    const client = new pg.Client(database().databaseUrl);
    await client.connect();
    await client.query('begin');
    expect((await client.query('select * from take_waiting_mail(10)')).rows).toHaveLength(1);
    expect(await parts.mailQueue.handOver(10)).toBe(0);
    await client.end();
    await until(() => parts.mailQueue.handOver(10)).toBe(1);
    expect(await jobsOf(address)).toHaveLength(1);
  });

  it('begins once the database answers, though it did not at first', async () => {
    const near = new URL(database().databaseUrl);
    const proxy = await startCuttingProxy('http://127.0.0.1:9');
    const { host } = near;
    near.host = new URL(proxy.url).host;
    const pool = createPool({
      databaseUrl: database().databaseUrl, size: 1, applicationName: 'test',
      onError: () => undefined,
    });
    const queue = openMailQueue({ pool, databaseUrl: near.href, onError: () => undefined });
    undo.push(() => queue.close(), () => pool.end(), () => proxy.close());
    const { address } = await endWithMail();
    await expect(queue.handOver(10)).rejects.toThrow();
    proxy.leadTo(`http://${host}`);
    expect(await queue.handOver(10)).toBe(1);
    expect(await jobsOf(address)).toHaveLength(1);
  });

  it('that meets silence is handed over by a new connection', async () => {
    const far = new URL(database().databaseUrl);
    const proxy = await startCuttingProxy(`http://${far.host}`);
    far.host = new URL(proxy.url).host;
    const pool = createPool({
      databaseUrl: database().databaseUrl, size: 2, applicationName: 'test',
      onError: () => undefined,
    });
    const queue = openMailQueue({ pool, databaseUrl: far.href, onError: () => undefined });
    undo.push(() => queue.close(), () => pool.end(), () => proxy.close());
    // Both of its connections are open.
    await Promise.all([queue.take(1), queue.take(1)]);
    proxy.silenceAll();
    const { address } = await endWithMail();
    const failed = await Promise.allSettled([queue.take(1), queue.take(1)]);
    expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(await queue.handOver(10)).toBe(1);
    expect(await jobsOf(address)).toHaveLength(1);
  });

  it('whose mark was lost makes no second job', async () => {
    const { id, address } = await endWithMail();
    expect(await parts.mailQueue.handOver(10)).toBe(1);
    await database().query(
      'update email_outbox set handed_over_at = null where topup_order_id = $1', [id]);
    expect(await rival.mailQueue.handOver(10)).toBe(1);
    expect(await jobsOf(address)).toHaveLength(1);
    startWorker();
    await untilSent(address, 1);
  });
});

describe('a mail server that', () => {
  it('is down gets the mail when it is up again', async () => {
    const away = await startMailServer();
    await away.close();
    const { id, address } = await endWithMail();
    startWorker(away.url);
    await until(async () => (await jobsOf(address))[0]?.state).toBe('retry');
    expect(faults.at(-1)).toMatch(/^SMTP ESOCKET|^SMTP ECONN/);
    expect(await parts.store.findOrder(1, id)).toMatchObject({ status: 'DELIVERED' });
    const back = await startMailServer(away.port);
    undo.push(() => back.close());
    await until(async () => {
      await retriesAreDue();
      return back.to(address).length;
    }).toBe(1);
  });

  it('is slow is left, and asked again', async () => {
    const { address } = await endWithMail();
    server.next.push('HANG');
    startWorker(server.url, { socketMs: 300 });
    await untilSent(address, 1);
  });

  it('keeps the line alive for ever is left as well', async () => {
    const { address } = await endWithMail();
    server.next.push('HANG');
    startWorker(server.url, { sendMs: 300 });
    await untilSent(address, 1);
    expect(faults).toContain('SMTP took too long');
  });

  it('drips its answers gets its connections back, and no mail that was given up', async () => {
    const dripping = await startMailServer();
    undo.push(() => dripping.close());
    dripping.next.push(...Array.from({ length: 5 }, () => 'DRIP' as const));
    const mailer = createMailer({ url: dripping.url, from: FROM }, { sendMs: 500 });
    undo.push(() => mailer.close());
    const sent = await Promise.allSettled(Array.from({ length: 5 }, () => mailer.send(mailTo())));
    expect(sent.map((each) => each.status === 'rejected' && each.reason))
      .toEqual(sent.map(() => new MailFault('SMTP took too long')));
    const last = mailTo();
    expect(await mailer.send(last)).toBe('SENT');
    expect(dripping.received.map(({ to }) => to)).toEqual([last.to]);
  });

  it('drops the line after the mail gets it twice, under one Message-ID', async () => {
    const { address } = await endWithMail();
    server.next.push('DROP_AFTER_DATA');
    startWorker();
    await untilSent(address, 2);
    const [first, second] = server.to(address);
    expect(first?.messageId).toBe(second?.messageId);
  });

  it('says "later" is asked again, and its words are not kept', async () => {
    const { address } = await endWithMail();
    server.next.push('TRY_LATER');
    startWorker();
    await untilSent(address, 2);
    expect(faults.at(-1)).toBe('SMTP EMESSAGE DATA 451');
  });

  it.each([
    ['REFUSE_SENDER', 'SMTP EENVELOPE MAIL FROM 550'],
    ['REFUSE_MAIL', 'SMTP EMESSAGE DATA 550'],
    ['BLOCK_CLIENT', 'SMTP EENVELOPE RCPT TO 554'],
  ] as const)('refuses for no fault of the recipient, %s, is asked again', async (how, told) => {
    const { address } = await endWithMail();
    server.next.push(how);
    startWorker();
    await until(async () => (await jobsOf(address))[0]?.state).toBe('retry');
    expect(faults.at(-1)).toBe(told);
  });

  it.each([
    ['one,two@example.com', 'SENT', ['"one,two"@example.com']],
    ['one<two@example.com>', 'REFUSED', []],
    ['one@example.com,two@example.com', 'REFUSED', []],
  ])('is told of one recipient, or of none: %s', async (to, result, received) => {
    const careful = await startMailServer();
    undo.push(() => careful.close());
    const mailer = createMailer({ url: careful.url, from: FROM });
    undo.push(() => mailer.close());
    expect(await mailer.send(mailTo(to))).toBe(result);
    expect(careful.received.map((mail) => mail.to)).toEqual(received);
  });

  it.each([
    ['550 5.1.1 <a@b>: Recipient address rejected: User unknown', true],
    ['550-5.1.1 The email account that you tried to reach does not exist.', true],
    ['550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found', true],
    ['551 5.1.6 The user has moved', true],
    ['550 5.2.1 The mailbox is disabled', true],
    ['550 No such user here', true],
    ['553 sorry, that is no mailbox here', true],
    ['501 Bad recipient address syntax', true],
    ['450 4.1.1 greylisted', false],
    ['552 5.2.2 Mailbox full', false],
    ['554 5.7.1 Client host blocked, try later', false],
    ['550 5.1.8 Sender address rejected: Domain not found', false],
    ['553 5.1.7 The sender address is no address', false],
    ['550 relay not permitted', false],
    ['550 Sender verify failed', false],
    ['550 authentication required', false],
    ['550 your host is in an RBL', false],
    ['553 sorry, your IP is on a list (#5.7.1)', false],
    ["553 sorry, that domain isn't in my list of allowed rcpthosts", false],
    ['550 Administrative prohibition', false],
    ['550 Access denied - Invalid HELO name', false],
    ['550 Rejected: your host has bad reputation', false],
    ['550 No reverse DNS for your address', false],
    ['550 rate limit exceeded', false],
  ])('%s: gives the recipient up, %s', (answer, isGivenUp) => {
    expect(isNoSuchRecipient(answer)).toBe(isGivenUp);
  });

  it('refuses the recipient is not asked again', async () => {
    const { address } = await endWithMail();
    server.next.push('REFUSE_RECIPIENT');
    startWorker();
    await until(() => jobsOf(address)).toEqual([
      { name: 'mail', state: 'completed' }, { name: 'mail-undeliverable', state: 'created' },
    ]);
    expect(givenUp).toContain(`${address}: The recipient was refused`);
    expect(server.to(address)).toHaveLength(0);
  });
});

describe('a job', () => {
  it('that fails for the last time is kept for a person', async () => {
    const { mailsUndeliverable } = await parts.countOpenWork();
    const { address } = await endWithMail();
    await parts.mailQueue.handOver(10);
    await database().query(
      "update pgboss.job set retry_count = retry_limit where data->>'address' = $1", [address]);
    server.next.push('TRY_LATER');
    startWorker();
    await until(() => jobsOf(address)).toEqual([
      { name: 'mail', state: 'failed' }, { name: 'mail-undeliverable', state: 'created' },
    ]);
    expect(await parts.countOpenWork()).toMatchObject({
      mailsUndeliverable: mailsUndeliverable + 1,
    });
    expect(givenUp).toContain(`${address}: SMTP EMESSAGE DATA 451`);
  });

  it('that is given up again, as behind a crash in between, is kept once', async () => {
    const { address } = await endWithMail();
    await parts.mailQueue.handOver(10);
    const taken = await parts.mailQueue.take(100);
    const job = taken.find((each) => each.address === address);
    if (job === undefined) throw new Error('Nothing was taken');
    for (let time = 0; time < 2; time += 1) await parts.mailQueue.giveUp(job, 'REFUSED');
    expect(await jobsOf(address)).toEqual([
      { name: 'mail', state: 'completed' }, { name: 'mail-undeliverable', state: 'created' },
    ]);
  });

  it('whose worker died is taken up again, by a role that owns nothing', async () => {
    const { address } = await endWithMail();
    await parts.mailQueue.handOver(10);
    expect(await rival.mailQueue.take(1)).toMatchObject([{ address }]);
    await database().query(`update pgboss.job set started_on = started_on - interval '1 hour'
      where state = 'active'`);
    const boss = new PgBoss({
      ...JOB_OPTIONS, connectionString: database().databaseUrl, migrate: false,
    });
    const errors: unknown[] = [];
    boss.on('error', (error) => errors.push(error));
    await boss.start();
    await database().query('update pgboss.queue set monitor_claim_on = null, monitor_on = null');
    await boss.supervise();
    await expect(boss.createQueue('another')).rejects.toThrow(/permission denied/);
    await boss.stop({ graceful: false });
    expect(errors).toEqual([]);
    startWorker();
    await untilSent(address, 1);
  });
});

it('the schema of the jobs is the owner\'s, and known to be installed', async () => {
  const client = new pg.Client(database().databaseUrl);
  await client.connect();
  expect(await isJobSchemaInstalled(client)).toBe(true);
  const owned = await client.query("select from pg_class where relowner = 'topup_app'::regrole");
  expect(owned.rows).toEqual([]);
  await client.end();
});
