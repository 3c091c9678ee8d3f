import { readSession } from '../session.ts';
import { RECENT, VIEWER, type RecentResult, type ViewerResult } from './documents.ts';
import { part } from './element.ts';
import { Gateway, type ConnectionState } from './gateway.ts';
import { OrderForm } from './order-form.ts';
import { OrderList } from './order-list.ts';
import { WalletList } from './wallet-list.ts';

const STATE_TEXTS: Readonly<Record<ConnectionState, string>> = {
  live: 'Live',
  away: 'The gateway is away, reconnecting',
  refused: 'The token has expired: load the page again',
};

const connection = part('connection', HTMLElement);
const gateway = new Gateway(readSession().token ?? '', (state) => {
  connection.dataset['state'] = state;
  connection.textContent = STATE_TEXTS[state];
});
const orders = new OrderList();
const wallets = new WalletList();

async function readClient(): Promise<void> {
  const { viewer } = await gateway.ask<ViewerResult>(VIEWER);
  part('client', HTMLElement).textContent = `The orders of ${viewer.name}`;
  wallets.show(viewer.wallets);
}

/** What was before the feed begins; an event that comes both ways is shown once. */
async function readOrders(): Promise<void> {
  const { topupOrders } = await gateway.ask<RecentResult>(RECENT);
  for (const { node: order } of topupOrders.edges) {
    for (const { node } of order.events.edges) if (node !== null) orders.show({ ...node, order });
  }
}

let isReading = false;
let isReadAgain = false;

/** Money moves with almost every event: one question at a time, and one for those meanwhile. */
async function readBalances(): Promise<void> {
  if (isReading) {
    isReadAgain = true;
    return;
  }
  isReading = true;
  do {
    isReadAgain = false;
    // Where the gateway is away, the next event asks again.
    await readClient().catch(() => undefined);
  } while (isReadAgain);
  isReading = false;
}

new OrderForm(gateway);
void gateway.follow(async () => {
  await readOrders();
  await readBalances();
  orders.begin();
}, (event) => {
  orders.take(event);
  void readBalances();
});
