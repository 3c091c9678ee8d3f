import { createHmac } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { beforeAll, describe, expect, inject, test, vi } from 'vitest';
import { authorization } from '../support/doors.ts';
import { readOpenApi, type OpenApi } from '../support/open-api.ts';
import {
  documentedRequests, faultOf, send, type Answered, type DocumentedRequest, type Particulars,
} from '../support/replay.ts';
import { broken, shapeOf, union, type Shape } from '../support/shapes.ts';
import { SUPPLIER_KEYS, useWorld } from '../support/world.ts';

/** Nobody works on the orders at first, so that one can be cancelled. */
const world = useWorld({ role: 'gateway' });
const ROOT = resolve(import.meta.dirname, '../..');
const FROZEN = join(ROOT, 'test/api/shapes');

let document: OpenApi;
/** Every answer of this file, for the shapes. */
const answers: Answered[] = [];
beforeAll(async () => {
  document = await readOpenApi(join(ROOT, 'schema/openapi.yaml'));
});

async function ask(request: DocumentedRequest, more: Particulars = {}): Promise<Answered> {
  const hasToken = request.operation.security === undefined;
  const headers = { ...(hasToken ? authorization(world(), 1) : {}), ...more.headers };
  const answered = await send(world().gateway.url, request, { ...more, headers });
  answers.push(answered);
  return answered;
}

function requestOf(operationId: string, example?: string): DocumentedRequest {
  const found = documentedRequests(document).find((each) => (
    each.operationId === operationId && (example === undefined || each.example === example)
  ));
  if (found === undefined) throw new Error(`${operationId} is not documented`);
  return found;
}

async function placeOrder(ending = '00'): Promise<string> {
  const body = {
    product_id: 4218, amount: 4.99, input_data: { player_id: `51234560${ending}`, server: 'asia' },
  };
  const { body: order } = await ask(requestOf('createTopupOrder'), { body });
  return String((order as { id: number }).id);
}

async function logIn(): Promise<Readonly<Record<string, string>>> {
  const { body } = await ask(requestOf('login'));
  return (body as { data: Record<string, string> }).data;
}

const ofNewOrder = async (): Promise<Particulars> => ({ path: { id: await placeOrder() } });

/** What the examples cannot know. */
const PARTICULARS: Readonly<
  Record<string, (request: DocumentedRequest) => Promise<Particulars>>
> = {
  getTopupOrder: ofNewOrder,
  cancelTopupOrder: ofNewOrder,
  setTopupOrderNotificationEmail: ofNewOrder,
  refreshTokens: async () => {
    const tokens = await logIn();
    return { body: { refresh_token: tokens['refresh_token'] } };
  },
  receiveSupplierCallback: async ({ body }) => {
    const timestamp = String(Math.floor(Date.now() / 1000));
    const [key = ''] = SUPPLIER_KEYS['sandbox-a'];
    const signature = createHmac('sha256', key).update(`${timestamp}.${JSON.stringify(body)}`);
    return {
      headers: { 'x-timestamp': timestamp, 'x-signature': signature.digest('hex') },
    };
  },
};

/** Ends every token of the client, so it comes last. */
const LAST = 'logout';

test('every documented request is answered as documented', async () => {
  const requests = documentedRequests(document);
  expect(requests.length).toBeGreaterThan(10);
  const faults: string[] = [];
  for (const request of requests.filter(({ operationId }) => operationId !== LAST)) {
    const { operationId, example } = request;
    const answered = await ask(request, await PARTICULARS[operationId]?.(request));
    const fault = answered.status >= 200 && answered.status < 300
      ? faultOf(document, request, answered)
      : `${answered.status} ${JSON.stringify(answered.body)}`;
    if (fault !== null) faults.push(`${operationId} ${example}: ${fault}`);
  }
  expect(faults).toEqual([]);
});

test('every refusal that can be had from outside is answered as documented', async () => {
  const faults: string[] = [];
  for (const request of documentedRequests(document)) {
    for (const [status, more] of refusalsOf(request)) {
      const answered = await ask(request, more);
      const fault = answered.status === status
        ? faultOf(document, request, answered) ?? wordsFault(request, answered)
        : `${answered.status} instead of ${status}`;
      if (fault !== null) faults.push(`${request.operationId}: ${fault}`);
    }
  }
  expect(faults).toEqual([]);
});

