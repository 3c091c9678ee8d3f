import { readSession } from '../session.ts';
import {
  ORDER_FEED, RECENT, STEPS, VIEWER, WALLET_FEED, type OrderEvent, type OrderWithSteps,
  type RecentResult, type StepsResult, type ViewerResult,
} from './documents.ts';
import { part, say } from './element.ts';
import { Gateway, type ConnectionState } from './gateway.ts';
import { OrderForm } from './order-form.ts';
import { OrderList } from './order-list.ts';
import { WalletList } from './wallet-list.ts';

const STATE_TEXTS: Readonly<Record<ConnectionState, string>> = {
  live: 'Live',
  away: 'The gateway is away, reconnecting',
  full: 'Too many connections of this client: close another page',
  refused: 'The token is no longer good: load the page again',
  forbidden: 'Only trusted documents are executed here, and those of this page are not',
};

const connection = part('connection', HTMLElement);
const gateway = new Gateway(readSession().token ?? '', (state) => {
  connection.dataset['state'] = state;
  say(connection, STATE_TEXTS[state]);
});
const orders = new OrderList();
const wallets = new WalletList();

/** What was before the feed begins; an event that comes both ways is shown once. */
async function readOrders(): Promise<void> {
  const { topupOrders } = await gateway.ask<RecentResult>(RECENT);
  topupOrders.edges.forEach(({ node }) => showSteps(node));
  orders.end();
}

function showSteps(order: OrderWithSteps): void {
  for (const { node } of order.events.edges) if (node !== null) orders.show({ ...node, order });
  orders.stand(order);
}

/** An older order that moves again comes to the page with all that was before. */
function take(event: OrderEvent): void {
  const { orderId } = event.order;
  const isUnknown = event.version > 1 && !orders.has(orderId);
  orders.take(event);
  // Below fifty younger ones it is not shown.
  if (!isUnknown || !orders.has(orderId)) return;
  // Where it cannot be read now, the step that came is shown alone.
  gateway.ask<StepsResult>(STEPS, { orderId })
    .then(({ topupOrder }) => {
      if (topupOrder !== null && orders.has(orderId)) showSteps(topupOrder);
    })
    .catch(() => undefined);
}

new OrderForm(gateway);
void gateway.follow(WALLET_FEED, (event) => wallets.show(event));
void gateway.follow(ORDER_FEED, take, async () => {
  const { viewer } = await gateway.ask<ViewerResult>(VIEWER);
  part('client', HTMLElement).textContent = `The orders of ${viewer.name}`;
  orders.begin();
  await readOrders();
});
