import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { DEMO_API_KEYS } from '../../src/demo/demo-keys.ts';
import type { NewApiKey } from '../../src/domain/api-key.ts';
import { runKeysCommand } from '../../src/keys-command.ts';
import { logIn, makeKey, postAuth, TokenSocket, TRANSPORTS } from '../support/access.ts';
import { JSON_TYPE } from '../support/doors.ts';
import { VOUCHER_KEY } from '../support/voucher-hash.ts';
import { signTestToken } from '../support/sign-token.ts';
import { useWorld, TOKEN_SIGNING_KEY } from '../support/world.ts';

const world = useWorld({ role: 'gateway' });
const REVOKED_WITHIN_MS = 5000;
const [DEMO_KEY] = DEMO_API_KEYS;
let otherUrl = '';

beforeAll(async () => {
  // A process of its own memory over the same database.
  otherUrl = (await world().startProcess('gateway'))?.url ?? '';
  await world().database.query(`insert into client (client_id, name, is_rate_limited)
    select n, 'Client ' || n, false from generate_series(51, 73) n`);
  await world().database.query(`insert into wallet (client_id, id, currency, is_default)
    select n, n, 'USD', true from generate_series(51, 73) n`);
});

const post = (path: 'login' | 'refresh' | 'logout', body?: unknown, headers = {}) =>
  postAuth(world().gateway.url, path, { body, headers });
const credentials = ({ id, secret }: NewApiKey) => ({ username: id, password: secret });

/** Both processes, each asked until it refuses; fails after what is promised. */
async function refusedEverywhere(token: string): Promise<readonly string[]> {
  const deadline = performance.now() + REVOKED_WITHIN_MS;
  return Promise.all([world().gateway.url, otherUrl].map(async (url) => {
    for (;;) {
      const code = await TRANSPORTS[0]?.read(url, token) ?? '';
      if (code !== 'OK' || performance.now() > deadline) return code;
      await delay(20);
    }
  }));
}

