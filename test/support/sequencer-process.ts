import process from 'node:process';

/** A sequencer as a process of its own, over the built files, that a test kills or stops. */
const databaseUrl = process.env['DATABASE_URL'] ?? '';
const built = (path: string): string => new URL(`../../dist/${path}`, import.meta.url).href;
// Whoever started this process is gone: nobody would ever end it.
process.on('disconnect', () => process.exit(0));

const { createPool } = await import(built('db/pool.js')) as typeof import('../../src/db/pool.ts');
const { numberEvents } =
  await import(built('db/feed-numbers.js')) as typeof import('../../src/db/feed-numbers.ts');
const { startSequencer } =
  await import(built('worker/sequencer.js')) as typeof import('../../src/worker/sequencer.ts');
const { systemClock } = await import(built('clock.js')) as typeof import('../../src/clock.ts');

const pool = createPool({
  databaseUrl, size: 2, applicationName: 'sequencer', onError: () => undefined,
});
startSequencer({
  clock: systemClock, onError: () => undefined, numberEvents: (limit) => numberEvents(pool, limit),
});
process.send?.('ready');
