import pg from 'pg';
import { expect, it } from 'vitest';
import { createLog } from '../src/log.ts';
import { createOutageLines } from '../src/outage-lines.ts';
import { freePort } from './support/free-port.ts';

const WORDS = 'A step failed';

/** As the driver tells of a database that is away. */
async function refusedConnection(): Promise<unknown> {
  const client = new pg.Client({ host: '127.0.0.1', port: await freePort() });
  return client.connect().then(() => null, (error: unknown) => error);
}

it('tells of an outage once in half a minute, and how often it was met', async () => {
  const err = await refusedConnection();
  let nowMs = 5;
  const asToTell = createOutageLines(() => nowMs);
  expect(asToTell({ err }, WORDS)).toEqual({ err });
  nowMs += 29_000;
  expect(asToTell({ err }, WORDS)).toBeNull();
  expect(asToTell({ err }, WORDS)).toBeNull();
  nowMs += 1_000;
  expect(asToTell({ err }, WORDS)).toEqual({ err, left_out: 2 });
  nowMs += 30_000;
  expect(asToTell({ err }, WORDS)).toEqual({ err });
});

it('tells at once what is new of it', async () => {
  const err = await refusedConnection();
  const asToTell = createOutageLines(() => 0);
  const starting = Object.assign(new Error('the database system is starting up'), {
    severity: 'FATAL', code: '57P03',
  });
  const told = [
    [{ err }, WORDS], [{ err }, 'Another step failed'], [{ err: starting }, WORDS],
  ] as const;
  for (const [fields, words] of told) expect(asToTell(fields, words)).toBe(fields);
  for (const [fields, words] of told) expect(asToTell(fields, words)).toBeNull();
});

it('leaves out nothing but an outage', async () => {
  const err = await refusedConnection();
  const lines: { readonly msg: string; readonly left_out?: number }[] = [];
  const log = createLog('info', { write: (line: string) => void lines.push(JSON.parse(line)) });
  for (let round = 0; round < 2; round += 1) {
    log.error({ err }, 'away');
    log.error({ err, order_id: 7 }, 'of an order');
    log.child({ requestId: 'r' }).error({ err: new TypeError('x is not a function') }, 'a fault');
    log.info('words alone');
    log.warn({ count: 3 }, 'a count');
    log.warn({ reason: 'away' }, 'a fill-in: %s', 'filled');
  }
  const rest = ['of an order', 'a fault', 'words alone', 'a count', 'a fill-in: filled'];
  expect(lines.map(({ msg }) => msg)).toEqual(['away', ...rest, ...rest]);
});
