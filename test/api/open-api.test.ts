import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { FAILURE_CODES } from '../../src/domain/topup-order.ts';
import { REJECTION_CODES } from '../../src/domain/rejection.ts';
import { bareRestDoor, readOpenApi, type OpenApi } from '../support/open-api.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const COMMITTED = join(ROOT, 'schema/openapi.yaml');

let document: OpenApi;
beforeAll(async () => {
  document = await readOpenApi(COMMITTED);
});

test('every route of the API describes itself', async () => {
  const described: string[] = [];
  const silent: string[] = [];
  const app = await bareRestDoor((url, schema) => {
    if (!/^\/(?:api|auth)\//.test(url)) return;
    const { operationId } = (schema ?? {}) as { operationId?: string };
    (operationId === undefined ? silent : described).push(url);
  });
  await app.close();
  expect(silent).toEqual([]);
  expect(described.length).toBeGreaterThan(4);
});

test.each(['/openapi.json', '/openapi.yaml'])('%s is served for the address it is read from',
  async (path) => {
    const app = await bareRestDoor();
    const { headers, body } = await app.inject(path);
    await app.close();
    expect(headers['content-type']).toMatch(/^application\/(?:json|yaml); charset=utf-8$/);
    expect(parse(body)).toEqual({ ...document, servers: [expect.objectContaining({ url: '/' })] });
  });

test('every integer without a bound of its own is one of 64 bits', () => {
  const text = JSON.stringify(document);
  const unbound = text.match(/\{[^{}]*"maximum":9007199254740991[^{}]*\}/g) ?? [];
  expect(unbound.length).toBeGreaterThan(20);
  expect(unbound.filter((schema) => !schema.includes('"format":"int64"'))).toEqual([]);
});

test('a reader of YAML 1.1 sees the same, no dates among it', async () => {
  const text = await readFile(COMMITTED, 'utf8');
  expect(parse(text, { version: '1.1' })).toEqual(document);
});

describe('linters', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'open-api-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  /** A document with two faults that each linter knows. */
  async function brokenDocument(): Promise<string> {
    const path = join(folder, 'broken.yaml');
    const paths = { '/a': { get: { responses: { 200: { description: 'a' } } } } };
    const broken = { openapi: '3.1.0', info: { title: 'a', version: '1' }, paths };
    await writeFile(path, JSON.stringify(broken));
    return path;
  }

  test('spectral:oas finds nothing', async () => {
    const lint = (path: string) => lintWith('spectral', [
      'lint', '--ruleset', join(ROOT, 'test/support/spectral.yaml'),
      '--fail-severity', 'hint', path,
    ]);
    const [committed, broken] = await Promise.all([lint(COMMITTED), lint(await brokenDocument())]);
    expect(broken.text).toContain('operation-operationId');
    expect(committed).toEqual({ code: 0, text: expect.stringContaining('No results') });
  }, 60_000);

  test('redocly\'s recommended rules find nothing', async () => {
    const lint = (path: string) => lintWith('redocly', [
      'lint', '--config', join(ROOT, 'test/support/redocly.yaml'), '--format', 'json', path,
    ]);
    const [committed, broken] = await Promise.all([lint(COMMITTED), lint(await brokenDocument())]);
    expect(broken.text).toContain('"ruleId": "security-defined"');
    expect(committed.text).toMatch(/"errors": 0,\s*"warnings": 0/);
    expect(committed.code).toBe(0);
  }, 60_000);
});

async function lintWith(
  tool: string,
  args: readonly string[],
): Promise<{ readonly code: number; readonly text: string }> {
  const env = {
    ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true', NO_COLOR: '1',
  };
  const run = promisify(execFile)(join(ROOT, 'node_modules/.bin', tool), [...args], { env });
  return run.then(
    ({ stdout }) => ({ code: 0, text: stdout }),
    (error: { code: number; stdout: string }) => ({ code: error.code, text: error.stdout }),
  );
}

describe('examples', () => {
  test('stand at every answer and every body', () => {
    const bare: string[] = [];
    for (const { operationId, requestBody, responses } of operations()) {
      const contents = [['request', requestBody], ...Object.entries(responses)] as const;
      for (const [where, part] of contents) {
        for (const [type, { examples }] of Object.entries(part?.content ?? {})) {
          const isBare = Object.keys(examples ?? {}).length === 0;
          if (isBare) bare.push(`${operationId} ${where} ${type}`);
        }
      }
    }
    expect(bare).toEqual([]);
  });

  test('show each failure code on a FAILED order', () => {
    const { examples = {} } = jsonOf('createTopupOrder', '200');
    const failed = Object.values(examples)
      .map(({ value }) => value as { status: string; failure_code?: string; completed_at?: string })
      .filter(({ status }) => status === 'FAILED');
    expect(failed.map((order) => order.failure_code)).toEqual([...FAILURE_CODES]);
    expect(failed.every((order) => order.completed_at !== undefined)).toBe(true);
  });

  test('show each reason to refuse a create', () => {
    const shown = ['400', '404'].flatMap((status) =>
      Object.keys(jsonOf('createTopupOrder', status).examples ?? {}));
    const elsewhere = ['VALIDATION_FAILURE', 'NOT_CANCELLABLE', 'ORDER_NOT_FOUND'];
    expect(REJECTION_CODES.filter((code) => !shown.includes(code) && !elsewhere.includes(code)))
      .toEqual([]);
  });
});

function operations(): OpenApi['paths'][string][string][] {
  return Object.values(document.paths).flatMap((item) => Object.values(item));
}

function jsonOf(operationId: string, status: string) {
  const operation = operations().find((each) => each.operationId === operationId);
  const media = operation?.responses[status]?.content?.['application/json'];
  if (media === undefined) throw new Error(`${operationId} has no answer ${status}`);
  return media;
}
