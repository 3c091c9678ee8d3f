import { COUNTED_MAX } from '../domain/list-page.ts';
import { connectionType, edgeType } from './connection.types.ts';
import { TopupOrderEventEdge } from './topup-order-event.types.ts';
import { TopupOrderType } from './topup-order.types.ts';

const TopupOrderEdge = edgeType('TopupOrder', {
  type: () => TopupOrderType, description: 'One order',
});

export const TopupOrderConnection = connectionType('TopupOrder', {
  edge: TopupOrderEdge,
  description: 'Orders of the caller, the newest first.',
  total: `How many orders there are. Under a filter they are counted up to ${COUNTED_MAX}. Null `
    + 'where they could not be counted.',
});

/** The same edges that the subscriptions bring: a cursor of the one serves the other. */
export const TopupOrderEventConnection = connectionType('TopupOrderEvent', {
  edge: TopupOrderEventEdge,
  description: 'Events, the oldest first. An order keeps its own for ever.',
});
