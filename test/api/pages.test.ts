import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Fastify from 'fastify';
import { buildSchema, parse, validate } from 'graphql';
import { afterAll, describe, expect, test } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { explorerTabs } from '../../src/pages/explorer/tabs.ts';
import { DELAYS, orderInput, OUTCOMES, PRODUCTS } from '../../src/pages/watch/choices.ts';
import {
  CREATE, ORDER_FEED, RECENT, VIEWER, WALLET_FEED, type CreateResult,
} from '../../src/pages/watch/documents.ts';
import { openPages } from '../../src/rest/pages.routes.ts';
import { envelopeOptions, setRestEnvelope } from '../../src/rest/rest-door.ts';
import { authorization, JSON_TYPE } from '../support/doors.ts';
import { readSources } from '../support/sources.ts';
import { useWorld } from '../support/world.ts';

const SESSION = '<script type="application/json" id="session">{}</script>';
const folder = mkdtempSync(join(tmpdir(), 'topup-pages-'));
mkdirSync(join(folder, 'assets'));
writeFileSync(join(folder, 'explorer.html'), `<title>Explorer</title>${SESSION}`);
writeFileSync(join(folder, 'watch.html'), `<title>Watch</title>${SESSION}`);
writeFileSync(join(folder, 'index.html'), '<li data-demo>Watch</li><li>Explorer</li>');
writeFileSync(join(folder, 'assets/page-1a2b3c.js'), 'export {};\n');
writeFileSync(join(folder, 'assets/page-1a2b3c.css'), 'body {}\n');
writeFileSync(join(folder, 'secret.txt'), 'not a page');

const world = useWorld({
  // What is fulfilled in the request is placed all the same where nobody waits for its end.
  inlineWaitMs: 50,
  role: 'gateway',
  pages: { folder, demoToken: () => Promise.resolve('a.demo</script>token') },
});
afterAll(() => rmSync(folder, { recursive: true }));

const get = (path: string, init?: RequestInit): Promise<Response> =>
  fetch(`${world().gateway.url}${path}`, init);
