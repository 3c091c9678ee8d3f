import pg from 'pg';
import type { Logger } from 'pino';
import { expect, it } from 'vitest';
import { tellAway } from '../src/db/pool.ts';
import { createLog } from '../src/log.ts';
import { createOutageLines } from '../src/outage-lines.ts';
import { freePort } from './support/free-port.ts';

const WORDS = 'A step failed';

interface Line {
  readonly msg: string;
  readonly err?: { readonly cause?: string };
}

function openLog(): { readonly lines: readonly Line[]; readonly log: Logger } {
  const lines: Line[] = [];
  const write = (line: string): void => void lines.push(JSON.parse(line) as Line);
  return { lines, log: createLog('info', { write }) };
}

/** As the driver tells of a database that is away. */
async function refusedConnection(): Promise<unknown> {
  const client = new pg.Client({ host: '127.0.0.1', port: await freePort() });
  return client.connect().then(() => null, (error: unknown) => error);
}

it('tells of an outage once in half a minute, and how often it was met', async () => {
  const err = await refusedConnection();
  let nowMs = 5;
  const leftOutBefore = createOutageLines(() => nowMs);
  expect(leftOutBefore({ err }, WORDS)).toBe(0);
  nowMs += 29_000;
  expect(leftOutBefore({ err }, WORDS)).toBeNull();
  expect(leftOutBefore({ err }, WORDS)).toBeNull();
  nowMs += 1_000;
  expect(leftOutBefore({ err }, WORDS)).toBe(2);
  nowMs += 30_000;
  expect(leftOutBefore({ err }, WORDS)).toBe(0);
});

it('tells at once what is new of it', async () => {
  const err = await refusedConnection();
  const leftOutBefore = createOutageLines(() => 0);
  const told = [
    [{ err }, WORDS], [{ err }, 'Another step failed'],
    ...['Connection terminated', 'timeout exceeded when trying to connect'].map((message) =>
      [{ err: new Error(message) }, WORDS] as const),
  ] as const;
  for (const [fields, words] of told) expect(leftOutBefore(fields, words)).toBe(0);
  for (const [fields, words] of told) expect(leftOutBefore(fields, words)).toBeNull();
});

it('remembers a thousand kinds, and no more', async () => {
  const err = await refusedConnection();
  const leftOutBefore = createOutageLines(() => 0);
  for (let kind = 0; kind <= 1000; kind += 1) leftOutBefore({ err }, `Step ${kind} failed`);
  expect(leftOutBefore({ err }, 'Step 1000 failed')).toBeNull();
  expect(leftOutBefore({ err }, 'Step 0 failed')).toBe(0);
});

it('knows it behind the words for clients, and tells what it was', async () => {
  const { lines, log } = openLog();
  const pool = new pg.Pool({ host: '127.0.0.1', port: await freePort() });
  const err = await tellAway(() => pool.query('select 1')).catch((error: unknown) => error);
  await pool.end();
  log.error({ err }, WORDS);
  log.error({ err }, WORDS);
  expect(lines).toMatchObject([{ err: { cause: expect.stringContaining('ECONNREFUSED') } }]);
});

it('leaves out nothing but an outage', async () => {
  const err = await refusedConnection();
  const { lines, log } = openLog();
  for (let round = 0; round < 2; round += 1) {
    log.error({ err }, 'away');
    log.error({ err, order_id: 7 }, 'of an order');
    log.child({ requestId: 'r' }).error({ err }, 'of a request');
    log.error(null, 'nothing');
    log.child({ requestId: 'r' }).error({ err: new TypeError('x is not a function') }, 'a fault');
    log.info('words alone');
    log.warn({ count: 3 }, 'a count');
    log.warn({ reason: 'away' }, 'a fill-in: %s', 'filled');
  }
  const rest = ['of an order', 'of a request', 'nothing', 'a fault',
    'words alone', 'a count', 'a fill-in: filled'];
  expect(lines.map(({ msg }) => msg)).toEqual(['away', ...rest, ...rest]);
});