test('a caller from a wrong address is answered as documented', async () => {
  await world().database.query(`insert into client_network values (2, '203.0.113.0/24')`);
  const headers = authorization(world(), 2);
  const wallets = requestOf('listWallets');
  await expect.poll(async () => (await ask(wallets, { headers })).status).toBe(403);
  const faults: string[] = [];
  for (const request of documentedRequests(document)) {
    if (request.operation.security !== undefined) continue;
    const answered = await ask(request, { headers });
    const fault = answered.status === 403
      ? faultOf(document, request, answered) ?? wordsFault(request, answered)
      : `${answered.status} instead of 403`;
    if (fault !== null) faults.push(`${request.operationId}: ${fault}`);
  }
  expect(faults).toEqual([]);
});

test('what is known already is answered as documented', async () => {
  const cached = documentedRequests(document)
    .filter(({ operation }) => operation.responses['304'] !== undefined);
  expect(cached.length).toBeGreaterThan(4);
  for (const request of cached) {
    const { headers } = await ask(request);
    const again = await ask(request, { headers: { 'if-none-match': headers.get('etag') ?? '' } });
    expect([request.operationId, again.status, faultOf(document, request, again)])
      .toEqual([request.operationId, 304, null]);
    const names = request.operation.parameters?.map(({ name }) => name);
    expect(names).toContain('If-None-Match');
  }
});

test('a client that has limits is told them as documented', async () => {
  const headers = authorization(world(), 3);
  const told: string[] = [];
  for (const request of documentedRequests(document)) {
    const { operation, operationId, method } = request;
    if (operation.security !== undefined || method !== 'GET') continue;
    const answered = await ask(request, { headers });
    if (answered.status !== 200) continue;
    told.push(operationId);
    const documented = Object.keys(operation.responses['200']?.headers ?? {})
      .filter((name) => name.includes('RateLimit') && !answered.headers.has(name));
    expect([operationId, faultOf(document, request, answered), documented])
      .toEqual([operationId, null, []]);
  }
  expect(told.length).toBeGreaterThan(8);
  await world().database.query(`insert into client_rate values (3, 'lookup', 0)`);
  const lookup = requestOf('lookupMobileNumber');
  await expect.poll(async () => (await ask(lookup, { headers })).status).toBe(429);
  const refused = await ask(lookup, { headers });
  expect([refused.status, faultOf(document, lookup, refused), wordsFault(lookup, refused)])
    .toEqual([429, null, null]);
});

test('a field that is missing is told as the example says', async () => {
  const create = requestOf('createTopupOrder');
  const { status, body } = await ask(create, {
    body: { product_id: 4218, amount: 4.99, input_data: { player_id: '5123456789' } },
  });
  const { INVALID_INPUT_FIELD: example } = examplesOf(create, status);
  const requestId = expect.any(String) as string;
  expect(body).toEqual({
    error: { ...(example?.value as Refused).error, request_id: requestId },
  });
});

interface Refused {
  readonly error: { readonly message: string };
}

const examplesOf = (request: DocumentedRequest, status: number) =>
  request.operation.responses[String(status)]?.content?.['application/json']?.examples ?? {};

/** Says the same in every case, but for what is counted in it. */
const wordsOf = (body: unknown): string =>
  (body as Refused).error.message.replaceAll(/\d+ seconds/g, 'N seconds');

/** Whether a refusal that is the same for all requests has words that its examples do not. */
function wordsFault(request: DocumentedRequest, { status, body }: Answered): string | null {
  if (![401, 403, 413, 415, 429].includes(status)) return null;
  const examples = Object.values(examplesOf(request, status)).map(({ value }) => wordsOf(value));
  return examples.includes(wordsOf(body)) ? null : `says ${wordsOf(body)}, not ${examples.join()}`;
}

