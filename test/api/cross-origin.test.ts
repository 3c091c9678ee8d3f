import { request, type IncomingHttpHeaders } from 'node:http';
import { describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { authorization, JSON_TYPE } from '../support/doors.ts';
import { useWorld } from '../support/world.ts';

const world = useWorld();
const SHOP = 'https://shop.example.com';
const PREFLIGHT = {
  'access-control-request-method': 'POST',
  'access-control-request-headers': 'authorization,content-type',
};

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** As a browser asks for a script; `fetch` of Node may not name an origin everywhere. */
function ask(
  path: string,
  { method = 'GET', body, ...headers }: Readonly<Record<string, string>>,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(`${world().gateway.url}${path}`, { method, headers }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => { text += chunk; });
      answer.on('end', () => resolve({
        status: answer.statusCode, headers: answer.headers, body: text,
      }));
    });
    asked.on('error', reject).end(body);
  });
}

/** What the documented headers of answers are to scripts of other origins. */
const EXPOSED = 'X-Request-Id, Retry-After, RateLimit, RateLimit-Policy, X-RateLimit-Limit, '
  + 'X-RateLimit-Remaining, X-RateLimit-Reset, X-Page, X-Per-Page, X-Page-Size, X-Total-Count, '
  + 'X-Total-Pages, X-Has-More, ETag';

const allowedOrigin = ({ headers }: Answer) => headers['access-control-allow-origin'];

describe('a page of a listed origin', () => {
  it.each(['/graphql', '/api/v1/topups/orders', '/auth/login', '/api/v1/topups/orders/1/cancel'])(
    'may ask at %s', async (path) => {
      const { status, headers, body } =
        await ask(path, { method: 'OPTIONS', origin: SHOP, ...PREFLIGHT });
      expect([status, body]).toEqual([204, '']);
      expect(headers).toMatchObject({
        'access-control-allow-origin': SHOP,
        'access-control-allow-methods': 'GET, HEAD, POST, PATCH',
        'access-control-allow-headers': 'authorization,content-type',
        'access-control-max-age': '7200',
        vary: 'Origin',
        'x-request-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
      });
      expect(headers).not.toHaveProperty('access-control-allow-credentials');
    },
  );

  it('reads answers and refusals, by either door', async () => {
    const headers = { ...JSON_TYPE, ...authorization(world(), 1), origin: SHOP };
    const answers = [
      await ask('/graphql', { method: 'POST', body: '{"query":"{viewer{name}}"}', ...headers }),
      await ask('/graphql', { method: 'POST', body: '{', ...headers }),
      await ask('/api/v1/topups/orders/999999', headers),
      await ask('/api/v1/topups/orders', { origin: SHOP }),
      await ask('/api/v1/nowhere', { origin: SHOP }),
      await ask('/openapi.json', { origin: SHOP }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 400, 404, 401, 404, 200]);
    for (const answer of answers) {
      expect(allowedOrigin(answer)).toBe(SHOP);
      expect(answer.headers['access-control-expose-headers']).toBe(EXPOSED);
    }
  });

  it('may come from any port where that is said', async () => {
    for (const origin of ['http://localhost:5173', 'http://localhost']) {
      expect(allowedOrigin(await ask('/graphql', { origin }))).toBe(origin);
    }
    for (const origin of ['https://localhost:5173', 'http://localhost.example.com:80', 'null']) {
      expect(allowedOrigin(await ask('/graphql', { origin }))).toBeUndefined();
    }
  });
});

describe('a page of another origin', () => {
  it('is not told that it may, and its request is answered as it would be to anybody', async () => {
    const origin = 'https://elsewhere.example.com';
    const asked = await ask('/graphql', { method: 'OPTIONS', origin, ...PREFLIGHT });
    expect([asked.status, allowedOrigin(asked)]).toEqual([405, undefined]);
    // The latter would be a listed one, were its last two characters an end that says any port.
    for (const other of [origin, SHOP.slice(0, -2)]) {
      const read = await ask('/api/v1/topups/orders', { origin: other });
      expect([read.status, allowedOrigin(read)]).toEqual([401, undefined]);
      expect(read.headers.vary).toBe('Origin');
    }
  });
});

it('what a browser keeps for one page it does not give to another', async () => {
  const headers = authorization(world(), 1);
  for (const given of [headers, { ...headers, origin: SHOP }]) {
    const { headers: { vary, ...rest } } = await ask('/api/v1/topups/products', { ...given });
    expect(vary).toBe('authorization, origin');
    expect(rest['cache-control']).toBe('private, max-age=300');
  }
});

it('neither pages nor what is for operators is shared', async () => {
  for (const path of ['/', '/docs', '/watch', '/metrics', '/readyz', '/callbacks/fulfilment/x']) {
    expect(allowedOrigin(await ask(path, { origin: SHOP }))).toBeUndefined();
  }
  expect(allowedOrigin(await ask('/graphql', { origin: SHOP, accept: 'text/html' })))
    .toBeUndefined();
});

describe('the list of origins', () => {
  const listed = (env: Record<string, string>) => readConfig(env, false).allowedOrigins;

  it('is what is set, this machine in the demo, and nobody otherwise', () => {
    const DATABASE_URL = 'postgresql://app:x@db/topup';
    expect(listed({ DATABASE_URL })).toEqual([]);
    expect(listed({ DATABASE_URL, ALLOWED_ORIGINS: `${SHOP}, http://localhost:*` }))
      .toEqual([SHOP, 'http://localhost:*']);
    expect(listed({ ALLOWED_ORIGINS: '' })).toEqual([]);
    expect(listed({ ALLOWED_ORIGINS: '*' })).toEqual(['*']);
    expect(listed({})).toEqual(['http://localhost:*', 'http://127.0.0.1:*', 'http://[::1]:*']);
  });

  it.each(['shop.example.com', 'https://shop.example.com/', 'ftp://a', 'https://a/b', 'null',
    'https://*.example.com', 'http://localhost:3000:*'])(
    'has no %s', (origin) => {
      expect(() => listed({ ALLOWED_ORIGINS: origin })).toThrow(/ALLOWED_ORIGINS must list/);
    },
  );
});
