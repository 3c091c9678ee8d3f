import { expect, it, onTestFinished } from 'vitest';
import { MailFault, type MailJob, type Mailer } from '../../src/domain/mail.ts';
import type { Clock } from '../../src/domain/ports.ts';
import { startMailWorker } from '../../src/worker/mail-worker.ts';
import { topupOrder } from '../domain/builders.ts';

const GRACE_MS = 1_234;

/** Nothing is due by itself: a pause ends when it is ended, or when the test says so. */
function startWorker(send: Mailer['send'], jobCount: number) {
  const waiting: MailJob[] = Array.from({ length: jobCount }, (_, index) => ({
    id: String(index), clientId: 1, orderId: 1, status: 'DELIVERED', address: `${index}@a.example`,
    retryCount: 0, isLastTry: false,
  }));
  const graceIsOver = Promise.withResolvers<void>();
  const told: string[] = [];
  const taken: number[] = [];
  const clock: Clock = {
    now: () => new Date(0),
    monotonicMs: () => 0,
    sleep: (ms, signal) => Promise.race([
      ms === GRACE_MS ? graceIsOver.promise : new Promise<never>(() => undefined),
      new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve())),
    ]),
  };
  const worker = startMailWorker({
    clock,
    mailer: { send },
    store: { findOrder: async () => topupOrder({ status: 'DELIVERED' }) },
    queue: {
      handOver: async () => 0,
      async take(limit) {
        taken.push(limit);
        return waiting.splice(0, limit);
      },
      finish: async ({ address }) => void told.push(`sent ${address}`),
      postpone: async ({ address }) => void told.push(`later ${address}`),
      giveUp: async ({ address }) => void told.push(`never ${address}`),
    },
    onError: (error) => told.push(`error ${(error as Error).message}`),
    onFault: () => undefined,
    onGivenUp: () => undefined,
  });
  onTestFinished(() => {
    graceIsOver.resolve();
    return worker.stop(GRACE_MS);
  });
  return { worker, told, taken, graceIsOver, waiting };
}

/** Sends that end when the test says so, by address. */
function heldSends() {
  const sends = new Map<string, (result: 'SENT') => void>();
  const send: Mailer['send'] = ({ to }) => new Promise((resolve) => {
    sends.set(to, resolve);
  });
  return { sends, send };
}

it('has five mails in hand at most, and takes the next as soon as one has gone', async () => {
  const { sends, send } = heldSends();
  const { taken, told } = startWorker(send, 7);
  await expect.poll(() => sends.size).toBe(5);
  expect(taken).toEqual([5]);
  sends.get('0@a.example')?.('SENT');
  await expect.poll(() => sends.size).toBe(6);
  expect([taken, told]).toEqual([[5, 1], ['sent 0@a.example']]);
  for (const end of sends.values()) end('SENT');
  await expect.poll(() => sends.size).toBe(7);
  sends.get('6@a.example')?.('SENT');
});

it('stops once the mails in hand have gone, and takes no more', async () => {
  const { sends, send } = heldSends();
  const { worker, told, waiting } = startWorker(send, 6);
  await expect.poll(() => sends.size).toBe(5);
  const stopped = worker.stop(GRACE_MS).then(() => told.push('stopped'));
  await expect(Promise.race([stopped, new Promise((go) => setImmediate(go, 'waits'))]))
    .resolves.toBe('waits');
  for (const end of sends.values()) end('SENT');
  await stopped;
  expect(told).toHaveLength(6);
  expect([told.at(-1), waiting.length]).toEqual(['stopped', 1]);
});

it('stops without a mail that hangs, once its time is over', async () => {
  const { sends, send } = heldSends();
  const { worker, told, graceIsOver } = startWorker(send, 1);
  await expect.poll(() => sends.size).toBe(1);
  const stopped = worker.stop(GRACE_MS);
  graceIsOver.resolve();
  await stopped;
  expect(told).toEqual([]);
  sends.get('0@a.example')?.('SENT');
});

it('keeps of a fault of its own nothing with the mail, which goes again by itself', async () => {
  const faults = [new MailFault('451'), new TypeError('a fault of ours')];
  const { told } = startWorker(() => Promise.reject(faults.shift() ?? new Error()), 2);
  await expect.poll(() => told.toSorted())
    .toEqual(['error a fault of ours', 'later 0@a.example']);
});
