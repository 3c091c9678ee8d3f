import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DEMO_API_KEYS } from '../../src/demo/demo-keys.ts';
import { DEFAULT_RATES, type RateFigures } from '../../src/domain/rate-limits.ts';
import { rateHeaders } from '../../src/rest/rate-headers.ts';
import { postAuth, TokenSocket, TRANSPORTS } from '../support/access.ts';
import { JSON_TYPE } from '../support/doors.ts';
import { hashVoucherCode } from '../support/voucher-hash.ts';
import { useWorld } from '../support/world.ts';

const world = useWorld({ role: 'gateway' });
const [, , LIMITED_KEY] = DEMO_API_KEYS;
let urls: readonly string[] = [];

beforeAll(async () => {
  const others = await Promise.all([1, 2].map(() => world().startProcess('gateway')));
  urls = [world().gateway.url, ...others.map((gateway) => gateway?.url ?? '')];
});

beforeEach(() => world().database.query('delete from rate_count'));

interface Limited {
  readonly clientId: number;
  readonly token: string;
}

let lastClientId = 80;

/** A client of its own, so that nothing that a process remembers of another is in the way. */
async function limited(figures: Partial<RateFigures> = {}): Promise<Limited> {
  lastClientId += 1;
  const clientId = lastClientId;
  const { query } = world().database;
  await query(`insert into client (client_id, name) values ($1, 'Limited')`, [clientId]);
  for (const [rateClass, perMinute] of Object.entries(figures)) {
    await query('insert into client_rate values ($1, $2, $3)', [clientId, rateClass, perMinute]);
  }
  // Prices are followed, a moment late: until then nothing is sold to a client that is new.
  for (const { store } of world().everyParts) {
    await expect.poll(() => store.pricing().client(clientId)).toBeDefined();
  }
  return { clientId, token: await world().parts.signToken(clientId, 3600) };
}

/** Makes the tokens that were taken so many milliseconds older. */
const pass = (ms: number) => world().database.query(
  'update rate_count set quarter = quarter - $1', [ms / 250]);

const headersOf = ({ token }: Limited) => ({ ...JSON_TYPE, authorization: `Bearer ${token}` });

const createNothing = (url: string, client: Limited) => fetch(`${url}/api/v1/topups/orders`, {
  method: 'POST', body: '{}', headers: headersOf(client),
});

const count = (values: readonly unknown[], value: unknown): number =>
  values.filter((each) => each === value).length;