describe('login', () => {
  it('gives an access token for an hour and a refresh token for seven days', async () => {
    const { status, body, headers } = await post('login', {
      username: DEMO_KEY.apiKey, password: DEMO_KEY.apiSecret,
    });
    expect([status, body.success, body.data?.client_id]).toEqual([200, true, 1]);
    expect(headers.get('cache-control')).toBe('no-store');
    const seconds = (text = '') => (Date.parse(text) - Date.now()) / 1000;
    expect(body.data?.access_expires_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect(seconds(body.data?.access_expires_at)).toBeCloseTo(3600, -2);
    expect(seconds(body.data?.refresh_expires_at)).toBeCloseTo(7 * 24 * 3600, -2);
    const token = body.data?.access_token ?? '';
    expect(decodeProtectedHeader(token)).toEqual({ alg: 'HS256', typ: 'at+jwt' });
    expect(decodeJwt(token)).toMatchObject({
      iss: 'topup-gateway/sandbox', aud: 'topup-api/sandbox', sub: '1',
    });
  });

  it.each(TRANSPORTS)('opens $name in every process', async ({ read, create }) => {
    const { access } = await logIn(world(), { id: DEMO_KEY.apiKey, secret: DEMO_KEY.apiSecret });
    expect(await read(world().gateway.url, access)).toBe('OK');
    expect(await create(otherUrl, access)).toBe('OK');
  });

  const { apiKey, apiSecret } = DEMO_KEY;
  it.each<[string, unknown, number, string]>([
    ['nothing', {}, 400, 'Username and password are required'],
    ['no password', { username: apiKey }, 400, 'Username and password are required'],
    ['an empty username', { username: '', password: 'x' }, 400,
      'Username and password are required'],
    ['a number', { username: 1, password: 'x' }, 400, 'Username and password are required'],
    ['another secret', { username: apiKey, password: `${apiSecret}0` }, 401, 'Invalid credentials'],
    ['a short secret', { username: apiKey, password: 'x' }, 401, 'Invalid credentials'],
    ['its hash', { username: apiKey, password: 'a'.repeat(64) }, 401, 'Invalid credentials'],
    ['the secret of another client', {
      username: apiKey, password: DEMO_API_KEYS[1].apiSecret,
    }, 401, 'Invalid credentials'],
    ['an unknown key', {
      username: 'tgk_sandbox_1_ffffffffffffffff', password: apiSecret,
    }, 401, 'Invalid credentials'],
    ['a key of production', {
      username: apiKey.replace('sandbox', 'production'), password: apiSecret,
    }, 401, 'Invalid credentials'],
    ['SQL', { username: `' or 1=1 --`, password: apiSecret }, 401, 'Invalid credentials'],
    ['a zero byte', { username: `${apiKey}\u0000`, password: apiSecret }, 401,
      'Invalid credentials'],
  ])('refuses %s', async (_name, body, status, message) => {
    const answer = await post('login', body);
    const [name, code] = status === 400
      ? ['ValidationException', 'VALIDATION_FAILURE'] : ['UnauthorizedError', 'UNAUTHORIZED'];
    expect(answer.status).toBe(status);
    expect(answer.body.error).toMatchObject({ name, code, message });
  });

  it('refuses revoked and expired keys, and those of a client that is not active', async () => {
    const key = await makeKey(world(), 51);
    const { query } = world().database;
    const secondsAgo = `now() - interval '1 second'`;
    for (const [spoil, mend] of [
      [`update api_key set revoked_at = now() where client_id = 51`,
        'update api_key set revoked_at = null where client_id = 51'],
      [`update api_key set expires_at = ${secondsAgo} where client_id = 51`,
        'update api_key set expires_at = null where client_id = 51'],
      ['update client set is_active = false where client_id = 51',
        'update client set is_active = true where client_id = 51'],
    ] as const) {
      await query(spoil);
      expect((await post('login', credentials(key))).body.error?.message).toBe(
        'Invalid credentials');
      await query(mend);
    }
    expect((await post('login', credentials(key))).status).toBe(200);
  });

  it('gives no token that outlives its key', async () => {
    const expiresAt = new Date(Date.now() + 600_000);
    const key = await makeKey(world(), 52, { expiresAt });
    const { body } = await post('login', credentials(key));
    const atMost = `${expiresAt.toISOString().slice(0, 19)}Z`;
    expect([body.data?.access_expires_at, body.data?.refresh_expires_at])
      .toEqual([atMost, atMost]);
  });

  it('notes at most once a minute that a key was used', async () => {
    const key = await makeKey(world(), 53);
    const usedAt = async () => (await world().database.query(
      'select last_used_at from api_key where id = $1', [key.id]))[0]?.['last_used_at'];
    expect(await usedAt()).toBeNull();
    await logIn(world(), key);
    const first = await usedAt();
    await logIn(world(), key);
    expect(await usedAt()).toEqual(first);
    expect(first).toBeInstanceOf(Date);
  });
});

describe('refresh', () => {
  const refreshed = async (token: unknown) => post('refresh', { refresh_token: token });

  it('gives new tokens, once', async () => {
    const { refresh } = await logIn(world(), await makeKey(world(), 54));
    const next = await refreshed(refresh);
    expect([next.status, next.body.data?.client_id]).toEqual([200, 54]);
    expect(await TRANSPORTS[0]?.read(otherUrl, next.body.data?.access_token ?? '')).toBe('OK');
    expect((await refreshed(next.body.data?.refresh_token)).status).toBe(200);
  });

  it('ends the whole family where a token is shown again, and no other', async () => {
    const key = await makeKey(world(), 55);
    const stolen = await logIn(world(), key);
    const apart = await logIn(world(), key);
    const next = (await refreshed(stolen.refresh)).body.data;
    expect((await refreshed(stolen.refresh)).status).toBe(401);
    expect((await refreshed(next?.refresh_token)).status).toBe(401);
    expect(await refusedEverywhere(next?.access_token ?? ''))
      .toEqual(['401 UNAUTHORIZED', '401 UNAUTHORIZED']);
    expect(await refusedEverywhere(stolen.access))
      .toEqual(['401 UNAUTHORIZED', '401 UNAUTHORIZED']);
    expect((await refreshed(apart.refresh)).status).toBe(200);
  });

  it('lets one of many that race win', async () => {
    const { refresh } = await logIn(world(), await makeKey(world(), 56));
    const statuses = await Promise.all(Array.from({ length: 8 }, async (_, n) =>
      (await postAuth(n % 2 === 0 ? world().gateway.url : otherUrl, 'refresh', {
        body: { refresh_token: refresh },
      })).status));
    expect(statuses.toSorted()).toEqual([200, ...Array<number>(7).fill(401)]);
  });

  it('takes no access token, and is none', async () => {
    const { access, refresh } = await logIn(world(), await makeKey(world(), 57));
    expect((await refreshed(access)).body.error).toMatchObject({
      code: 'UNAUTHORIZED', message: 'Invalid or expired token',
    });
    for (const { read } of TRANSPORTS) {
      expect(await read(world().gateway.url, refresh))
        .toMatch(/^(401 UNAUTHORIZED|UNAUTHENTICATED|4403 Forbidden)$/);
    }
  });

  it.each([
    [undefined, 400], ['', 400], [7, 400], ['x', 401], ['a.b.c', 401], ['x'.repeat(5000), 401],
  ])('refuses %j', async (token, status) => {
    expect((await refreshed(token)).status).toBe(status);
  });
});

describe('logout', () => {
  it('ends all tokens of the client in every process, open sockets too', async () => {
    const key = await makeKey(world(), 58);
    const [one, two] = [await logIn(world(), key), await logIn(world(), key)];
    const signed = await world().parts.signToken(58, 3600);
    const sockets = [world().gateway.url, otherUrl].map((url) => new TokenSocket(url, two.access));
    for (const socket of sockets) expect(await socket.greeted()).toBe('connection_ack');

    const bearer = { authorization: `Bearer ${one.access}` };
    const startedMs = performance.now();
    const answer = await post('logout', undefined, bearer);
    expect([answer.status, answer.body]).toEqual([200, { success: true, data: {} }]);
    expect(await Promise.all(sockets.map(({ closed }) => closed)))
      .toEqual(['4403 Token revoked', '4403 Token revoked']);
    for (const token of [one.access, two.access, signed]) {
      expect(await refusedEverywhere(token)).toEqual(['401 UNAUTHORIZED', '401 UNAUTHORIZED']);
    }
    expect(performance.now() - startedMs).toBeLessThan(REVOKED_WITHIN_MS);
    expect((await post('refresh', { refresh_token: two.refresh })).status).toBe(401);
    expect((await post('logout', undefined, bearer)).status).toBe(401);
    const after = await logIn(world(), key);
    expect(await TRANSPORTS[0]?.read(otherUrl, after.access)).toBe('OK');
    const refreshed = await post('refresh', { refresh_token: after.refresh });
    expect(await TRANSPORTS[0]?.read(otherUrl, refreshed.body.data?.access_token ?? ''))
      .toBe('OK');
  });

  it.each([
    ['REST', 72, '/api/v1/topups/orders', {
      product_id: 4218, amount: '4.99', input_data: { player_id: '5123456789', server: 'asia' },
    }],
    ['GraphQL', 73, '/graphql', { query: `mutation { createTopupOrder(input: {
      productId: 4218, amount: "4.99", inputData: [
        {name: "player_id", value: "5123456789"}, {name: "server", value: "asia"}]}) {
      order { id } } }` }],
  ])('ends a request to %s whose body is on its way', async (_door, clientId, path, body) => {
    const { access } = await logIn(world(), await makeKey(world(), clientId));
    const text = JSON.stringify(body);
    const sent = request(`${world().gateway.url}${path}`, { method: 'POST', headers: {
      ...JSON_TYPE, 'content-length': text.length, authorization: `Bearer ${access}`,
      // Answered once the headers were taken.
      expect: '100-continue',
    } });
    const answered = once(sent, 'response') as Promise<[IncomingMessage]>;
    sent.flushHeaders();
    await once(sent, 'continue');
    sent.write(text.slice(0, 5));
    // What is read behind it was read after it.
    await expect.poll(() => TRANSPORTS[0]?.read(world().gateway.url, access)).toBe('OK');
    expect((await post('logout', undefined, { authorization: `Bearer ${access}` })).status)
      .toBe(200);
    expect(await refusedEverywhere(access)).toEqual(['401 UNAUTHORIZED', '401 UNAUTHORIZED']);
    sent.end(text.slice(5));
    const [answer] = await answered;
    answer.resume();
    expect([answer.statusCode, answer.headers['www-authenticate']]).toEqual([401, 'Bearer']);
    const placed = 'select from topup_order where client_id = $1';
    expect(await world().database.query(placed, [clientId])).toEqual([]);
  });

  it('needs a token', async () => {
    expect((await post('logout')).body.error?.message).toBe('Authorization header required');
  });
});

describe('what was taken back', () => {
  it.each<[string, (clientId: number, key: NewApiKey) => readonly [string, unknown[]]]>([
    ['a key', (_, { id }) => ['update api_key set revoked_at = now() where id = $1', [id]]],
    ['a client', (id) => ['update client set is_active = false where client_id = $1', [id]]],
    ['an address', (id) => ['insert into client_network values ($1, $2)', [id, '203.0.113.0/24']]],
  ])('%s: tokens are refused in every process, and sockets closed', async (what, statement) => {
    const clientId = { 'a key': 59, 'a client': 60 }[what] ?? 61;
    const key = await makeKey(world(), clientId);
    const { access } = await logIn(world(), key);
    const sockets = [world().gateway.url, otherUrl].map((url) => new TokenSocket(url, access));
    for (const socket of sockets) expect(await socket.greeted()).toBe('connection_ack');
    const startedMs = performance.now();
    await world().database.query(...statement(clientId, key));
    expect(await Promise.all(sockets.map(({ closed }) => closed)))
      .toEqual(['4403 Token revoked', '4403 Token revoked']);
    const refused = what === 'an address' ? '403 FORBIDDEN' : '401 UNAUTHORIZED';
    expect(await refusedEverywhere(access)).toEqual([refused, refused]);
    expect(performance.now() - startedMs).toBeLessThan(REVOKED_WITHIN_MS);
  });

  it('a key, for as long as a token of it may live', async () => {
    const key = await makeKey(world(), 62);
    const { access } = await logIn(world(), key);
    await world().database.query(
      `update api_key set revoked_at = now() - interval '61 minutes' where id = $1`, [key.id]);
    expect(await refusedEverywhere(access)).toEqual(['401 UNAUTHORIZED', '401 UNAUTHORIZED']);
  });

  it('a single token, by its id', async () => {
    const [bad, good] = await Promise.all([1, 2].map(() => world().parts.signToken(62, 3600)));
    expect(await TRANSPORTS[0]?.read(otherUrl, bad ?? '')).toBe('OK');
    await world().database.query(
      `insert into revoked_token values (62, $1, now() + interval '1 hour')`,
      [decodeJwt(bad ?? '').jti]);
    expect(await refusedEverywhere(bad ?? '')).toEqual(['401 UNAUTHORIZED', '401 UNAUTHORIZED']);
    expect(await TRANSPORTS[0]?.read(otherUrl, good ?? '')).toBe('OK');
  });
});

describe.each(TRANSPORTS)('at $name', ({ name, read, create }) => {
  const forbidden = name === 'REST' ? '403 FORBIDDEN' : 'FORBIDDEN';

  it('a key does what its scopes allow and nothing else', async () => {
    const clientId = { REST: 63, GraphQL: 64 }[name] ?? 65;
    const reader = await logIn(world(), await makeKey(world(), clientId, { scopes: ['read'] }));
    const writer = await logIn(world(),
      await makeKey(world(), clientId, { scopes: ['orders:write'] }));
    const { url } = world().gateway;
    expect([await read(url, reader.access), await create(url, reader.access)])
      .toEqual(['OK', forbidden]);
    expect(await read(url, writer.access)).toBe(forbidden);
    // It gets as far as the money.
    expect(await create(url, writer.access)).toMatch(/^(OK|400 INSUFFICIENT_FUNDS)$/);
    const placed = await world().database.query(
      'select 1 from topup_order where client_id = $1', [clientId]);
    expect(placed).toEqual([]);
  });

  it('a token counts for half a minute after its end, as clocks differ', async () => {
    const { url } = world().gateway;
    const sign = (ttlSeconds: number): Promise<string> => signTestToken({
      signingKey: TOKEN_SIGNING_KEY, environment: 'sandbox', clientId: 1, ttlSeconds,
    });
    expect(await read(url, await sign(-5))).toBe('OK');
    expect(await read(url, await sign(-31))).toMatch(
      name === 'WebSocket' ? /^4403 / : /UNAUTHENTICATED|UNAUTHORIZED/,
    );
  });

  it('a client calls from its networks only', async () => {
    const clientId = { REST: 66, GraphQL: 67 }[name] ?? 68;
    const key = await makeKey(world(), clientId);
    const { access } = await logIn(world(), key);
    const { url } = world().gateway;
    await world().database.query(
      'insert into client_network values ($1, $2), ($1, $3)',
      [clientId, '203.0.113.0/24', '2001:db8::/32']);
    const refused = name === 'WebSocket' ? '4403 Forbidden' : forbidden;
    await expect.poll(() => read(url, access)).toBe(refused);
    // Whoever is no proxy of ours may write what they like.
    const spoofed = await read(url, access, { 'x-forwarded-for': '203.0.113.7' });
    expect(spoofed).toBe(refused);
    const login = await post('login', credentials(key));
    expect([login.status, login.body.error]).toEqual([403, expect.objectContaining({
      name: 'ForbiddenError', code: 'FORBIDDEN', message: 'IP address not authorized',
    })]);
    await world().database.query(
      'insert into client_network values ($1, $2)', [clientId, '127.0.0.1/32']);
    await expect.poll(() => read(url, access)).toBe('OK');
    expect((await post('login', credentials(key))).status).toBe(200);
  });
});

it('who may only order is not told of balances in the answer to an order', async () => {
  const writer = await logIn(world(), await makeKey(world(), 2, { scopes: ['orders:write'] }));
  const ask = async (inside: string) => {
    const query = `mutation { createTopupOrder(input: { productId: 4218, amount: "0.99",
      inputData: [{ name: "player_id", value: "5123456789" }, { name: "server", value: "asia" }]
    }) { order { orderId ${inside} } } }`;
    const response = await fetch(`${world().gateway.url}/graphql`, {
      method: 'POST',
      headers: { ...JSON_TYPE, authorization: `Bearer ${writer.access}` },
      body: JSON.stringify({ query }),
    });
    return await response.json() as object;
  };
  const orderId = expect.any(Number) as number;
  expect(await ask('')).toMatchObject({ data: { createTopupOrder: { order: { orderId } } } });
  for (const inside of ['wallet { balance { amount } }', 'transaction { amount { amount } }']) {
    expect(await ask(inside)).toMatchObject({
      data: { createTopupOrder: { order: { orderId, [inside.split(' ')[0] ?? '']: null } } },
      errors: [{ extensions: { code: 'FORBIDDEN' } }],
    });
  }
});

it('a HEAD asks no more of a key than a GET', async () => {
  const reader = await logIn(world(), await makeKey(world(), 71, { scopes: ['read'] }));
  const writer = await logIn(world(), await makeKey(world(), 71, { scopes: ['orders:write'] }));
  const head = async ({ access }: { readonly access: string }) =>
    (await fetch(`${world().gateway.url}/api/v1/topups/orders?client_reference=none`, {
      method: 'HEAD', headers: { authorization: `Bearer ${access}` },
    })).status;
  expect([await head(reader), await head(writer)]).toEqual([200, 403]);
});

describe('npm run keys', () => {
  const run = (...args: string[]) => runKeysCommand({
    args,
    ownerDatabaseUrl: world().database.ownerDatabaseUrl,
    environment: 'sandbox',
    hashingKey: VOUCHER_KEY,
    now: new Date(),
  });

  it('makes keys that are shown once, two live ones at a time', async () => {
    const made = await run('create', '--client', '69');
    const [, id = '', secret = ''] = /API key +(\S+)\nAPI secret +(\S+)/.exec(made) ?? [];
    expect((await post('login', { username: id, password: secret })).status).toBe(200);
    const second = await run('create', '--client', '69', '--scopes', 'read', '--days', '30');
    await expect(run('create', '--client', '69')).rejects.toThrow('two live keys');
    const list = await run('list', '--client', '69');
    expect(list.trim().split('\n')).toHaveLength(2);
    expect(list).toContain(secret.slice(0, 16));
    expect(list).not.toContain(secret.slice(0, 20));
    expect(list.match(/ (live|expired)$/gm)).toEqual([' live', ' live']);
    await world().database.query(`update api_key set expires_at = clock_timestamp()
      where client_id = 69 and scopes = '{read}'`);
    expect((await run('list', '--client', '69')).match(/ (live|expired)$/gm))
      .toEqual([' expired', ' live']);
    await world().database.query(`update api_key set expires_at = null where client_id = 69`);
    expect(await run('revoke', id)).toContain('is revoked');
    expect((await post('login', { username: id, password: secret })).status).toBe(401);
    expect(second).toContain('tgs_sandbox_');
    expect(await run('create', '--client', '69')).toContain('API secret');
  });

  it('never makes a third key, however many make them at once', async () => {
    const made = await Promise.allSettled(Array.from({ length: 8 },
      () => run('create', '--client', '70')));
    expect(made.filter(({ status }) => status === 'fulfilled')).toHaveLength(2);
  });

  it.each([
    [['create']], [['create', '--client', '0']], [['create', '--client', '999']], [['frobnicate']],
    [['create', '--client', '1', '--scopes', 'admin']], [['revoke', 'nothing']], [[]],
    [['create', '--client', '1', '--days', '0']], [['list', '--wrong']], [['toString']],
    [['__proto__']],
  ])('refuses %j', async (args) => {
    await expect(run(...args)).rejects.toThrow(/Usage|client id|does not exist|scope|days/);
  });

  it.each([
    ['list --client 3 extra', 'extra means nothing here'],
    ['create 71 --client 71', '71 means nothing here'],
    ['create --client 71 --client 2', '--client is there twice'],
    ['create --client=71 --days 1 --days 2', '--days is there twice'],
    ['list --days 3', '--days means nothing here'],
    ['revoke tgk_a tgk_b', 'tgk_b means nothing here'],
    ['revoke tgk_a --client 71', '--client means nothing here'],
  ])('refuses what it would not look at, as in %j', async (line, why) => {
    await expect(run(...line.split(' '))).rejects.toThrow(`${why}\nUsage:\n`);
  });
});

it('keeps no secret and no token that anybody could use', async () => {
  const { access, refresh } = await logIn(world(), {
    id: DEMO_KEY.apiKey, secret: DEMO_KEY.apiSecret,
  });
  const tables = await world().database.query<{ name: string }>(
    `select relname as name from pg_class
      where relnamespace = 'public'::regnamespace and relkind = 'r'`);
  const rows = await Promise.all(tables.map(({ name }) =>
    world().database.query(`select t::text as row from "${name}" t`)));
  const dump = JSON.stringify(rows);
  expect(dump).toContain(DEMO_KEY.apiKey);
  const random = DEMO_KEY.apiSecret.split('_')[2] ?? '';
  const signatures = [access, refresh].map((token) => token.split('.')[2] ?? '');
  for (const secret of [random, random.slice(0, 12), ...signatures]) {
    expect(dump).not.toContain(secret);
  }
});
