import pg from 'pg';
import { describe, expect, test } from 'vitest';
import { authorization, JSON_TYPE, parseExact } from '../support/doors.ts';
import { useWorld } from '../support/world.ts';

const world = useWorld({ role: 'gateway' });

interface Told {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

async function get(path: string, more: { clientId?: number; tag?: string } = {}): Promise<Told> {
  const response = await fetch(`${world().gateway.url}/api/v1${path}`, {
    headers: {
      ...authorization(world(), more.clientId ?? 1),
      ...(more.tag === undefined ? {} : { 'if-none-match': more.tag }),
    },
  });
  const text = await response.text();
  const body = text === '' ? null : parseExact(text);
  return { status: response.status, headers: response.headers, body };
}

async function post(path: string, body: string): Promise<Told> {
  const response = await fetch(`${world().gateway.url}/api/v1${path}`, {
    method: 'POST', headers: { ...JSON_TYPE, ...authorization(world(), 1) }, body,
  });
  const { status, headers } = response;
  return { status, headers, body: parseExact(await response.text()) };
}

const idsOf = ({ body }: Told) => (body as { id: string }[]).map(({ id }) => Number(id));
const pageOf = ({ headers }: Told) => [
  'x-page', 'x-per-page', 'x-total-count', 'x-total-pages', 'x-page-size', 'x-has-more',
].map((name) => headers.get(name));

describe('GET /topups/products', () => {
  test('lists what is sold by name, without what is delisted', async () => {
    const told = await get('/topups/products');
    expect(told.status).toBe(200);
    expect(idsOf(told)).toEqual([5001, 5002, 4219, 5101, 4218, 5201]);
    expect(pageOf(told)).toEqual(['1', '50', '6', '1', '6', 'false']);
    expect((told.body as object[])[0]).toEqual({
      id: '5001', name: 'Airtel India', topup_type: 'MOBILE', country_code: 'IND',
      currency_code: 'INR', operator: 'Airtel',
    });
  });

  test.each([
    ['?type=GAMING', [4219, 4218]],
    ['?search=iNDia', [5001, 5002]],
    ['?search=%25', []],
    ['?search=_', []],
    ['?country=FRA', [5101]],
    ['?country=GLO&search=pubg', [4218]],
    ['?operator=jio', [5002]],
    ['?page=2&per_page=4', [4218, 5201]],
    ['?page=2&limit=4', [4218, 5201]],
    ['?per_page=1&limit=4', [5001]],
    ['?page=99999999', []],
    ['?nonsense=1', [5001, 5002, 4219, 5101, 4218, 5201]],
  ])('takes %s', async (query, ids) => {
    expect(idsOf(await get(`/topups/products${query}`))).toEqual(ids);
  });

  test('tells the place of the page', async () => {
    expect(pageOf(await get('/topups/products?per_page=4')))
      .toEqual(['1', '4', '6', '2', '4', 'true']);
    expect(pageOf(await get('/topups/products?per_page=4&page=2')))
      .toEqual(['2', '4', '6', '2', '2', 'false']);
  });

  test.each([
    'type=gaming', 'type=', 'type=GAMING&type=MOBILE', 'page=0', 'page=-1', 'page=1.5', 'page=1e3',
    'page=%31%00', 'page=', 'per_page=0', 'per_page=501', 'limit=501', 'limit=x', 'country=ind',
    'country=INDIA', 'country=%00', 'search=a&search=b', 'page=9007199254740993',
  ])('refuses ?%s in the envelope', async (query) => {
    const { status, body } = await get(`/topups/products?${query}`);
    expect(status).toBe(400);
    expect(body).toMatchObject({
      error: { name: 'ValidationException', code: 'VALIDATION_FAILURE' },
    });
  });

  test('is only for the client\'s eyes: what is taken from one stays with the other', async () => {
    await world().database.query(
      'insert into entitlement (client_id, product_id, is_enabled) values (2, 5101, false)',
    );
    await world().parts.store.refreshPricing();
    expect(idsOf(await get('/topups/products?country=FRA', { clientId: 2 }))).toEqual([]);
    expect((await get('/topups/products/5101', { clientId: 2 })).status).toBe(404);
    expect((await get('/topups/variants/11', { clientId: 2 })).status).toBe(404);
    expect(idsOf(await get('/topups/products?country=FRA'))).toEqual([5101]);
  });

  test('may be kept, and is not sent again while it is the same', async () => {
    const { headers } = await get('/topups/products?type=GAMING');
    const tag = headers.get('etag') ?? '';
    expect(headers.get('cache-control')).toBe('private, max-age=300');
    const again = await get('/topups/products?type=GAMING', { tag: `"x", W/${tag}` });
    expect([again.status, again.body, again.headers.get('etag')]).toEqual([304, null, tag]);
    expect(again.headers.get('x-total-count')).toBe('2');
    // Of a 304 the length may be told only where it is that of the whole answer.
    const [whole, known] = await Promise.all([{}, { 'if-none-match': tag }].map((more) =>
      fetch(`${world().gateway.url}/api/v1/topups/products?type=GAMING`, {
        method: 'HEAD', headers: { authorization: `Bearer ${world().token(1)}`, ...more },
      })));
    expect([known?.status, whole?.headers.get('content-length')])
      .toEqual([304, known?.headers.get('content-length')]);
    await world().database.query("update product set operator = 'Tencent' where id = 4218");
    await world().parts.store.refreshPricing();
    const changed = await get('/topups/products?type=GAMING', { tag });
    expect(changed.status).toBe(200);
    expect(changed.headers.get('etag')).not.toBe(tag);
  });
});

describe('one product', () => {
  test('has its input fields as a form', async () => {
    const { status, body, headers } = await get('/topups/products/4218');
    expect(status).toBe(200);
    expect(headers.get('etag')).toMatch(/^"/);
    expect(body).toMatchObject({
      id: '4218',
      name: 'PUBG Mobile UC',
      input_fields: [
        {
          name: 'player_id', label: 'Player ID', type: 'text', required: true, pattern: '^[0-9]+$',
          min_length: '5', max_length: '20', placeholder: '5123456789', sensitive: false,
        },
        { name: 'server', type: 'select', required: true },
      ],
    });
    const [player, server] = (body as { input_fields: { options?: unknown }[] }).input_fields;
    expect(player).not.toHaveProperty('options');
    expect(server?.options).toContainEqual({ value: 'north_america', label: 'North America' });
    // Keys in the documented order.
    expect(JSON.stringify(server?.options)).toMatch(/^\[{"value":"[a-z_]+","label":/);
  });

  test('has its variants, with amounts of every kind', async () => {
    const { body } = await get('/topups/products/5001/variants');
    expect(body).toEqual([
      {
        id: '7', name: 'Airtime', category: 'Airtime', currency_code: 'INR', min_amount: '10',
        max_amount: '5000', amount_step: '1', fixed_amounts: [], fields: {}, is_available: true,
        available_in: [{ code: 'IND', name: 'India' }], product_id: '5001',
      },
      {
        id: '8', name: '1.5 GB a day, 28 days', category: 'Data', currency_code: 'INR',
        fixed_amounts: ['299'], available_in: [{ code: 'IND', name: 'India' }],
        fields: { validity_days: '28' }, is_available: true,
        validity: { unit: 'DAY', quantity: '28' }, product_id: '5001',
      },
      expect.objectContaining({ id: '9', fixed_amounts: ['299', '499'] }),
    ]);
    expect((await get('/topups/variants/8')).body).toEqual((body as unknown[])[1]);
    expect((await get('/topups/variants/2')).body).toMatchObject({
      fixed_amounts: ['4.99'], available_in: [{ code: 'GLO', name: 'Global' }],
    });
  });

  const IDS = ['/topups/products/@', '/topups/products/@/variants', '/topups/variants/@'];
  test.each(IDS)('%s refuses ids that are none, and knows no absent ones', async (path) => {
    const bad = ['0', '-1', '1e3', '0x10', '１２', '1;drop', '%00', '1.5', '9'.repeat(40), 'x'];
    for (const id of bad) {
      const { status, body } = await get(path.replace('@', id));
      expect([id, status]).toEqual([id, 400]);
      expect(body).toMatchObject({ error: { code: 'VALIDATION_FAILURE' } });
    }
    for (const id of ['6001', '2147483648', '9007199254740991', '13']) {
      const { status, body } = await get(path.replace('@', id));
      expect([id, status]).toEqual([id, 404]);
      expect(body).toMatchObject({ error: { name: 'NotFoundError', code: 'NOT_FOUND' } });
    }
  });
});

describe('POST /topups/lookup', () => {
  const lookup = (number: unknown) =>
    post('/topups/lookup', JSON.stringify({ mobile_number: number }));

  test('tells the operator, then the others of the country', async () => {
    expect((await lookup('+918879685100')).body).toEqual([
      { product_id: '5001', name: 'Airtel India', country_code: 'IND', identified: true },
      { product_id: '5002', name: 'Jio India', country_code: 'IND', identified: false },
    ]);
    expect((await lookup('+254712345678')).body).toEqual([
      { product_id: '5201', name: 'Safaricom Kenya', country_code: 'KEN', identified: true },
    ]);
    const nobodys = await lookup('+4915123456789');
    expect([nobodys.status, nobodys.body]).toEqual([200, []]);
  });

  test.each(['{}', '{"mobile_number":""}', '{"mobile_number":null}'])(
    'asks for a number: %s',
    async (body) => {
      const told = await post('/topups/lookup', body);
      expect(told.status).toBe(400);
      expect(told.body).toMatchObject({
        error: { code: 'VALIDATION_FAILURE', message: 'mobile_number is required' },
      });
    },
  );

  test.each(['"918879685100"', '918879685100', '["+918879685100"]', '"+91 8879685100"'])(
    'refuses %s',
    async (number) => {
      const { status, body } = await post('/topups/lookup', `{"mobile_number":${number}}`);
      expect(status).toBe(400);
      expect(body).toMatchObject({ error: { code: 'VALIDATION_FAILURE' } });
    },
  );
});

describe('reference data', () => {
  test('has the currencies of ISO 4217, numbered by it, with their decimals', async () => {
    const { status, body } = await get('/currencies');
    const currencies = body as { id: string; code: string; precision: string }[];
    expect(status).toBe(200);
    expect(currencies.length).toBeGreaterThan(150);
    expect(currencies).toContainEqual(
      { id: '392', code: 'JPY', name: 'Yen', precision: '0' });
    expect(currencies).toContainEqual(
      { id: '840', code: 'USD', name: 'US Dollar', precision: '2' });
    expect(currencies).toContainEqual(
      { id: '48', code: 'BHD', name: 'Bahraini Dinar', precision: '3' });
    expect(new Set(currencies.map(({ id }) => id)).size).toBe(currencies.length);
  });

  test('has the countries by alpha-3, and the whole world', async () => {
    const { body } = await get('/countries');
    expect(body).toContainEqual({ code: 'IND', name: 'India' });
    expect((body as object[])[0]).toEqual({ code: 'GLO', name: 'Global' });
    const countries = body as { readonly code: string; readonly name: string }[];
    expect(countries.length).toBeGreaterThan(240);
    const names = countries.map(({ name }) => name);
    expect(new Set(names).size).toBe(countries.length);
    expect(names.slice(0, 4)).toEqual(['Global', 'Afghanistan', 'Åland Islands', 'Albania']);
    expect(names).toEqual(expect.arrayContaining(['China', 'Gambia', 'North Macedonia']));
  });
});

test('the catalogue is answered from memory: its tables may be locked', async () => {
  const owner = new pg.Client({ connectionString: world().database.ownerDatabaseUrl });
  await owner.connect();
  await owner.query('begin');
  await owner.query(`lock table product, variant, offer, currency, operator_prefix, client,
    entitlement in access exclusive mode`);
  for (const path of ['/topups/products', '/topups/products/4218', '/topups/variants/2',
    '/topups/products/4218/variants', '/currencies', '/countries']) {
    expect((await get(path)).status).toBe(200);
  }
  expect((await post('/topups/lookup', '{"mobile_number":"+918879685100"}')).status).toBe(200);
  await owner.query('rollback');
  await owner.end();
});
