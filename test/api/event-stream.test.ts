import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import pg from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { TemporarilyUnavailable } from '../../src/domain/rejection.ts';
import { rest, type CreateRequest } from '../support/doors.ts';
import { useWorld } from '../support/world.ts';

const world = useWorld({ role: 'gateway' });

interface Told {
  readonly id: string;
  readonly event?: string;
  readonly data?: {
    readonly sequence: number;
    readonly version: number;
    readonly type: string;
    readonly order: { readonly id: number; readonly status: string };
  };
}

interface Stream {
  readonly status: number;
  readonly headers: Headers;
  readonly told: Told[];
  readonly ended: Promise<void>;
  readonly text: () => string;
  until(count: number): Promise<readonly Told[]>;
  close(): void;
}

const open = new Set<Stream>();
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const stream of open) stream.close();
  open.clear();
  await expect.poll(() => world().parts.feed.watchCount(), { timeout: 30_000 }).toBe(0);
});

const at = (url: string, query = ''): string => `${url}/api/v1/topups/orders/events${query}`;

/** Reads a stream as a browser does, as far as this test needs it. */
async function listen(options: {
  readonly query?: string;
  readonly lastEventId?: string;
  readonly token?: string;
  readonly url?: string;
} = {}): Promise<Stream> {
  const abort = new AbortController();
  const answer = await fetch(at(options.url ?? world().gateway.url, options.query), {
    signal: abort.signal,
    headers: {
      authorization: `Bearer ${options.token ?? world().token(1)}`,
      ...(options.lastEventId === undefined ? {} : { 'last-event-id': options.lastEventId }),
    },
  });
  const told: Told[] = [];
  let text = '';
  const ended = (async () => {
    let rest = '';
    for await (const chunk of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += chunk;
      rest += chunk;
      const blocks = rest.split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) {
        const fields = Object.fromEntries(block.split('\n').map((line) => {
          const colon = line.indexOf(':');
          return [line.slice(0, colon), line.slice(colon + 1).trimStart()];
        })) as { id?: string; event?: string; data?: string };
        if (fields.id === undefined && fields.event === undefined) continue;
        told.push({
          ...fields, id: fields.id ?? '',
          ...(fields.data === undefined ? {} : { data: JSON.parse(fields.data) }),
        } as Told);
      }
    }
  })().catch(() => undefined);
  const stream: Stream = {
    status: answer.status,
    headers: answer.headers,
    told,
    ended,
    text: () => text,
    async until(count) {
      await expect.poll(() => told.length, { timeout: 30_000 }).toBeGreaterThanOrEqual(count);
      return told;
    },
    close: () => abort.abort(),
  };
  open.add(stream);
  return stream;
}

async function create(request: Partial<CreateRequest> = {}): Promise<number> {
  const answer = await rest.create(world(), 1, {
    product_id: 4218,
    amount: '0.99',
    input_data: { player_id: '5123456789', server: 'asia' },
    ...request,
  });
  if ('refused' in answer) throw new Error(answer.message);
  return answer.order.id;
}

async function cancel(orderId: number): Promise<void> {
  const url = `${world().gateway.url}/api/v1/topups/orders/${orderId}/cancel`;
  const headers = { authorization: `Bearer ${world().token(1)}` };
  expect((await fetch(url, { method: 'POST', headers })).status).toBe(200);
}

/** The feed as it stands in the database behind a sequence. */
const logged = async (after = 0): Promise<readonly unknown[]> =>
  (await world().database.query<{ sequence: string; id: string; version: number; type: string }>(
    `select f.sequence, f.topup_order_id as id, f.version, e.type from feed_entry f
      join topup_order_event e using (client_id, topup_order_id, version)
      where f.client_id = 1 and f.sequence > $1 order by f.sequence`, [after],
  )).map(({ sequence, id, version, type }) => [Number(sequence), Number(id), version, type]);

const entriesOf = (told: readonly Told[]): readonly unknown[] =>
  told.flatMap(({ data }) => (data === undefined
    ? []
    : [[data.sequence, data.order.id, data.version, data.type]]));

