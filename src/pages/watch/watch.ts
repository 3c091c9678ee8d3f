import { readSession } from '../session.ts';
import {
  ORDER_FEED, RECENT, VIEWER, WALLET_FEED, type RecentResult, type ViewerResult,
} from './documents.ts';
import { part } from './element.ts';
import { Gateway, type ConnectionState } from './gateway.ts';
import { OrderForm } from './order-form.ts';
import { OrderList } from './order-list.ts';
import { WalletList } from './wallet-list.ts';

const STATE_TEXTS: Readonly<Record<ConnectionState, string>> = {
  live: 'Live',
  away: 'The gateway is away, reconnecting',
  full: 'Too many connections of this client: close another page',
  refused: 'The token has expired: load the page again',
};

const connection = part('connection', HTMLElement);
const gateway = new Gateway(readSession().token ?? '', (state) => {
  connection.dataset['state'] = state;
  connection.textContent = STATE_TEXTS[state];
});
const orders = new OrderList();
const wallets = new WalletList();

/** What was before the feed begins; an event that comes both ways is shown once. */
async function readOrders(): Promise<void> {
  const { topupOrders } = await gateway.ask<RecentResult>(RECENT);
  for (const { node: order } of topupOrders.edges) {
    for (const { node } of order.events.edges) if (node !== null) orders.show({ ...node, order });
  }
}

new OrderForm(gateway);
void gateway.follow(WALLET_FEED, (event) => wallets.show(event));
void gateway.follow(ORDER_FEED, (event) => orders.take(event), async () => {
  const { viewer } = await gateway.ask<ViewerResult>(VIEWER);
  part('client', HTMLElement).textContent = `The orders of ${viewer.name}`;
  orders.begin();
  await readOrders();
});
