import { DEMO_CLIENTS, DEMO_WALLETS } from './demo-figures.ts';
import type { DemoFacts } from './demo-file.ts';

const RULE = '-'.repeat(98);

const CLIENT = DEMO_CLIENTS[0];
const WALLET = DEMO_WALLETS[0];

const OUTCOMES: readonly (readonly [ending: string, outcome: string])[] = [
  ['00', 'DELIVERED, as any other ending'],
  ['01', 'DELIVERED with PIN and receipt'],
  ['02', 'INVALID_RECIPIENT'],
  ['03', 'RECIPIENT_BARRED'],
  ['04', 'OPERATOR_UNAVAILABLE, after 20 s'],
  ['05', '"duplicate", then DELIVERED once'],
  ['06', 'declined: UNKNOWN'],
  ['07', 'answer lost; it was delivered'],
  ['08', 'RECIPIENT_INELIGIBLE'],
  ['09', 'RECIPIENT_LIMIT_EXCEEDED'],
  ['10', 'OPERATOR_LIMIT_EXCEEDED'],
  ['11', 'CLIENT_LIMIT_EXCEEDED'],
  ['12', 'PRODUCT_UNAVAILABLE'],
  ['13', 'PRODUCT_OUT_OF_STOCK'],
  ['14', 'AMOUNT_OUT_OF_RANGE'],
  ['20', 'two errors, then DELIVERED'],
  ['21', '"too many", then DELIVERED'],
  ['22', 'PENDING until released, see below'],
  ['23', 'DELIVERED by callback only'],
  ['24', 'DELIVERED, callback twice'],
  ['25', 'FAILED, then a late DELIVERED'],
  ['26', 'answer lost; sent again, once'],
  ['27', 'DELIVERED, then reversed'],
];

/** What a newcomer needs after the start, as one block of text that ends in a request to paste. */
export function renderStartCard(facts: DemoFacts): string {
  const { token = '', apiKey = '' } = facts.clients[0] ?? {};
  const lines = [
    RULE,
    ...renderPages(facts),
    `REST       ${facts.baseUrl}/api/v1`,
    `GraphQL    ${facts.graphqlUrl}`,
    `WebSocket  ${facts.wsUrl} (graphql-transport-ws)`,
    `Supplier   ${facts.supplierUrl} (sandbox)`,
    `Mail       ${facts.mailUrl} (caught, not delivered)`,
    `Database   ${facts.databaseUrl}`,
    '',
    `Client ${CLIENT.clientId} "${CLIENT.name}", wallet ${WALLET.id} opened with `
      + `${WALLET.currency} ${WALLET.opening}. Token, good for 24 hours:`,
    token,
    `API key ${apiKey} and its secret, for /auth/login, are in demo.json.`,
    '',
    'The last two digits of player_id or phone_number choose the outcome; the digit before them',
    'the delay: 1 = 3 s, 2 = 20 s, 3 = 5 min, any other none.',
    ...renderOutcomes(),
    `Release 22: curl -X POST ${facts.supplierUrl}/release/<clientId>-<orderId>-1`,
    '',
    'Place an order:',
    '',
    renderRequest(facts.baseUrl, token),
    RULE,
  ];
  return `${lines.join('\n')}\n`;
}

function renderPages({ explorerUrl, watchUrl, docsUrl }: DemoFacts): readonly string[] {
  if (watchUrl === '') return [];
  return [
    'Open in a browser:',
    `  ${watchUrl}    live orders: place one and see it move`,
    `  ${explorerUrl}  GraphQL explorer, with a token and requests ready`,
    `  ${docsUrl}     REST reference, with a token in its forms`,
    '',
  ];
}

function renderOutcomes(): readonly string[] {
  const height = Math.ceil(OUTCOMES.length / 2);
  return OUTCOMES.slice(0, height).map(([ending, outcome], row) => {
    const right = OUTCOMES[row + height];
    const left = `  ${ending}  ${outcome}`;
    return right === undefined ? left : `${left.padEnd(48)}${right[0]}  ${right[1]}`;
  });
}

// `date` makes a reference that is new whenever the request is pasted.
function renderRequest(baseUrl: string, token: string): string {
  return `curl -sS ${baseUrl}/api/v1/topups/orders \\
  -H 'Content-Type: application/json' \\
  -H 'Authorization: Bearer ${token}' \\
  -d '{"product_id": 4218, "amount": 4.99,
       "input_data": {"player_id": "5123456789", "server": "asia"},
       "client_reference": "CARD-'$(date +%s)'"}'`;
}