function refusalsOf(request: DocumentedRequest): readonly (readonly [number, Particulars])[] {
  const { operation, operationId } = request;
  const refusals: (readonly [number, Particulars])[] = [];
  if (operation.security === undefined) {
    refusals.push([401, { headers: { authorization: 'Bearer none' } }]);
  }
  if (operationId === 'receiveSupplierCallback') refusals.push([401, {}]);
  if (request.method !== 'GET') {
    refusals.push([415, { body: 'x', headers: { 'content-type': 'text/plain' } }]);
    refusals.push([413, { body: JSON.stringify({ a: 'x'.repeat(65_536) }) }]);
  }
  if (operation.requestBody !== undefined) {
    if (operationId !== 'receiveSupplierCallback') refusals.push([400, { body: '[]' }]);
  }
  if (operation.responses['404'] !== undefined && request.path.includes('{id}')) {
    refusals.push([404, { path: { id: '999999999' } }], [400, { path: { id: 'x' } }]);
  }
  return refusals;
}

describe('shapes', () => {
  beforeAll(async () => {
    await world().startProcess('worker');
    const get = requestOf('getTopupOrder');
    // A receipt, a failure, and a reversal after the delivery.
    for (const [ending, field] of [['01', 'receipt'], ['02', 'failure_code'], ['27', 'reversal']]) {
      const id = await placeOrder(ending);
      await vi.waitFor(async () => {
        const { body } = await ask(get, { path: { id } });
        expect(body).toHaveProperty(String(field));
      }, 20_000);
    }
    for (const request of documentedRequests(document)) {
      if (request.operationId === LAST) {
        expect(faultOf(document, request, await ask(request))).toBeNull();
      }
    }
  }, 60_000);

  test('of what was promised are all still there', async () => {
    const now = shapesOfAnswers();
    if (inject('isRecording')) await record(now);
    const faults: string[] = [];
    const files = readdirSync(FROZEN);
    expect(files.length).toBeGreaterThan(8);
    for (const file of files) {
      const operationId = file.replace('.json', '');
      const frozen = JSON.parse(readFileSync(join(FROZEN, file), 'utf8')) as Record<string, Shape>;
      for (const [status, shape] of Object.entries(frozen)) {
        const found = now[operationId]?.[status];
        const gone = found === undefined ? ['is never answered'] : broken(shape, found);
        faults.push(...gone.map((fault) => `${operationId} ${status} ${fault}`));
      }
    }
    expect(faults).toEqual([]);
  });

  test('that lose or retype a key are noticed, and a gained one is not', () => {
    const frozen = shapeOf({ id: 1, tags: [{ name: 'a' }], note: null });
    expect(broken(frozen, shapeOf({ id: 1, tags: [{ name: 'a', more: 1 }], note: null, x: 1 })))
      .toEqual([]);
    expect(broken(frozen, shapeOf({ id: '1', tags: [{}], note: null })))
      .toEqual(['.id was number and is string', '.tags[].name is gone']);
    expect(broken(frozen, shapeOf({ id: 1, tags: {} })))
      .toEqual(['.note is gone', '.tags was list and is object']);
    expect(broken('null|string', 'string')).toEqual([]);
    expect(broken('string', 'null|string')).toEqual([' was string and is null|string']);
  });
});

function shapesOfAnswers(): Readonly<Record<string, Record<string, Shape>>> {
  const shapes: Record<string, Record<string, Shape>> = {};
  for (const { operationId, status, body } of answers) {
    const byStatus = shapes[operationId] ??= {};
    const known = byStatus[status];
    byStatus[status] = known === undefined ? shapeOf(body) : union(known, shapeOf(body));
  }
  return shapes;
}

/** Adds what is new; what was promised before stays. */
async function record(now: Readonly<Record<string, Record<string, Shape>>>): Promise<void> {
  await mkdir(FROZEN, { recursive: true });
  for (const [operationId, byStatus] of Object.entries(now)) {
    const file = join(FROZEN, `${operationId}.json`);
    const frozen = existsSync(file)
      ? JSON.parse(readFileSync(file, 'utf8')) as Record<string, Shape>
      : {};
    const whole = Object.fromEntries(Object.entries({ ...byStatus, ...frozen }).map(([status]) => {
      const [old, young] = [frozen[status], byStatus[status]];
      return [status, old === undefined || young === undefined ? old ?? young : added(old, young)];
    }));
    await writeFile(file, `${JSON.stringify(whole, null, 2)}\n`);
  }
}

function added(old: Shape, young: Shape): Shape {
  return broken(old, young).length > 0 ? old : union(old, young);
}