describe('limits', () => {
  it('are shared by all processes, and count what is refused for its form', async () => {
    // The demo's own client 3 has what the site's sandbox has.
    const client = { clientId: 3, token: world().token(3) };
    const statuses = await Promise.all(Array.from({ length: 300 }, async (_, n) =>
      (await createNothing(urls[n % 3] ?? '', client)).status));
    const { sandbox: { 'orders.create': allowed } } = DEFAULT_RATES;
    expect(allowed).toBe(120);
    expect([count(statuses, 400), count(statuses, 429)]).toEqual([allowed, 300 - allowed]);
  });

  it('are told on every answer of their class', async () => {
    const client = await limited({ 'orders.create': 2 });
    const told = async () => {
      const response = await createNothing(urls[0] ?? '', client);
      const { headers } = response;
      return {
        status: response.status,
        policy: headers.get('ratelimit-policy'),
        rate: headers.get('ratelimit')?.replace(/t=\d+$/, 't'),
        limit: headers.get('x-ratelimit-limit'),
        remaining: headers.get('x-ratelimit-remaining'),
      };
    };
    const policy = '"orders.create";q=2;w=60';
    const each = { policy, limit: '2' };
    const rate = (left: number) => ({ rate: `"orders.create";r=${left};t`, remaining: `${left}` });
    expect(await told()).toEqual({ status: 400, ...each, ...rate(1) });
    expect(await told()).toEqual({ status: 400, ...each, ...rate(0) });
    expect(await told()).toEqual({ status: 429, ...each, ...rate(0) });
    // Another class has tokens of its own.
    const read = await fetch(`${urls[0]}/api/v1/topups/orders?client_reference=none`, {
      headers: headersOf(client),
    });
    expect([read.status, read.headers.get('x-ratelimit-limit')]).toEqual([200, '600']);
  });

  it('say when to come back, and mean it', async () => {
    const client = await limited({ 'orders.create': 1 });
    await createNothing(urls[0] ?? '', client);
    await pass(50_000);
    const refused = await createNothing(urls[0] ?? '', client);
    const seconds = Number(refused.headers.get('retry-after'));
    expect(seconds).toBeGreaterThan(5);
    expect(seconds).toBeLessThanOrEqual(11);
    expect(Number(refused.headers.get('x-ratelimit-reset'))).toBeLessThanOrEqual(11);
    expect(await refused.json()).toEqual({ error: {
      name: 'TooManyRequestsError', code: 'TOO_MANY_REQUESTS',
      message: `Rate limit exceeded. Retry after ${seconds} seconds.`,
      request_id: refused.headers.get('x-request-id'),
    } });
    // Each time a process that has not refused yet, and remembers nothing of it.
    await pass(2000);
    expect((await createNothing(urls[1] ?? '', client)).status).toBe(429);
    await pass(seconds * 1000 - 2000);
    expect((await createNothing(urls[2] ?? '', client)).status).toBe(400);
  });

  it('count a long page of transactions by what is on it', async () => {
    const client = await limited({ read: 30 });
    const walletId = 7_000;
    await world().database.query(`with opened as (
        insert into wallet (client_id, id, currency, balance) values ($1, $2, 'USD', 1100)
        returning client_id, id, currency
      )
      insert into transfer (client_id, reason, debit_account, credit_account, wallet_id, amount,
        currency, balance_after, remarks)
      select client_id, 'FUNDING', 'EXTERNAL', 'WALLET', id, 1, currency, n, 'One of many'
      from opened, generate_series(1, 1100) n`, [client.clientId, walletId]);
    const page = async (query: string) => {
      const response = await fetch(
        `${urls[0]}/api/v1/transactions?wallet_id=${walletId}&${query}`,
        { headers: headersOf(client) },
      );
      told = Number(response.headers.get('x-ratelimit-remaining'));
      return [response.status, response.headers.get('x-page-size')];
    };
    let told = 0;
    const left = async () => {
      const [row] = await world().database.query<{ remaining: number }>(
        `select remaining from take_token($1, 'read', '', 0, 30)`, [client.clientId]);
      return row?.remaining;
    };
    expect([await page('limit=500'), await left()]).toEqual([[200, '500'], 29]);
    expect([await page('limit=501'), await left()]).toEqual([[200, '501'], 27]);
    // What was taken for what is not there is given back.
    expect([await page('limit=10000'), told, await left()]).toEqual([[200, '1100'], 24, 24]);
    expect([await page('limit=10000&page=2'), await left()]).toEqual([[200, '0'], 23]);
    expect([await page('limit=0'), await left()]).toEqual([[400, null], 22]);
    await page('limit=1000');
    await page('limit=1000');
    // Twenty are not there for as long as the page may have 10,000.
    expect([await page('limit=10000'), await left()]).toEqual([[429, null], 18]);
    expect([await page('limit=5000'), await left()]).toEqual([[200, '1100'], 15]);
    // Nor does a page that cannot be read cost more than it would in vain.
    await world().database.query('alter table transfer rename to transfer_away');
    expect([await page('limit=5000'), told, await left()]).toEqual([[500, null], 14, 14]);
    await world().database.query('alter table transfer_away rename to transfer');
    expect([await page('limit=5000&wallet_id=1'), told]).toEqual([[400, null], 13]);
  });

  it('let a long page through at the time that was told, however few a minute has', async () => {
    const few = await limited({ read: 4 });
    const some = await limited({ read: 30 });
    const page = async (client: Limited, limit: number, url = urls[0]) => {
      const response = await fetch(
        `${url}/api/v1/transactions?wallet_id=1&limit=${limit}`, { headers: headersOf(client) },
      );
      return [response.status, Number(response.headers.get('retry-after'))] as const;
    };
    // Neither has a wallet.
    expect((await page(few, 10_000))[0]).toBe(404);
    for (let count = 0; count < 12; count += 1) expect((await page(some, 20))[0]).toBe(404);
    const [refused, seconds] = await page(some, 10_000);
    expect(refused).toBe(429);
    await pass(seconds * 1000);
    // By a process that remembers no refusal: the time that passed is the database's.
    expect((await page(some, 10_000, urls[1]))[0]).toBe(404);
  });

  it('keep back no page whose tokens cannot be put back', async () => {
    const client = await limited({ read: 30 });
    const walletId = 7_001;
    const { query } = world().database;
    await query("insert into wallet (client_id, id, currency) values ($1, $2, 'USD')",
      [client.clientId, walletId]);
    const rename = (from: string, to: string) => query(
      `alter function ${from}(bigint, text, text, int) rename to ${to}`);
    await rename('give_tokens_back', 'keep_tokens');
    try {
      const page = await fetch(
        `${urls[0]}/api/v1/transactions?wallet_id=${walletId}&limit=10000`,
        { headers: headersOf(client) },
      );
      expect([page.status, await page.json()]).toEqual([200, []]);
      // Nor is it told that they were.
      expect(page.headers.get('x-ratelimit-remaining')).toBe('10');
    } finally {
      await rename('keep_tokens', 'give_tokens_back');
    }
  });

  it('roll: no 60 seconds have more than the limit, wherever they begin', async () => {
    const take = async () => (await world().database.query<{ is_admitted: boolean }>(
      `select is_admitted from take_token(3, 'lookup', '', 1, 4)`))[0]?.is_admitted;
    expect([await take(), await take()]).toEqual([true, true]);
    await pass(30_000);
    expect([await take(), await take(), await take()]).toEqual([true, true, false]);
    await pass(29_500);
    expect(await take()).toBe(false);
    await pass(1000);
    expect([await take(), await take(), await take()]).toEqual([true, true, false]);
  });

  it('cost an unlimited client nothing, and are not told', async () => {
    const token = world().token(1);
    for (const { read } of TRANSPORTS) expect(await read(urls[0] ?? '', token)).toBe('OK');
    const response = await createNothing(urls[0] ?? '', { clientId: 1, token });
    expect(response.status).toBe(400);
    expect([...response.headers.keys()].filter((name) => name.includes('ratelimit'))).toEqual([]);
    expect(await world().database.query('select * from rate_count')).toEqual([]);
  });

  it('follow the settings of the client', async () => {
    const client = await limited({ 'orders.create': 0 });
    expect((await createNothing(urls[0] ?? '', client)).status).toBe(429);
    await world().database.query('update client_rate set per_minute = 5 where client_id = $1',
      [client.clientId]);
    await expect.poll(async () => (await createNothing(urls[0] ?? '', client)).status, {
      timeout: 5000,
    }).toBe(400);
  });
});

