export interface Money {
  readonly amount: string;
  readonly currency: string;
}

export interface Order {
  readonly orderId: number;
  readonly status: 'PENDING' | 'DELIVERED' | 'FAILED' | 'CANCELLED';
  readonly productName: string;
  readonly variantName: string;
  readonly charge: Money;
  readonly inputData: readonly { readonly name: string; readonly value: string }[];
  readonly failure: { readonly reason: string } | null;
  readonly refund: { readonly amount: Money } | null;
  readonly reversal: { readonly amount: Money } | null;
  readonly receipt: readonly { readonly name: string; readonly value: string }[] | null;
}

export interface OrderEvent {
  readonly sequence: number;
  readonly version: number;
  readonly type: string;
  readonly status: Order['status'];
  readonly statusText: string;
  readonly occurredAt: string;
  readonly order: Order;
}

const ORDER = `fragment WatchedOrder on TopupOrder {
  orderId
  status
  productName
  variantName
  charge { amount currency }
  inputData { name value }
  failure { reason }
  refund { amount { amount currency } }
  reversal { amount { amount currency } }
  receipt { name value }
}`;

const EVENT = `fragment WatchedEvent on TopupOrderEvent {
  sequence
  version
  type
  status
  statusText
  occurredAt
}`;

type EventOfOrder = Omit<OrderEvent, 'order'>;

/** The order as it is now; of very many steps, the first ones. */
export interface OrderWithSteps extends Order {
  readonly events: { readonly edges: readonly { readonly node: EventOfOrder | null }[] };
}

export interface RecentResult {
  readonly topupOrders: { readonly edges: readonly { readonly node: OrderWithSteps }[] };
}

const WITH_STEPS = '...WatchedOrder events(first: 100) { edges { node { ...WatchedEvent } } }';

export const RECENT = `query Recent {
  topupOrders(first: 20) { edges { node { ${WITH_STEPS} } } }
}
${ORDER}
${EVENT}`;

export interface StepsResult {
  readonly topupOrder: OrderWithSteps | null;
}

export const STEPS = `query Steps($orderId: SafeInt!) {
  topupOrder(by: { orderId: $orderId }) { ${WITH_STEPS} }
}
${ORDER}
${EVENT}`;

/** A subscription that goes on behind the cursor of any edge it gave. */
export interface Feed<Node> {
  readonly query: string;
  readonly edgeOf: (data: Readonly<Record<string, Edge<Node>>>) => Edge<Node> | undefined;
}

export interface Edge<Node> {
  readonly cursor: string;
  readonly node: Node | null;
}

export const ORDER_FEED: Feed<OrderEvent> = {
  edgeOf: (data) => data['topupOrderEvents'],
  query: `subscription OrderFeed($after: String) {
  topupOrderEvents(after: $after) {
    cursor
    node { ...WatchedEvent order { ...WatchedOrder } }
  }
}
${ORDER}
${EVENT}`,
};

export interface WalletEvent {
  readonly balance: Money;
  readonly wallet: { readonly walletId: number };
}

export const WALLET_FEED: Feed<WalletEvent> = {
  edgeOf: (data) => data['walletUpdated'],
  query: `subscription WalletFeed($after: String) {
  walletUpdated(after: $after) {
    cursor
    node { balance { amount currency } wallet { walletId } }
  }
}`,
};

export interface ViewerResult {
  readonly viewer: { readonly name: string };
}

export const VIEWER = 'query Viewer { viewer { name } }';

export interface CreateResult {
  readonly createTopupOrder: {
    readonly order: { readonly orderId: number } | null;
    readonly userErrors: readonly { readonly code: string; readonly message: string }[];
    readonly duplicateOf: { readonly orderId: number } | null;
  };
}

export const CREATE = `mutation Create($input: CreateTopupOrderInput!) {
  createTopupOrder(input: $input) {
    order { orderId }
    userErrors { code message }
    duplicateOf { orderId }
  }
}`;
