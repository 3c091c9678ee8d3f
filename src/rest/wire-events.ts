import { shownMoment } from '../domain/moment.ts';
import { statusText, type FeedEvent } from '../domain/topup-order.ts';
import { orderOut } from './wire.ts';

/** An event as it stands behind `data:` of a stream; nothing is ever null. */
export function eventOut(event: FeedEvent): Readonly<Record<string, unknown>> {
  return {
    sequence: event.sequence,
    version: event.version,
    type: event.type,
    previous_status: event.previousStatus ?? undefined,
    status: event.status,
    status_text: statusText(event.status, event.failureCode),
    occurred_at: shownMoment(event.occurredAt),
    order: orderOut(event.order),
  };
}