describe.each(TRANSPORTS)('a create at $name', ({ name, create }) => {
  it('costs one token of orders.create, whichever door it came through', async () => {
    const { token } = await limited({ 'orders.create': 3 });
    // Without a wallet; what is refused counts as well.
    for (const transport of TRANSPORTS) {
      expect(await transport.create(urls[1] ?? '', token)).toMatch(/^(OK|404 NOT_FOUND)$/);
    }
    expect(await create(urls[2] ?? '', token))
      .toBe(name === 'REST' ? '429 TOO_MANY_REQUESTS' : 'RATE_LIMITED');
  });
});

it('nothing is told to be reset before it may be tried again', () => {
  const refused = { isAdmitted: false, limit: 5, remaining: 0, retryAfterMs: 60_250 };
  expect(rateHeaders('voucher.guesses', { ...refused, resetInMs: 60_000 }))
    .toMatchObject({ 'x-ratelimit-reset': '61', ratelimit: '"voucher.guesses";r=0;t=61' });
  expect(rateHeaders('read', { ...refused, resetInMs: 90_000 }))
    .toMatchObject({ 'x-ratelimit-reset': '90', ratelimit: '"read";r=0;t=61' });
});

describe('over GraphQL', () => {
  const PLAIN = 'application/json';
  const viewer = { query: '{ viewer { name } }' };
  const ask = async (client: Limited, asked: object = viewer) => {
    const response = await fetch(`${urls[0]}/graphql`, {
      method: 'POST',
      headers: { accept: 'application/graphql-response+json', ...headersOf(client) },
      body: JSON.stringify(asked),
    });
    return { response, body: await response.json() as { errors?: readonly object[] } };
  };

  it('a limit is told in headers, and refused with 429 and retryAfter', async () => {
    const client = await limited({ read: 1 });
    const first = await ask(client);
    expect([first.response.status, first.response.headers.get('ratelimit-policy')])
      .toEqual([200, '"read";q=1;w=60']);
    const { response, body } = await ask(client);
    const retryAfter = Number(response.headers.get('retry-after'));
    expect([response.status, response.headers.get('x-ratelimit-remaining')]).toEqual([429, '0']);
    expect(body.errors).toEqual([expect.objectContaining({
      message: `Rate limit exceeded. Retry after ${retryAfter} seconds.`,
      extensions: expect.objectContaining({ code: 'RATE_LIMITED', retryAfter }),
    })]);
  });

  it('more than a whole minute has is refused as too much, not until later', async () => {
    const client = await limited({ read: 3 });
    const page = { query: '{ topupOrders(first: 100) { edges { node { charge { amount } } } } }' };
    const { response, body } = await ask(client, page);
    expect([response.status, response.headers.has('retry-after')]).toEqual([422, false]);
    expect(body).toMatchObject({
      errors: [{
        message: 'The operation may cost 4 of the points that this client has 3 of a minute',
        extensions: { code: 'LIMIT_EXCEEDED' },
      }],
      extensions: { cost: { requestedQueryCost: 4, actualQueryCost: null } },
    });
    // It counts as what is refused for its form does.
    expect(response.headers.get('x-ratelimit-remaining')).toBe('2');
    for (const status of [422, 422, 429]) {
      expect((await ask(client, page)).response.status).toBe(status);
    }
  });

  it('what a client may never do is refused so', async () => {
    const client = await limited({ 'orders.create': 0 });
    const { response, body } = await ask(client, { query: `mutation { createTopupOrder(input: {
      productId: 4218, amount: "4.99" }) { order { id } } }` });
    expect([response.status, response.headers.has('retry-after')]).toEqual([422, false]);
    expect(body).toMatchObject({ errors: [{ extensions: { code: 'LIMIT_EXCEEDED' } }] });
  });

  it.each([
    ['no JSON', 400, '{'],
    ['several operations', 400, JSON.stringify([viewer])],
    ['no text of an operation', 422, '{"query":5}'],
    ['no operation', 422, '{}'],
    ['too much', 413, JSON.stringify({ query: `{ viewer { name } } #${'x'.repeat(70_000)}` })],
    ['another type', 415, 'query=x', 'application/x-www-form-urlencoded'],
    ['another charset', 415, JSON.stringify(viewer), 'application/json; charset=latin1'],
  ])('%s is refused with %i, and counts', async (_what, status, body, type = PLAIN) => {
    const client = await limited({ read: 2 });
    const post = async () => {
      const { status: answered, headers } = await fetch(`${urls[0]}/graphql`, {
        method: 'POST', headers: { ...headersOf(client), 'content-type': type }, body,
      });
      return [answered, headers.get('ratelimit')?.split(';t')[0], headers.has('retry-after')];
    };
    expect(await post()).toEqual([status, '"read";r=1', false]);
    expect(await post()).toEqual([status, '"read";r=0', false]);
    expect(await post()).toEqual([429, '"read";r=0', true]);
  });

  it('over the socket the operation is refused, and the socket stays', async () => {
    const { token } = await limited({ read: 1 });
    const socket = new TokenSocket(urls[0] ?? '', token);
    try {
      expect(await socket.greeted()).toBe('connection_ack');
      expect((await socket.run(viewer.query)).type).toBe('next');
      await socket.finished();
      const { type, payload } = await socket.run(viewer.query);
      expect([type, payload]).toEqual(['error', [expect.objectContaining({
        extensions: expect.objectContaining({
          code: 'RATE_LIMITED', retryAfter: expect.any(Number),
        }),
      })]]);
      expect((await socket.run('{ nonsense }')).type).toBe('error');
    } finally {
      socket.end();
    }
  });
});

