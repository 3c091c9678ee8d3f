import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { createLog } from '../../src/log.ts';
import { authorization, graphqlRequest, JSON_TYPE } from '../support/doors.ts';
import { SUPPLIER_KEYS, useWorld } from '../support/world.ts';

/** Values that must never leave, one of each kind; each stands in every input that takes it. */
const CANARY = {
  phone: '+33698765432',
  phoneAsSent: '06 98 76 54 32',
  player: '7391846255',
  mail: 'canary.reader@example.com',
  voucher: 'CANARYVOUCHER77',
  token: 'eyJhbGciOiJIUzI1NiJ9.eyJjYW5hcnkiOjF9.Y2FuYXJ5LXNpZ25hdHVyZQ',
  secret: 'tgs_sandbox_canary00000000000000000000000000000000000000000000',
  word: 'canary-word',
};

/** A mail server that quotes the address in its refusals, as many do. */
const mailServer = createServer((socket) => {
  socket.on('error', () => undefined);
  socket.write('220 mail\r\n');
  socket.on('data', (data) => {
    const isAddress = data.toString().startsWith('RCPT');
    socket.write(isAddress ? `451 <${CANARY.mail}> is away, try later\r\n` : '250 ok\r\n');
  });
}).listen(0, '127.0.0.1');
await once(mailServer, 'listening');
afterAll(() => void mailServer.close());

const lines: string[] = [];
const log = createLog('debug', { write: (line: string) => void lines.push(line) });
const world = useWorld({
  log,
  smtpUrl: `smtp://user:${CANARY.word}@127.0.0.1:${(mailServer.address() as AddressInfo).port}`,
});
/** Everything that went back to a caller as an error, and the metrics. */
const told: string[] = [];

const ESCAPES = 'a\r\n{"level":60,"msg":"forged"}\u001b[31m';
const ORDERS = '/api/v1/topups/orders';

async function call(path: string, init: RequestInit & { body?: string } = {}): Promise<Response> {
  const response = await fetch(world().gateway.url + path, {
    ...init, headers: { ...JSON_TYPE, ...authorization(world(), 1), ...init.headers },
  });
  if (response.status >= 400) told.push(await response.clone().text());
  return response;
}

const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  call(path, { method: 'POST', headers, body: JSON.stringify(body) });

const bodies = [
  { product_id: 5101, amount: 5, input_data: { phone_number: CANARY.phoneAsSent } },
  { product_id: 5101, amount: 5, input_data: { phone_number: `${CANARY.phone}x` } },
  { product_id: 4218, amount: 4.99, input_data: { player_id: CANARY.player, server: 'asia' } },
  { product_id: 4218, amount: 4.99, input_data: { player_id: CANARY.player, server: ESCAPES } },
  { product_id: 4218, amount: 4.99, input_data: { player_id: `${CANARY.player}${ESCAPES}` } },
  {
    product_id: 4218, amount: 4.99, input_data: { player_id: CANARY.player, server: 'asia' },
    redeem_voucher_code: CANARY.voucher,
  },
  { product_id: 4218, amount: CANARY.secret, client_reference: ESCAPES },
];

/** The same inputs through every way in. */
async function plantAll(): Promise<void> {
  for (const body of bodies) {
    await post(ORDERS, body);
    await post('/api/v1/topups/charges', body);
    const { input_data: data, product_id: productId, redeem_voucher_code: code } = body as {
      input_data?: Record<string, string>; product_id: number; redeem_voucher_code?: string;
    };
    const answer = await graphqlRequest(world(), 1, {
      query: `mutation ($input: CreateTopupOrderInput!) { createTopupOrder(input: $input) {
        order { orderId } userErrors { code message } } }`,
      variables: { input: {
        productId,
        amount: '4.99',
        inputData: Object.entries(data ?? {}).map(([name, value]) => ({ name, value })),
        redeemVoucherCode: code,
      } },
    });
    if (answer.errors !== undefined) told.push(JSON.stringify(answer.errors));
  }
  await post('/api/v1/topups/lookup', { mobile_number: CANARY.phone });
  await post('/auth/login', { username: CANARY.word, password: CANARY.secret });
  await post('/auth/refresh', { refresh_token: CANARY.token });
  for (const path of [ORDERS, '/graphql', `${ORDERS}/1`]) {
    await call(path, { headers: { authorization: `Bearer ${CANARY.token}` } });
  }
  await call(`${ORDERS}?client_reference=${CANARY.player}&status=${CANARY.word}`);
  await call(ORDERS, { method: 'POST', body: `{"player_id":"${CANARY.player}` });
  await callback(JSON.stringify({
    event_id: CANARY.word, occurred_at: new Date(0).toISOString(), reference: '1-999999-1',
    status: 'DELIVERED', receipt: { pin: CANARY.player },
  }));
  await callback(`{"player_id":"${CANARY.player}${JSON.stringify(ESCAPES)}`);
}

