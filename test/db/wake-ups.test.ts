import { expect, it } from 'vitest';
import { createPool, PROGRAM_NAMES } from '../../src/db/pool.ts';
import { openWakeUps, type WakeUp } from '../../src/db/wake-ups.ts';
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

it('are heard again after the server ended the connection, which has its own name', async () => {
  const { databaseUrl } = database();
  const faults: Error[] = [];
  const onError = (error: Error): void => void faults.push(error);
  const pool = createPool({ databaseUrl, size: 1, applicationName: 'test', onError });
  const wakeUps = openWakeUps({ databaseUrl: `${databaseUrl}?application_name=x`, pool, onError });
  const lookedUp = (): Promise<void> => new Promise((resolve) => wakeUps.on('work', resolve));
  await lookedUp();
  const again = lookedUp();
  const { rows } = await pool.query(`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and application_name = $1`, [PROGRAM_NAMES.wakeUps]);
  expect(rows).toHaveLength(1);
  await again;
  expect(faults.length).toBeGreaterThan(0);
  await wakeUps.close();
  await pool.end();
});

it('tell other processes each time, and not only the first one', async () => {
  const { databaseUrl } = database();
  const onError = (): void => undefined;
  const pool = createPool({ databaseUrl, size: 1, applicationName: 'test', onError });
  const teller = openWakeUps({ databaseUrl, pool, onError });
  const listener = openWakeUps({ databaseUrl, pool, onError });
  // Whoever listens looks up at once what was said before.
  const lookedUp = ['access', 'catalogue', 'feed', 'work'] as const;
  await Promise.all(lookedUp.map((channel) => new Promise<void>((resolve) => {
    listener.on(channel, resolve);
  })));
  const heard: WakeUp[] = [];
  const told: WakeUp[] = [];
  for (const channel of [...lookedUp, 'worker_alive'] as const) {
    listener.on(channel, () => heard.push(channel));
    for (let count = 0; count < 2; count += 1) {
      teller.send(channel);
      told.push(channel);
      await expect.poll(() => heard, { interval: 10, timeout: 10_000 }).toEqual(told);
    }
  }
  await Promise.all([teller.close(), listener.close()]);
  await pool.end();
});