/** Runs while nobody can read where a feed stands, as every stream does when it is opened. */
async function whileOpeningWaits<Result>(
  run: (untilWaiting: () => Promise<void>) => Promise<Result>,
): Promise<Result> {
  const { ownerDatabaseUrl, query } = world().database;
  const owner = new pg.Client(ownerDatabaseUrl);
  await owner.connect();
  try {
    await owner.query('begin; lock table feed_position in access exclusive mode');
    return await run(() => expect.poll(() => query(`select 1 from pg_locks where not granted
      and relation = 'feed_position'::regclass`)).not.toEqual([]));
  } finally {
    await owner.end();
  }
}

const untilQuiet = (timeout = 10_000): Promise<void> =>
  expect.poll(() => world().database.query('select 1 from feed_inbox limit 1'), {
    timeout,
  }).toEqual([]);

describe('GET /api/v1/topups/orders/events', () => {
  it('opens with an id, then tells each event of every order once', async () => {
    await create();
    await untilQuiet();
    const start = (await logged()).length;
    const stream = await listen();
    expect(stream.status).toBe(200);
    expect(stream.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(stream.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    expect(await stream.until(1)).toEqual([{ id: expect.any(String) }]);
    expect(stream.text()).toMatch(/^retry: 1000\n\nid: /);
    for (const id of [await create(), await create()]) await cancel(id);
    await stream.until(5);
    expect(entriesOf(stream.told)).toEqual(await logged(start));
    expect(stream.told[4]?.data).toMatchObject({
      type: 'CANCELLED', previous_status: 'PENDING', status: 'CANCELLED',
      status_text: 'Order cancelled', occurred_at: expect.stringMatching(/Z$/),
      order: { status: 'CANCELLED', amount: 0.9405 },
    });
  });

  it('goes on behind Last-Event-ID, or behind `after`, in another process too', async () => {
    const elsewhere = await world().startProcess('gateway');
    const first = await listen();
    await first.until(1);
    for (const id of [await create(), await create()]) await cancel(id);
    const told = [...await first.until(5)];
    const start = (await logged()).length - 4;
    for (const [index, { id }] of told.entries()) {
      const again = await listen({ lastEventId: id, url: elsewhere?.url ?? '' });
      const after = await listen({ query: `?after=${id}` });
      await Promise.all([again.until(4 - index), after.until(4 - index)]);
      expect(entriesOf(again.told)).toEqual(await logged(start + index));
      expect(entriesOf(after.told)).toEqual(await logged(start + index));
      again.close();
      after.close();
    }
    // An empty one is that of a reader to whom nothing was told.
    const begun = await listen({ lastEventId: '', query: `?after=${told[0]?.id}` });
    await begun.until(1);
    expect(entriesOf(begun.told)[0]).toEqual((await logged(start))[0]);
    begun.close();
    // The header is younger than the address that it is sent with.
    const both = await listen({ lastEventId: told[3]?.id ?? '', query: `?after=${told[0]?.id}` });
    await both.until(1);
    expect(entriesOf(both.told)).toEqual(await logged(start + 3));
  });

  it('shows what passes its filters', async () => {
    const byType = await listen({ query: '?type=CANCELLED' });
    const byProduct = await listen({ query: '?product_id=5101&country=FRA' });
    const byReference = await listen({ query: '?client_reference=STREAM%201' });
    // No order is ever RECHARGED.
    const byNone = await listen({ query: '?status=RECHARGED' });
    await Promise.all([byType, byProduct, byReference, byNone].map((each) => each.until(1)));
    const ids = [await create(), await create({
      product_id: 5101, amount: '10.00', input_data: { phone_number: '+33612345678' },
      client_reference: 'STREAM 1',
    })];
    for (const id of ids) await cancel(id);
    await Promise.all([byType.until(3), byProduct.until(3), byReference.until(3)]);
    expect(byReference.told.slice(1).map(({ data }) => data?.order.id)).toEqual([ids[1], ids[1]]);
    expect(byType.told.slice(1).map(({ data }) => [data?.order.id, data?.type]))
      .toEqual(ids.map((id) => [id, 'CANCELLED']));
    expect(byProduct.told.slice(1).map(({ data }) => [data?.order.id, data?.type]))
      .toEqual([[ids[1], 'CREATED'], [ids[1], 'CANCELLED']]);
    expect(entriesOf(byNone.told)).toEqual([]);
  });

  it.each([
    ['a malformed cursor', { lastEventId: 'nonsense' }, 400, 'CURSOR_INVALID'],
    ['a filter of no known kind', { query: '?type=SNAPSHOT' }, 400, 'VALIDATION_FAILURE'],
    ['a token that is none', { token: 'x' }, 401, 'UNAUTHORIZED'],
  ])('refuses %s in the envelope', async (_name, options, status, code) => {
    const stream = await listen(options);
    await stream.ended;
    expect(stream.status).toBe(status);
    expect(stream.text()).toContain(code);
  });

  it('ends with its token, and is given up where a client has too many', async () => {
    const token = await world().parts.signToken(1, 8);
    const short = await listen({ token });
    expect(short.status).toBe(200);
    const others = await Promise.all(Array.from({ length: 19 }, () => listen()));
    expect(others.map(({ status }) => status)).toEqual(Array(19).fill(200));
    const excess = await listen();
    expect([excess.status, excess.headers.get('retry-after')]).toEqual([429, '1']);
    expect((await listen({ token: world().token(2) })).status).toBe(200);
    await short.ended;
    // Who comes back with it is taken for half a minute, as at any door.
    const back = await listen({ token });
    expect(back.status).toBe(200);
    back.close();
    await expect.poll(async () => {
      const again = await listen();
      again.close();
      return again.status;
    }).toBe(200);
  });

  it('ends when its token is taken back, in whatever process', async () => {
    const elsewhere = await world().startProcess('gateway');
    const token = await world().parts.signToken(2, 3600);
    const streams = [await listen({ token }), await listen({ token, url: elsewhere?.url ?? '' })];
    await Promise.all(streams.map((each) => each.until(1)));
    const headers = { authorization: `Bearer ${token}` };
    const url = `${world().gateway.url}/auth/logout`;
    expect((await fetch(url, { method: 'POST', headers })).status).toBeLessThan(300);
    const takenBackMs = performance.now();
    await Promise.all(streams.map(({ ended }) => ended));
    expect(performance.now() - takenBackMs).toBeLessThan(5_000);
    expect((await listen({ token })).status).toBe(401);
  });

  it('counts a stream while it is being opened, and no more when its reader left', async () => {
    const token = await world().parts.signToken(3, 3600);
    const url = at(world().gateway.url);
    const abort = new AbortController();
    const refused: number[] = [];
    const opening = await whileOpeningWaits(async () => {
      // All of them within the two seconds for which a read waits for a lock.
      const all = Array.from({ length: 30 }, async () => {
        const headers = { authorization: `Bearer ${token}` };
        const { status } = await fetch(url, { headers, signal: abort.signal });
        refused.push(status);
      });
      await expect.poll(() => refused).toEqual(Array(10).fill(429));
      abort.abort();
      return Promise.allSettled(all);
    });
    expect(opening.filter(({ status }) => status === 'rejected')).toHaveLength(20);
    await expect.poll(async () => {
      const again = await Promise.all(Array.from({ length: 21 }, () => listen({ token })));
      for (const each of again) each.close();
      return again.map(({ status }) => status).sort();
    }).toEqual([...Array(20).fill(200), 429]);
  });

  it('ends when its token is taken back while it is being opened', async () => {
    const token = await world().parts.signToken(3, 3600);
    const stream = await whileOpeningWaits(async (untilWaiting) => {
      const opening = listen({ token });
      await untilWaiting();
      const headers = { authorization: `Bearer ${token}` };
      const url = `${world().gateway.url}/auth/logout`;
      expect((await fetch(url, { method: 'POST', headers })).status).toBeLessThan(300);
      return { opening };
    });
    await (await stream.opening).ended;
  });

  it('has an answer for HEAD, and says so', async () => {
    const headers = { authorization: `Bearer ${world().token(1)}` };
    const ask = (method: string, query = ''): Promise<Response> =>
      fetch(at(world().gateway.url, query), { method, headers });
    const head = await ask('HEAD');
    expect(head.status).toBe(200);
    expect(head.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(head.headers.has('content-length')).toBe(false);
    expect(world().parts.feed.watchCount()).toBe(0);
    expect((await ask('HEAD', '?type=SNAPSHOT')).status).toBe(400);
    expect((await ask('HEAD', '?after=nonsense')).status).toBe(400);
    const refused = await ask('POST');
    expect([refused.status, refused.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  });

  it('holds little for a reader that stalls, and loses nothing of it', async () => {
    const first = await listen();
    const [opening] = await first.until(1);
    first.close();
    const start = (await logged()).length;
    const { hostname, port } = new URL(world().gateway.url);
    const socket = connect(Number(port), hostname);
    sockets.push(socket);
    await once(socket, 'connect');
    socket.write(`GET /api/v1/topups/orders/events?after=${opening?.id} HTTP/1.1\r\n`
      + `Host: x\r\nAuthorization: Bearer ${world().token(1)}\r\n\r\n`);
    await once(socket, 'readable');
    const orderId = await create();
    // Several megabytes: more than all buffers on the way take.
    await world().database.query(
      `with told as (insert into topup_order_event (client_id, topup_order_id, version, type,
          previous_status, status)
          select 1, $1, v, 'RETRY_SCHEDULED', 'PENDING', 'PENDING' from generate_series(2, 9000) v
          returning client_id, topup_order_id, version),
        moved as (update topup_order set version = 9000 where client_id = 1 and id = $1)
        insert into feed_inbox (client_id, topup_order_id, version)
          select * from told order by version`, [orderId],
    );
    await untilQuiet(30_000);
    let text = '';
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => { text += chunk; });
    const all = await logged(start);
    const found = (): string[] => text.match(/"sequence":\d+/g) ?? [];
    await expect.poll(() => found().length, { timeout: 30_000 }).toBe(all.length);
    expect(found()).toEqual(all.map((each) => `"sequence":${(each as number[])[0]}`));
  }, 60_000);

  it.each([
    ['at once', 0, 1], ['behind another request', 1, 2], ['twice', 0, 2],
  ])('ends with a reader that closes its half %s', async (_says, others, answers) => {
    const socket = connect(Number(new URL(world().gateway.url).port), '127.0.0.1');
    sockets.push(socket);
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => { text += chunk; });
    const closed = once(socket, 'close');
    const ask = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n`
      + `Authorization: Bearer ${world().token(1)}\r\n\r\n`;
    const orders = ask('/api/v1/topups/orders').repeat(others);
    socket.write(orders + ask('/api/v1/topups/orders/events').repeat(answers - others));
    socket.end();
    await closed;
    expect(text.match(/HTTP\/1\.1 [0-9]+/g)).toEqual(Array(answers).fill('HTTP/1.1 200'));
    expect(text.match(/retry: 1000/g)).toHaveLength(answers - others);
    expect(world().parts.feed.watchCount()).toBe(0);
  });

  it.each([
    [new TemporarilyUnavailable('Events were lost, please resume'), {
      code: 'SERVICE_UNAVAILABLE', message: 'Events were lost, please resume',
    }],
    [new Error('of the inside'), {
      code: 'INTERNAL_SERVER_ERROR', message: 'Internal server error',
    }],
  ])('tells last why its feed has ended: %s', async (fault, error) => {
    const stream = await listen();
    await expect.poll(() => world().parts.feed.watchCount()).toBe(1);
    world().parts.feed.lose(fault);
    await stream.ended;
    expect(stream.told.at(-1)).toMatchObject({ event: 'error', data: { error } });
  });

  it('leaves no watcher behind, and ends when its process does', async () => {
    await (await listen()).until(1);
    await expect.poll(() => world().parts.feed.watchCount()).toBe(1);
    for (const stream of open) stream.close();
    await expect.poll(() => world().parts.feed.watchCount()).toBe(0);
    const other = await world().startProcess('gateway');
    const stream = await listen({ url: other?.url ?? '' });
    await stream.until(1);
    await other?.stop();
    await stream.ended;
  });
});