async function callback(body: string): Promise<void> {
  const timestamp = String(Math.floor(Date.now() / 1000));
  const [key = ''] = SUPPLIER_KEYS['sandbox-a'];
  const signature = createHmac('sha256', key).update(`${timestamp}.${body}`).digest('hex');
  await call('/callbacks/fulfilment/sandbox-a', {
    method: 'POST', body, headers: { 'x-timestamp': timestamp, 'x-signature': signature },
  });
}

/** While `breaking` is undone, everything that needs it fails with words of PostgreSQL. */
async function whileBroken(breaking: string, mending: string): Promise<void> {
  await world().database.query(breaking);
  try {
    await plantAll();
    await call(`${ORDERS}/1`);
  } finally {
    await world().database.query(mending);
  }
}

describe('what clients send', () => {
  test('is never in the log, the metrics or an error, whatever breaks', async () => {
    await plantAll();
    const placed = await post(ORDERS, {
      product_id: 4218, amount: 0.99, input_data: { player_id: '5123456789', server: 'asia' },
    });
    const { id } = await placed.json() as { id: number };
    await call(`${ORDERS}/${id}/notification-email`, {
      method: 'PATCH', body: JSON.stringify({ email: CANARY.mail }),
    });
    await vi.waitFor(() => {
      expect(lines.some((line) => line.includes('A mail was not sent'))).toBe(true);
    }, 15_000);
    await whileBroken('alter table topup_order rename to away',
      'alter table away rename to topup_order');
    // A function that quotes what it was given, as PostgreSQL does where it cannot read a value.
    await whileBroken(
      `create or replace function log_canary() returns trigger language plpgsql as $$
        begin raise exception using errcode = '22P02',
          message = 'invalid input syntax: "' || new.input_data::text || '"'; end $$;
       create trigger log_canary before insert on topup_order
         for each row execute function log_canary()`,
      'drop trigger log_canary on topup_order; drop function log_canary()',
    );
    told.push(await (await fetch(`${world().gateway.url}/metrics`)).text());

    const faults = lines.filter((line) => line.includes('"level":50'));
    expect(faults.length).toBeGreaterThan(5);
    const everything = [...lines, ...told].join('');
    for (const [kind, canary] of Object.entries(CANARY)) {
      expect(everything.split(canary).length - 1, `${kind} ${around(canary)}`).toBe(0);
    }
  }, 60_000);

  test('makes one JSON line of each event, and no other', () => {
    expect(lines.length).toBeGreaterThan(50);
    for (const line of lines) {
      expect(line).toMatch(/^[^\r\n\u001b]*\n$/);
      expect(JSON.parse(line)).toMatchObject({ level: expect.any(Number) });
      expect(line).not.toContain('"forged"');
    }
  });

  test('is found by the id of its answer', async () => {
    const { headers } = await call(`${ORDERS}/1`);
    await vi.waitFor(() => {
      const ofRequest = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
        .filter(({ requestId }) => requestId === headers.get('x-request-id'));
      expect(ofRequest).toMatchObject([
        { msg: 'answered', method: 'GET', route: `${ORDERS}/:id`, status: expect.any(Number) },
      ]);
    });
  });
});

describe('the mask', () => {
  test('takes tokens, secrets, addresses and numbers out of foreign words', () => {
    const written: string[] = [];
    const masking = createLog('info', { write: (line: string) => void written.push(line) });
    for (const value of Object.values(CANARY).filter((each) => each !== CANARY.voucher
      && each !== CANARY.word && each !== CANARY.phoneAsSent)) {
      masking.error({ err: new Error(`no such thing: ${value}`) }, `about ${value}`);
    }
    // A number stands in messages of ours as an id; in errors it is somebody's.
    const text = written.join('').replaceAll(`about ${CANARY.player}`, '');
    for (const value of [CANARY.phone, CANARY.player, CANARY.mail, CANARY.token, CANARY.secret]) {
      expect(text).not.toContain(value);
    }
    expect(JSON.parse(written[0] ?? '')).toMatchObject({ err: { stack: expect.any(String) } });
  });

  test('is over the words of several faults at once, and of what is no Error', () => {
    const written: string[] = [];
    const masking = createLog('info', { write: (line: string) => void written.push(line) });
    const quoting = Object.assign(new Error(`no uuid: "${CANARY.word}"`), { code: '22P02' });
    const round = Object.assign(new AggregateError([]), { errors: [] as unknown[] });
    round.errors.push(round);
    const away = new AggregateError([new Error('refused here'), quoting, new Error('and there')]);
    for (const err of [away, { message: `no uuid: "${CANARY.word}"`, code: '22P02' }, round]) {
      masking.error({ err }, 'a fault');
    }
    expect(written.join('')).not.toContain(CANARY.word);
    expect(JSON.parse(written[0] ?? '')).toMatchObject({
      err: { message: 'refused here; no uuid: ***; and there' },
    });
  });
});

function around(canary: string): string {
  const everything = [...lines, ...told].join('');
  const at = everything.indexOf(canary);
  return at === -1 ? '' : everything.slice(Math.max(0, at - 200), at + 100);
}