describe('voucher codes', () => {
  const body = (code: string) => JSON.stringify({
    product_id: 4218, amount: 4.99, redeem_voucher_code: code,
    input_data: { player_id: '5123456789', server: 'asia' },
  });
  const byRest = async (client: Limited, code: string, url = urls[0]): Promise<string> => {
    const response = await fetch(`${url}/api/v1/topups/orders`, {
      method: 'POST', headers: headersOf(client), body: body(code),
    });
    const { error } = await response.json() as { error?: { message: string } };
    return `${response.status} ${error?.message ?? ''}`;
  };
  const byGraphql = async (client: Limited, code: string): Promise<string> => {
    const response = await fetch(`${urls[1]}/graphql`, {
      method: 'POST',
      headers: headersOf(client),
      body: JSON.stringify({ query: `mutation { createTopupOrder(input: { productId: 4218,
        amount: "4.99", redeemVoucherCode: "${code}", inputData: [
          { name: "player_id", value: "5123456789" }, { name: "server", value: "asia" }] })
        { order { orderId } userErrors { code } } }` }),
    });
    const { data, errors } = await response.json() as {
      data: { createTopupOrder: { userErrors: readonly { code: string }[] } } | null;
      errors?: readonly { extensions: { code: string; retryAfter?: number } }[];
    };
    const limit = errors?.[0]?.extensions;
    expect(response.headers.get('retry-after')).toBe(limit?.retryAfter?.toString() ?? null);
    return limit?.code ?? data?.createTopupOrder.userErrors[0]?.code ?? 'PLACED';
  };
  const INVALID = '400 Voucher code is invalid or already redeemed';
  const guess = (n: number) => `GUESS-000${n}`;

  it('may be guessed wrong five times a minute, by both doors together', async () => {
    const client = await limited();
    const told = [
      await byRest(client, guess(1)), await byGraphql(client, guess(2)),
      await byRest(client, 'DEMO-0499-AAAA'),
      await byGraphql(client, guess(4)), await byRest(client, guess(5)),
    ];
    expect(told).toEqual([INVALID, 'VOUCHER_INVALID', INVALID, 'VOUCHER_INVALID', INVALID]);
    expect(await byRest(client, guess(6))).toMatch(
      /^429 Rate limit exceeded\. Retry after \d+ seconds\.$/);
    expect(await byGraphql(client, guess(7))).toBe('RATE_LIMITED');
    await pass(70_000);
    await expect.poll(() => byRest(client, guess(8)), { timeout: 30_000 }).toBe(INVALID);
  });

  it('many at once get no further than one after the other', async () => {
    const client = await limited();
    const told = await Promise.all(Array.from({ length: 30 }, (_, n) => byRest(client, guess(n))));
    expect(count(told, INVALID)).toBe(5);
    expect(told.filter((each) => each.startsWith('429'))).toHaveLength(25);
  });

  it('that are good are all taken, however many come at once to two processes', async () => {
    const client = await limited();
    const codes = Array.from({ length: 40 }, (_, n) => `GOOD-${client.clientId}-${n}`);
    await world().database.query(`insert into voucher
      (client_id, code_hash, code_last4, value, currency, state)
      select $1, unnest($2::text[]), 'GOOD', 4.99, 'USD', 'DELIVERED'`,
    [client.clientId, codes.map((code) => hashVoucherCode(code.replaceAll('-', '')))]);
    for (let n = 1; n <= 2; n += 1) expect(await byRest(client, guess(n))).toBe(INVALID);
    const told = await Promise.all(codes.map((code, n) => n % 2 === 0
      ? byRest(client, code, urls[n % 4 / 2]) : byRest(client, code.toLowerCase())));
    expect(count(told, '200 ')).toBe(40);
    for (let n = 3; n <= 5; n += 1) expect(await byRest(client, guess(n))).toBe(INVALID);
    expect(await byRest(client, guess(6))).toMatch(/^429 /);
  });

  it('that are good, or of another value, cost no guess', async () => {
    const client = await limited();
    await world().database.query(`insert into voucher
      (client_id, code_hash, code_last4, value, currency, state)
      select $1, code_hash, code_last4, value, currency, 'DELIVERED' from voucher
      where client_id = 1 and code_last4 in ('BBBB', 'CCCC')`, [client.clientId]);
    for (let n = 1; n <= 4; n += 1) expect(await byRest(client, guess(n))).toBe(INVALID);
    for (let n = 1; n <= 3; n += 1) {
      expect(await byRest(client, 'DEMO-0999-CCCC'))
        .toBe('400 Voucher value does not match the order amount');
    }
    expect(await byRest(client, 'demo 0499 bbbb')).toBe('200 ');
    expect(await byGraphql(client, guess(5))).toBe('VOUCHER_INVALID');
    expect(await byGraphql(client, 'DEMO-0499-BBBB')).toBe('RATE_LIMITED');
  });

  it('of unlimited clients may be guessed for ever', async () => {
    const client = { clientId: 2, token: world().token(2) };
    const told = await Promise.all(Array.from({ length: 12 }, (_, n) => byRest(client, guess(n))));
    expect(count(told, INVALID)).toBe(12);
  });
});

