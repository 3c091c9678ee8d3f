/** One tab of the explorer, ready to run. */
export interface Tab {
  readonly query: string;
  readonly variables: Readonly<Record<string, unknown>>;
}

const TOKEN_PLACE = `# Your token goes into Headers below:
# "Authorization": "Bearer ...".
`;

const BROWSE = `# What the caller may sell, and what
# each product asks for. Run it: Ctrl-Enter.
query BrowseProducts {
  topupProducts(first: 10) {
    totalCount
    edges {
      node {
        productId
        name
        countryCode
        currency
        inputFields { name type isRequired options { value } }
        variants { name fixedAmounts range { min max step } }
      }
    }
  }
}
`;

const QUOTE = `# The price in the wallet's currency,
# locked until it expires; nothing is debited.
query Quote($input: TopupQuoteInput!) {
  topupQuote(input: $input) {
    quote {
      id
      variant { name }
      faceValue { amount currency }
      discountPercent
      forexRate
      charge { amount currency }
      hasSufficientBalance
      expiresAt
    }
    userErrors { code message field }
  }
}
`;

const CREATE = `# player_id ends in what is to happen:
# the start card lists it.
# Run it twice: the second time,
# duplicateOf is the first order.
mutation CreateOrder($input: CreateTopupOrderInput!) {
  createTopupOrder(input: $input) {
    order {
      orderId
      status
      statusText
      charge { amount currency }
    }
    userErrors { code message field }
    duplicateOf { orderId status }
  }
}
`;

const WATCH = `# Run CreateOrder first:
# this follows that order until it ends.
subscription WatchOrder($by: TopupOrderBy!) {
  topupOrderUpdated(by: $by) {
    cursor
    node {
      version
      type
      statusText
      occurredAt
      order {
        orderId
        status
        completedAt
        refund { amount { amount currency } }
      }
    }
  }
}
`;

/** The tabs outside the demo, where an order would be one of a real product. */
export function readingTabs(): readonly Tab[] {
  return [{ query: TOKEN_PLACE + BROWSE, variables: {} }];
}

/**
 * The tabs a newcomer to the demo finds. `reference` names the order that one of them creates and
 * another watches, so that nothing has to be copied between them.
 */
export function explorerTabs(reference: string): readonly Tab[] {
  const order = {
    productId: 4218,
    amount: '4.99',
    // Ends in 00, delivered; the digit before waits 20 s, time enough to open the next tab.
    inputData: [{ name: 'player_id', value: '5123456200' }, { name: 'server', value: 'asia' }],
  };
  return [
    // The first tab has no variables: GraphiQL would not show them until it is chosen again.
    { query: BROWSE, variables: {} },
    { query: QUOTE, variables: { input: { productId: 5101, amount: '250.00', walletId: 1 } } },
    { query: CREATE, variables: { input: { ...order, clientReference: reference } } },
    { query: WATCH, variables: { by: { clientReference: reference } } },
  ];
}
