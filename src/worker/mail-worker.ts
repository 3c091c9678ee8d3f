import { waitAtMost } from '../domain/deadline.ts';
import { MailFault, type Mailer, type MailJob, type MailQueue } from '../domain/mail.ts';
import { notificationMail } from '../domain/notification-mail.ts';
import type { Clock, Store } from '../domain/ports.ts';
import { startLoop } from './loop.ts';

/** Mails in hand at a time, as many as the mailer has connections. */
const IN_HAND_MAX = 5;
/** Mails of one hand-over: a short transaction, whatever has piled up. */
const HAND_OVER_MAX = 200;
/** How long a mail that is owed lies before it is seen. */
const POLL_MS = 500;

export interface MailWorkerParts {
  readonly queue: MailQueue;
  readonly mailer: Mailer;
  readonly store: Pick<Store, 'findOrder'>;
  readonly clock: Clock;
  /** When the first look is due; milliseconds, none by default. */
  readonly startsInMs?: number;
  readonly onError: (error: unknown) => void;
  /** A mail was not sent and will be tried again. */
  readonly onFault: (job: MailJob, fault: string) => void;
  /** A mail is not tried again. */
  readonly onGivenUp: (job: MailJob, fault: string) => void;
}

export interface MailWorker {
  /** Takes no more and lets the mails in hand go, at most `graceMs`. */
  stop(graceMs: number): Promise<void>;
}

/**
 * Hands owed mail over to the jobs and sends what is due. A mail that this process cannot finish
 * is taken up again by whoever comes first; whatever happens to it, no order changes.
 */
export function startMailWorker(parts: MailWorkerParts): MailWorker {
  const { queue, clock } = parts;
  const inHand = new Set<Promise<void>>();

  const take = (job: MailJob): void => {
    const sending = sendMail(job, parts)
      .catch(parts.onError)
      .finally(() => {
        const wasFull = inHand.size >= IN_HAND_MAX;
        inHand.delete(sending);
        if (wasFull) loop.wake();
      });
    inHand.add(sending);
  };

  let startsInMs = parts.startsInMs ?? 0;
  const runOnce = async (): Promise<number> => {
    if (startsInMs > 0) {
      const pauseMs = startsInMs;
      startsInMs = 0;
      return pauseMs;
    }
    const handedOver = await queue.handOver(HAND_OVER_MAX);
    const room = IN_HAND_MAX - inHand.size;
    if (room <= 0) return POLL_MS;
    const jobs = await queue.take(room);
    jobs.forEach(take);
    const isMoreLikely = handedOver === HAND_OVER_MAX || jobs.length === room;
    return isMoreLikely && inHand.size < IN_HAND_MAX ? 0 : POLL_MS;
  };

  const loop = startLoop({ runOnce, clock, onError: parts.onError });
  return {
    async stop(graceMs) {
      await loop.stop();
      await waitAtMost(graceMs, Promise.all(inHand), { clock });
    },
  };
}

async function sendMail(job: MailJob, parts: MailWorkerParts): Promise<void> {
  const { queue } = parts;
  const order = await parts.store.findOrder(job.clientId, job.orderId);
  if (order === null) throw new Error('A mail is owed for an order that is not there');
  try {
    const result = await parts.mailer.send(notificationMail(order, job.address));
    if (result === 'SENT') return await queue.finish(job);
  } catch (error) {
    if (!(error instanceof MailFault)) throw error;
    if (job.isLastTry) parts.onGivenUp(job, error.message);
    else parts.onFault(job, error.message);
    return queue.postpone(job, error.message);
  }
  parts.onGivenUp(job, 'The recipient was refused');
  return queue.giveUp(job, 'REFUSED');
}