describe('login and refresh', () => {
  const logIn = async (username: string, password = 'x') =>
    (await postAuth(urls[0] ?? '', 'login', { body: { username, password } })).status;

  it('are limited by client before any secret is compared', async () => {
    const { apiKey, apiSecret } = LIMITED_KEY;
    const wrong = await Promise.all(Array.from({ length: 30 }, () => logIn(apiKey)));
    expect(count(wrong, 401)).toBe(DEFAULT_RATES.sandbox.login);
    const { status, headers } = await postAuth(urls[1] ?? '', 'login', {
      body: { username: apiKey, password: apiSecret },
    });
    expect([status, headers.get('ratelimit-policy')]).toEqual([429, '"login";q=30;w=60']);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    await pass(70_000);
    await expect.poll(() => logIn(apiKey, apiSecret), { timeout: 30_000 }).toBe(200);
  });

  it('keep no name that was made up, and forget who has not come for long', async () => {
    await Promise.all(Array.from({ length: 5 }, (_, n) => logIn(`made-up-${n}`)));
    const rows = await world().database.query('select * from rate_count');
    expect(rows).toHaveLength(6);
    expect(JSON.stringify(rows)).not.toContain('made-up');
    await world().database.query('update rate_count set quarter = quarter - 2000');
    // Each comes to a few pages of those that there are.
    let name = 5;
    await expect.poll(async () => {
      await logIn(`made-up-${name += 1}`);
      return world().database.query('select * from rate_count where client_id = 0 and quarter > 0'
        + ' and quarter < extract(epoch from now()) * 4 - 1000');
    }, { timeout: 10_000, interval: 5 }).toEqual([]);
  });

  it('of a key that nobody has are limited by its name, and then by address', async () => {
    const wrong = await Promise.all(Array.from({ length: 31 }, () => logIn('nobody')));
    expect([count(wrong, 401), count(wrong, 429)]).toEqual([30, 1]);
    expect(await logIn('somebody else')).toBe(401);
    await world().database.query(`update rate_count set slots[241] = 300
      where class = 'login.address'`);
    expect(await logIn('a third one')).toBe(429);
    // Clients who have a key are not shut out by strangers behind the same address.
    expect(await logIn(DEMO_API_KEYS[0].apiKey, DEMO_API_KEYS[0].apiSecret)).toBe(200);
  });

  it('refreshes are counted by client', async () => {
    const { apiKey, apiSecret } = LIMITED_KEY;
    const first = await postAuth(urls[0] ?? '', 'login', {
      body: { username: apiKey, password: apiSecret },
    });
    await world().database.query(`insert into rate_count
      values (3, 'refresh', '', extract(epoch from now()) * 4, array_fill(0, array[240]) || 30)`);
    const { status } = await postAuth(urls[0] ?? '', 'refresh', {
      body: { refresh_token: first.body.data?.refresh_token },
    });
    expect(status).toBe(429);
  });
});
