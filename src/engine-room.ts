import type { AppParts, Running } from './app.ts';
import { startFeedRetention } from './worker/feed-retention.ts';
import { startFulfilmentWorker } from './worker/fulfilment-worker.ts';
import { startMailWorker, type MailWorker } from './worker/mail-worker.ts';
import { startRecall } from './worker/recall.ts';
import { startStrayCallbacks } from './worker/stray-callbacks.ts';
import { createTroubleNotes } from './worker/trouble-notes.ts';

/** Attempts in hand may finish within this time; what is left is asked about after its lease. */
const WORKER_GRACE_MS = 4_000;
/** The first look loads the job library, a tenth of a second of work: the doors open before. */
const MAIL_STARTS_IN_MS = 500;

/**
 * The engine room: takes queued orders to their end, sends the mail they owe then, and removes what
 * is too old of the feed.
 */
export function startWorker(parts: AppParts): Running {
  const worker = startFulfilmentWorker({
    ...parts.fulfilment,
    placingCount: parts.openOrderCount,
    onError: (error, order) => order === undefined
      ? parts.log.error({ err: error }, 'A step of fulfilment failed; it is tried again')
      : parts.log.error({ err: error, order_id: order.orderId, client_id: order.clientId },
        'A step of fulfilment failed; the order is taken up again after its lease'),
    onTrouble: createTroubleNotes({
      clock: parts.fulfilment.clock,
      tell: (trouble) => parts.log.warn(trouble, 'A supplier gives no answer that can be used'),
    }),
    onRound: () => parts.workerPulse.beat(),
  });
  const mailWorker = startMail(parts);
  const retention = startFeedRetention({
    removeFeedPositions: parts.removeFeedPositions,
    clock: parts.fulfilment.clock,
    onError: (error) => parts.log.error({ err: error }, 'Old positions were not removed'),
  });
  const recall = startRecall({
    ...parts.fulfilment,
    onError: (error) => parts.log.error({ err: error }, 'Orders that lie far ahead were not seen'),
    onRecalled: (count) => {
      parts.log.warn({ count }, 'Orders lay far ahead, as a clock did once: taken up again');
      worker.wake();
    },
  });
  const strays = startStrayCallbacks({
    ...parts.fulfilment,
    onError: (error) => parts.log.error({ err: error }, 'Callbacks that were kept were not seen'),
    onApplied: ({ event }) => parts.log.warn(
      { supplier: event.supplierCode, reference: event.supplierReference },
      'A callback that was kept has met its order'),
  });
  const stopListening = parts.onWork(() => worker.wake());
  let stopping: Promise<void> | null = null;
  return {
    stop() {
      stopListening();
      stopping ??= Promise.all([
        worker.stop(WORKER_GRACE_MS), mailWorker?.stop(WORKER_GRACE_MS), retention.stop(),
        recall.stop(), strays.stop(),
      ]).then(() => undefined);
      return stopping;
    },
  };
}

function startMail({ mailer, mailQueue, store, fulfilment, log }: AppParts): MailWorker | null {
  if (mailer === null) {
    log.warn('SMTP_URL is not set: notification mail is queued and not sent');
    return null;
  }
  return startMailWorker({
    queue: mailQueue,
    mailer,
    store,
    clock: fulfilment.clock,
    startsInMs: MAIL_STARTS_IN_MS,
    onError: (error) => log.error({ err: error }, 'A step of the mail worker failed'),
    onFault: ({ orderId, clientId, retryCount }, fault) => {
      // Told once per mail: a server that is down for a night is no news at every retry.
      log[retryCount === 0 ? 'warn' : 'debug']({
        order_id: orderId, client_id: clientId, fault,
      }, 'A mail was not sent');
    },
    onGivenUp: ({ orderId, clientId }, fault) => {
      log.error({ order_id: orderId, client_id: clientId, fault },
        'A mail was given up; it is kept among those that cannot be delivered');
    },
  });
}
