/** One thing the page can order; `recipient` lacks the three digits that choose an outcome. */
export interface ProductChoice {
  readonly label: string;
  readonly productId: number;
  readonly amount: string;
  readonly field: string;
  readonly recipient: string;
  /** What the product asks for beside its recipient. */
  readonly others: Readonly<Record<string, string>>;
}

export const PRODUCTS: readonly ProductChoice[] = [
  {
    label: 'PUBG Mobile · 325 UC', productId: 4218, amount: '4.99',
    field: 'player_id', recipient: '5123456', others: { server: 'asia' },
  },
  {
    label: 'Mobile Legends · 86 Diamonds, inside the request', productId: 4219, amount: '1.99',
    field: 'player_id', recipient: '5123456', others: { zone_id: '2001' },
  },
  {
    label: 'Airtel India · 100 INR', productId: 5001, amount: '100',
    field: 'phone_number', recipient: '+919876543', others: {},
  },
  {
    label: 'Jio India · 50 INR', productId: 5002, amount: '50',
    field: 'phone_number', recipient: '+917012345', others: {},
  },
  {
    label: 'Orange France · 10 EUR', productId: 5101, amount: '10.00',
    field: 'phone_number', recipient: '+33612345', others: {},
  },
];

export interface Choice {
  readonly label: string;
  /** Digits of the recipient, as the sandbox supplier reads them. */
  readonly digits: string;
}

export const OUTCOMES: readonly Choice[] = [
  { label: 'Delivers', digits: '00' },
  { label: 'Delivers, with PIN and receipt', digits: '01' },
  { label: 'Refuses: no such recipient', digits: '02' },
  { label: 'Refuses: out of stock', digits: '13' },
  { label: 'Fails twice, then delivers', digits: '20' },
  { label: 'Delivers, and its answer is lost', digits: '07' },
  { label: 'Delivers, told by callback only', digits: '23' },
  { label: 'Delivers, and takes it back later', digits: '27' },
  { label: 'Refuses, and delivers after all', digits: '25' },
  { label: 'Holds it until it is released', digits: '22' },
];

export const DELAYS: readonly Choice[] = [
  { label: 'At once', digits: '0' },
  { label: 'After 3 seconds', digits: '1' },
  { label: 'After 20 seconds', digits: '2' },
];

/** The input of createTopupOrder for what was chosen. */
export function orderInput(
  product: ProductChoice,
  { outcome, delay, reference }: {
    readonly outcome: Choice; readonly delay: Choice; readonly reference: string;
  },
): Readonly<Record<string, unknown>> {
  const recipient = `${product.recipient}${delay.digits}${outcome.digits}`;
  const fields = { [product.field]: recipient, ...product.others };
  return {
    productId: product.productId,
    amount: product.amount,
    inputData: Object.entries(fields).map(([name, value]) => ({ name, value })),
    clientReference: reference,
  };
}