const BROWSER = { headers: { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' } };

describe('the explorer', () => {
  test('is what a browser finds at the GraphQL endpoint, with a token and no way out', async () => {
    const answer = await get('/graphql', BROWSER);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    expect(answer.headers.get('referrer-policy')).toBe('no-referrer');
    const policy = answer.headers.get('content-security-policy')?.split('; ');
    expect(policy).toEqual(expect.arrayContaining([
      "default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'",
      "base-uri 'none'", "form-action 'none'",
    ]));
    const html = await answer.text();
    expect(html).toContain('<title>Explorer</title>');
    expect(html).toContain('id="session">{"token":"a.demo\\u003c/script>token"}</script>');
  });

  test('is not what a program finds there', async () => {
    for (const accept of [
      '*/*', 'application/json', 'application/graphql-response+json',
      'application/json,text/html;q=0.1', 'text/html, application/json', 'text/html;q=0, */*',
    ]) {
      const answer = await get('/graphql?query={__typename}', { headers: { accept } });
      expect([accept, answer.status]).toEqual([accept, 401]);
    }
  });
});

describe('the front page', () => {
  test('is what a browser finds at the root, and a program does not', async () => {
    const answer = await get('/', BROWSER);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(answer.headers.get('content-security-policy')).not.toContain('unsafe');
    expect(await answer.text()).toBe('<li data-demo>Watch</li><li>Explorer</li>');
    const program = await get('/');
    expect(program.status).toBe(404);
    expect(await program.json()).toMatchObject({ error: { code: 'NOT_FOUND' } });
  });

  test.each(['/watch', '/docs'])('%s is found with a slash behind it, too', async (path) => {
    const answer = await get(`${path}/`, { ...BROWSER, redirect: 'manual' });
    expect([answer.status, answer.headers.get('location')]).toEqual([308, path]);
  });
});

describe('/watch', () => {
  test('allows no style inside the page either', async () => {
    const answer = await get('/watch');
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-security-policy')).not.toContain('unsafe');
    expect(await answer.text()).toContain('<title>Watch</title>');
    const head = await get('/watch', { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
    expect((await get('/watch', { method: 'POST' })).status).toBe(405);
  });
});

describe('the files of the pages', () => {
  test.each([
    ['page-1a2b3c.js', 'application/javascript; charset=utf-8'],
    ['page-1a2b3c.css', 'text/css; charset=utf-8'],
  ])('%s is kept for a year and asked for once', async (name, type) => {
    const path = `/pages/assets/${name}`;
    const answer = await get(path);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe(type);
    expect(answer.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    expect(answer.headers.get('referrer-policy')).toBe('no-referrer');
    const etag = answer.headers.get('etag') ?? '';
    expect(etag).not.toBe('');
    expect(await getRaw(path, { 'if-none-match': etag })).toEqual({ status: 304, body: '' });
    const head = await get(path, { method: 'HEAD' });
    expect([head.status, head.headers.get('etag'), await head.text()]).toEqual([200, etag, '']);
  });

  test.each([
    { range: 'bytes=0-1' }, { range: 'bytes=999999999-' }, { range: 'bytes=abc' },
    { range: 'bytes=0-1', 'if-range': '"x"' }, { 'if-match': '"x"' },
    { 'if-unmodified-since': 'Sun, 06 Nov 1994 08:49:37 GMT' },
  ])('are given whole, whatever part or state is asked for: %o', async (headers) => {
    expect(await getRaw('/pages/assets/page-1a2b3c.js', headers))
      .toEqual({ status: 200, body: 'export {};\n' });
  });

  test.each([
    '/pages', '/pages/', '/pages/assets', '/pages/assets/', '/pages/explorer.html',
    '/pages/assets/none.js', '/pages/assets/../secret.txt', '/pages/assets/..%2fsecret.txt',
    '/pages/assets/%2e%2e/secret.txt', '/pages/assets/..%5csecret.txt',
    '/pages/assets//etc/passwd', '/pages/assets/page-1a2b3c.js/',
  ])('%s is not there', async (path) => {
    const { status, body } = await getRaw(path);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(500);
    expect(JSON.parse(body)).toHaveProperty('error');
  });
});

/** As it is written: fetch tidies paths, and asks for no cached answer. */
function getRaw(
  path: string,
  headers: Record<string, string> = {},
): Promise<{ readonly status: number; readonly body: string }> {
  const { hostname, port } = new URL(world().gateway.url);
  return new Promise((resolve, reject) => {
    request({ hostname, port, path, headers }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => { body += chunk; });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    }).on('error', reject).end();
  });
}

describe('outside the demo', () => {
  const secrets = {
    DATABASE_URL: 'postgresql://app:x@db/topup',
    TOKEN_SIGNING_KEY: 'x'.repeat(32),
    KEY_HASHING_KEY: 'x'.repeat(32),
    SUPPLIER_SIGNING_KEYS: `a=${'x'.repeat(32)}`,
  };

  test('pages are served only where a setting says so', () => {
    const isServed = (env: Record<string, string>): boolean => readConfig(env, true).arePagesServed;
    expect(isServed({})).toBe(true);
    expect(isServed({ PAGES: '0' })).toBe(false);
    expect(isServed(secrets)).toBe(false);
    expect(isServed({ ...secrets, PAGES: '1' })).toBe(true);
    expect(isServed({ ...secrets, DEMO: '1' })).toBe(true);
  });

  test('there is no token and no /watch', async () => {
    const app = Fastify(envelopeOptions);
    setRestEnvelope(app);
    const pages = await openPages({ folder, demoToken: null });
    if (pages === null) throw new Error('The pages are there');
    app.get('/explorer', (_request, reply) => pages.answerExplorer(reply));
    await app.register(pages.routes);
    expect((await app.inject('/explorer')).body).toContain('id="session">{}</script>');
    expect((await app.inject('/watch')).statusCode).toBe(404);
    expect((await app.inject({ url: '/', ...BROWSER })).body).toBe('<li>Explorer</li>');
    await app.close();
  });

  test('pages that nobody has built are no fault', async () => {
    expect(await openPages({ folder: join(folder, 'assets'), demoToken: null })).toBeNull();
  });
});

describe('what the pages ask for', () => {
  const [sdl] = readSources('schema/schema.graphql');
  const schema = buildSchema(sdl?.text ?? '');

  test.each([
    ...explorerTabs('R').map(({ query }) => query), CREATE, RECENT, VIEWER, ORDER_FEED.query,
    WALLET_FEED.query,
  ])('fits the schema: %s', (query) => {
    expect(validate(schema, parse(query))).toEqual([]);
  });

  test.each(PRODUCTS)('$label can be ordered with any outcome', async (product) => {
    for (const [index, outcome] of OUTCOMES.entries()) {
      const reference = `${product.productId}-${index}`;
      const delay = DELAYS[index % DELAYS.length] ?? outcome;
      const answer = await get('/graphql', {
        method: 'POST',
        headers: { ...JSON_TYPE, ...authorization(world(), 1) },
        body: JSON.stringify({
          query: CREATE, variables: { input: orderInput(product, { outcome, delay, reference }) },
        }),
      });
      const { data } = await answer.json() as { data: CreateResult };
      expect([outcome.label, data.createTopupOrder.userErrors]).toEqual([outcome.label, []]);
    }
  });
});

describe('/docs', () => {
  test('holds the token and runs no script but ours', async () => {
    const answer = await get('/docs');
    expect(answer.status).toBe(200);
    const policy = answer.headers.get('content-security-policy')?.split('; ');
    expect(policy).toEqual(expect.arrayContaining([
      "default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'",
    ]));
    const html = await answer.text();
    expect(html).toContain('&quot;token&quot;:&quot;a.demo&lt;/script&gt;token&quot;');
    expect([...html.matchAll(/<script[^>]* src="([^"]*)"/g)].map(([, path]) => path))
      .toEqual(['/docs/reference.js']);
    const script = await get('/docs/reference.js');
    expect(script.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
    expect((await script.text()).length).toBeGreaterThan(1_000_000);
  });
});
