import { expect, it } from 'vitest';
import { createPool } from '../../src/db/pool.ts';
import { openWakeUps } from '../../src/db/wake-ups.ts';
import { startCuttingProxy } from '../support/cutting-proxy.ts';
import { useTestDatabase } from '../support/database.ts';

const database = useTestDatabase();

it('are heard again after the connection fell silent', async () => {
  const { databaseUrl } = database();
  const target = new URL(databaseUrl);
  const proxy = await startCuttingProxy(`http://${target.host}`);
  target.host = new URL(proxy.url).host;
  const pool = createPool({
    databaseUrl, size: 1, applicationName: 'test', onError: () => undefined,
  });
  const faults: Error[] = [];
  const wakeUps = openWakeUps({
    databaseUrl: target.href, pool, onError: (error) => faults.push(error), askMs: 50,
    answerTimeoutMs: 500,
  });
  let heardCount = 0;
  wakeUps.on('worker_alive', () => { heardCount += 1; });
  const tellUntilHeard = async (): Promise<void> => {
    const before = heardCount;
    await expect.poll(async () => {
      await pool.query("select pg_notify('worker_alive', '')");
      return heardCount > before;
    }, { interval: 20, timeout: 10_000 }).toBe(true);
  };
  await tellUntilHeard();
  proxy.silenceAll();
  // What was told before may still arrive; the silence shows only in an answer that is missing.
  await expect.poll(() => faults.map(({ message }) => message)).toEqual(['Query read timeout']);
  await tellUntilHeard();
  expect(faults).toHaveLength(1);
  await wakeUps.close();
  await pool.end();
  await proxy.close();
});

it('tell other processes each time, and not only the first one', async () => {
  const { databaseUrl } = database();
  const onError = (): void => undefined;
  const pool = createPool({ databaseUrl, size: 1, applicationName: 'test', onError });
  const teller = openWakeUps({ databaseUrl, pool, onError });
  const listener = openWakeUps({ databaseUrl, pool, onError });
  // Whoever listens looks up at once what was said before.
  await new Promise<void>((resolve) => listener.on('work', resolve));
  let heardCount = 0;
  listener.on('worker_alive', () => { heardCount += 1; });
  for (const count of [1, 2]) {
    teller.send('worker_alive');
    await expect.poll(() => heardCount, { interval: 10, timeout: 10_000 }).toBe(count);
  }
  await Promise.all([teller.close(), listener.close()]);
  await pool.end();
});
