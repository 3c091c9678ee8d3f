/* eslint-disable */
import * as types from './graphql.ts';
import type { TypedDocumentNode as DocumentNode } from '@graphql-typed-document-node/core';

/**
 * Map of all GraphQL operations in the project.
 *
 * This map has several performance disadvantages:
 * 1. It is not tree-shakeable, so it will include all operations in the project.
 * 2. It is not minifiable, so the string of a GraphQL query will be multiple times inside the bundle.
 * 3. It does not support dead code elimination, so it will add unused operations.
 *
 * Therefore it is highly recommended to use the babel or swc plugin for production.
 * Learn more about it here: https://the-guild.dev/graphql/codegen/plugins/presets/preset-client#reducing-bundle-size
 */
type Documents = {
    "mutation CancelTopupOrder($input: CancelTopupOrderInput!) {\n  cancelTopupOrder(input: $input) {\n    order {\n      ...OrderParts\n    }\n    userErrors {\n      ...UserErrorParts\n    }\n  }\n}": typeof types.CancelTopupOrderDocument,
    "mutation CreateTopupOrder($input: CreateTopupOrderInput!) {\n  createTopupOrder(input: $input) {\n    order {\n      ...OrderParts\n    }\n    userErrors {\n      ...UserErrorParts\n    }\n    duplicateOf {\n      ...OrderParts\n    }\n  }\n}": typeof types.CreateTopupOrderDocument,
    "query LookupMobileNumber($mobileNumber: String!) {\n  lookupMobileNumber(mobileNumber: $mobileNumber) {\n    isIdentified\n    product {\n      productId\n      name\n      countryCode\n    }\n  }\n}": typeof types.LookupMobileNumberDocument,
    "fragment OrderParts on TopupOrder {\n  id\n  orderId\n  clientReference\n  productName\n  variantName\n  faceValue {\n    amount\n    currency\n  }\n  charge {\n    amount\n    currency\n  }\n  status\n  statusText\n  failure {\n    code\n    reason\n    isUserFixable\n    recommendedAction\n  }\n  pending {\n    reason\n    attemptCount\n    nextAttemptAt\n    expectedBy\n  }\n  createdAt\n  completedAt\n}\n\nfragment EventParts on TopupOrderEvent {\n  id\n  sequence\n  version\n  type\n  previousStatus\n  status\n  statusText\n  occurredAt\n  order {\n    ...OrderParts\n  }\n}\n\nfragment UserErrorParts on TopupOrderUserError {\n  code\n  message\n  field\n  details\n}": typeof types.OrderPartsFragmentDoc,
    "mutation SetTopupOrderNotificationEmail($input: SetTopupOrderNotificationEmailInput!) {\n  setTopupOrderNotificationEmail(input: $input) {\n    order {\n      ...OrderParts\n    }\n    userErrors {\n      ...UserErrorParts\n    }\n  }\n}": typeof types.SetTopupOrderNotificationEmailDocument,
    "query TopupOrderEventLog($filter: TopupOrderFilter, $first: Int!, $after: String) {\n  topupOrderEventLog(filter: $filter, first: $first, after: $after) {\n    edges {\n      cursor\n      node {\n        ...EventParts\n      }\n    }\n    pageInfo {\n      hasNextPage\n      endCursor\n    }\n  }\n}": typeof types.TopupOrderEventLogDocument,
    "subscription TopupOrderEvents($filter: TopupOrderFilter, $after: String) {\n  topupOrderEvents(filter: $filter, after: $after) {\n    cursor\n    node {\n      ...EventParts\n    }\n  }\n}": typeof types.TopupOrderEventsDocument,
    "subscription TopupOrderUpdated($by: TopupOrderBy!, $after: String) {\n  topupOrderUpdated(by: $by, after: $after) {\n    cursor\n    node {\n      ...EventParts\n    }\n  }\n}": typeof types.TopupOrderUpdatedDocument,
    "query TopupOrder($by: TopupOrderBy!) {\n  topupOrder(by: $by) {\n    ...OrderParts\n  }\n}": typeof types.TopupOrderDocument,
    "query TopupOrders($filter: TopupOrderFilter, $first: Int!, $after: String) {\n  topupOrders(filter: $filter, first: $first, after: $after) {\n    edges {\n      cursor\n      node {\n        ...OrderParts\n      }\n    }\n    pageInfo {\n      hasNextPage\n      endCursor\n    }\n  }\n}": typeof types.TopupOrdersDocument,
    "query TopupProducts($filter: TopupProductFilter, $first: Int!, $after: String) {\n  topupProducts(filter: $filter, first: $first, after: $after) {\n    edges {\n      cursor\n      node {\n        id\n        productId\n        name\n        topupType\n        countryCode\n        currency\n        inputFields {\n          name\n          label\n          type\n          isRequired\n          options {\n            value\n            label\n          }\n        }\n        variants {\n          id\n          name\n          category\n          fixedAmounts\n        }\n      }\n    }\n    pageInfo {\n      hasNextPage\n      endCursor\n    }\n  }\n}": typeof types.TopupProductsDocument,
    "query TopupQuote($input: TopupQuoteInput!) {\n  topupQuote(input: $input) {\n    quote {\n      id\n      charge {\n        amount\n        currency\n      }\n      discountPercent\n      forexRate\n      hasSufficientBalance\n      expiresAt\n    }\n    userErrors {\n      ...UserErrorParts\n    }\n  }\n}": typeof types.TopupQuoteDocument,
    "query Viewer {\n  viewer {\n    id\n    name\n    defaultCurrency\n    wallets {\n      id\n      walletId\n      currency\n      balance {\n        amount\n        currency\n      }\n      isDefault\n    }\n  }\n}": typeof types.ViewerDocument,
    "subscription WalletUpdated($walletId: ID, $after: String) {\n  walletUpdated(walletId: $walletId, after: $after) {\n    cursor\n    node {\n      balance {\n        amount\n        currency\n      }\n      occurredAt\n      wallet {\n        id\n        walletId\n      }\n    }\n  }\n}": typeof types.WalletUpdatedDocument,
};
const documents: Documents = {
    "mutation CancelTopupOrder($input: CancelTopupOrderInput!) {\n  cancelTopupOrder(input: $input) {\n    order {\n      ...OrderParts\n    }\n    userErrors {\n      ...UserErrorParts\n    }\n  }\n}": types.CancelTopupOrderDocument,
    "mutation CreateTopupOrder($input: CreateTopupOrderInput!) {\n  createTopupOrder(input: $input) {\n    order {\n      ...OrderParts\n    }\n    userErrors {\n      ...UserErrorParts\n    }\n    duplicateOf {\n      ...OrderParts\n    }\n  }\n}": types.CreateTopupOrderDocument,
    "query LookupMobileNumber($mobileNumber: String!) {\n  lookupMobileNumber(mobileNumber: $mobileNumber) {\n    isIdentified\n    product {\n      productId\n      name\n      countryCode\n    }\n  }\n}": types.LookupMobileNumberDocument,
    "fragment OrderParts on TopupOrder {\n  id\n  orderId\n  clientReference\n  productName\n  variantName\n  faceValue {\n    amount\n    currency\n  }\n  charge {\n    amount\n    currency\n  }\n  status\n  statusText\n  failure {\n    code\n    reason\n    isUserFixable\n    recommendedAction\n  }\n  pending {\n    reason\n    attemptCount\n    nextAttemptAt\n    expectedBy\n  }\n  createdAt\n  completedAt\n}\n\nfragment EventParts on TopupOrderEvent {\n  id\n  sequence\n  version\n  type\n  previousStatus\n  status\n  statusText\n  occurredAt\n  order {\n    ...OrderParts\n  }\n}\n\nfragment UserErrorParts on TopupOrderUserError {\n  code\n  message\n  field\n  details\n}": types.OrderPartsFragmentDoc,
    "mutation SetTopupOrderNotificationEmail($input: SetTopupOrderNotificationEmailInput!) {\n  setTopupOrderNotificationEmail(input: $input) {\n    order {\n      ...OrderParts\n    }\n    userErrors {\n      ...UserErrorParts\n    }\n  }\n}": types.SetTopupOrderNotificationEmailDocument,
    "query TopupOrderEventLog($filter: TopupOrderFilter, $first: Int!, $after: String) {\n  topupOrderEventLog(filter: $filter, first: $first, after: $after) {\n    edges {\n      cursor\n      node {\n        ...EventParts\n      }\n    }\n    pageInfo {\n      hasNextPage\n      endCursor\n    }\n  }\n}": types.TopupOrderEventLogDocument,
    "subscription TopupOrderEvents($filter: TopupOrderFilter, $after: String) {\n  topupOrderEvents(filter: $filter, after: $after) {\n    cursor\n    node {\n      ...EventParts\n    }\n  }\n}": types.TopupOrderEventsDocument,
    "subscription TopupOrderUpdated($by: TopupOrderBy!, $after: String) {\n  topupOrderUpdated(by: $by, after: $after) {\n    cursor\n    node {\n      ...EventParts\n    }\n  }\n}": types.TopupOrderUpdatedDocument,
    "query TopupOrder($by: TopupOrderBy!) {\n  topupOrder(by: $by) {\n    ...OrderParts\n  }\n}": types.TopupOrderDocument,
    "query TopupOrders($filter: TopupOrderFilter, $first: Int!, $after: String) {\n  topupOrders(filter: $filter, first: $first, after: $after) {\n    edges {\n      cursor\n      node {\n        ...OrderParts\n      }\n    }\n    pageInfo {\n      hasNextPage\n      endCursor\n    }\n  }\n}": types.TopupOrdersDocument,
    "query TopupProducts($filter: TopupProductFilter, $first: Int!, $after: String) {\n  topupProducts(filter: $filter, first: $first, after: $after) {\n    edges {\n      cursor\n      node {\n        id\n        productId\n        name\n        topupType\n        countryCode\n        currency\n        inputFields {\n          name\n          label\n          type\n          isRequired\n          options {\n            value\n            label\n          }\n        }\n        variants {\n          id\n          name\n          category\n          fixedAmounts\n        }\n      }\n    }\n    pageInfo {\n      hasNextPage\n      endCursor\n    }\n  }\n}": types.TopupProductsDocument,
    "query TopupQuote($input: TopupQuoteInput!) {\n  topupQuote(input: $input) {\n    quote {\n      id\n      charge {\n        amount\n        currency\n      }\n      discountPercent\n      forexRate\n      hasSufficientBalance\n      expiresAt\n    }\n    userErrors {\n      ...UserErrorParts\n    }\n  }\n}": types.TopupQuoteDocument,
    "query Viewer {\n  viewer {\n    id\n    name\n    defaultCurrency\n    wallets {\n      id\n      walletId\n      currency\n      balance {\n        amount\n        currency\n      }\n      isDefault\n    }\n  }\n}": types.ViewerDocument,
    "subscription WalletUpdated($walletId: ID, $after: String) {\n  walletUpdated(walletId: $walletId, after: $after) {\n    cursor\n    node {\n      balance {\n        amount\n        currency\n      }\n      occurredAt\n      wallet {\n        id\n        walletId\n      }\n    }\n  }\n}": types.WalletUpdatedDocument,
};

/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 *
 *
 * @example
 * ```ts
 * const query = graphql(`query GetUser($id: ID!) { user(id: $id) { name } }`);
 * ```
 *
 * The query argument is unknown!
 * Please regenerate the types.
 */
export function graphql(source: string): unknown;

/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "mutation CancelTopupOrder($input: CancelTopupOrderInput!) {\n  cancelTopupOrder(input: $input) {\n    order {\n      ...OrderParts\n    }\n    userErrors {\n      ...UserErrorParts\n    }\n  }\n}"): (typeof documents)["mutation CancelTopupOrder($input: CancelTopupOrderInput!) {\n  cancelTopupOrder(input: $input) {\n    order {\n      ...OrderParts\n    }\n    userErrors {\n      ...UserErrorParts\n    }\n  }\n}"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "mutation CreateTopupOrder($input: CreateTopupOrderInput!) {\n  createTopupOrder(input: $input) {\n    order {\n      ...OrderParts\n    }\n    userErrors {\n      ...UserErrorParts\n    }\n    duplicateOf {\n      ...OrderParts\n    }\n  }\n}"): (typeof documents)["mutation CreateTopupOrder($input: CreateTopupOrderInput!) {\n  createTopupOrder(input: $input) {\n    order {\n      ...OrderParts\n    }\n    userErrors {\n      ...UserErrorParts\n    }\n    duplicateOf {\n      ...OrderParts\n    }\n  }\n}"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query LookupMobileNumber($mobileNumber: String!) {\n  lookupMobileNumber(mobileNumber: $mobileNumber) {\n    isIdentified\n    product {\n      productId\n      name\n      countryCode\n    }\n  }\n}"): (typeof documents)["query LookupMobileNumber($mobileNumber: String!) {\n  lookupMobileNumber(mobileNumber: $mobileNumber) {\n    isIdentified\n    product {\n      productId\n      name\n      countryCode\n    }\n  }\n}"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "fragment OrderParts on TopupOrder {\n  id\n  orderId\n  clientReference\n  productName\n  variantName\n  faceValue {\n    amount\n    currency\n  }\n  charge {\n    amount\n    currency\n  }\n  status\n  statusText\n  failure {\n    code\n    reason\n    isUserFixable\n    recommendedAction\n  }\n  pending {\n    reason\n    attemptCount\n    nextAttemptAt\n    expectedBy\n  }\n  createdAt\n  completedAt\n}\n\nfragment EventParts on TopupOrderEvent {\n  id\n  sequence\n  version\n  type\n  previousStatus\n  status\n  statusText\n  occurredAt\n  order {\n    ...OrderParts\n  }\n}\n\nfragment UserErrorParts on TopupOrderUserError {\n  code\n  message\n  field\n  details\n}"): (typeof documents)["fragment OrderParts on TopupOrder {\n  id\n  orderId\n  clientReference\n  productName\n  variantName\n  faceValue {\n    amount\n    currency\n  }\n  charge {\n    amount\n    currency\n  }\n  status\n  statusText\n  failure {\n    code\n    reason\n    isUserFixable\n    recommendedAction\n  }\n  pending {\n    reason\n    attemptCount\n    nextAttemptAt\n    expectedBy\n  }\n  createdAt\n  completedAt\n}\n\nfragment EventParts on TopupOrderEvent {\n  id\n  sequence\n  version\n  type\n  previousStatus\n  status\n  statusText\n  occurredAt\n  order {\n    ...OrderParts\n  }\n}\n\nfragment UserErrorParts on TopupOrderUserError {\n  code\n  message\n  field\n  details\n}"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "mutation SetTopupOrderNotificationEmail($input: SetTopupOrderNotificationEmailInput!) {\n  setTopupOrderNotificationEmail(input: $input) {\n    order {\n      ...OrderParts\n    }\n    userErrors {\n      ...UserErrorParts\n    }\n  }\n}"): (typeof documents)["mutation SetTopupOrderNotificationEmail($input: SetTopupOrderNotificationEmailInput!) {\n  setTopupOrderNotificationEmail(input: $input) {\n    order {\n      ...OrderParts\n    }\n    userErrors {\n      ...UserErrorParts\n    }\n  }\n}"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query TopupOrderEventLog($filter: TopupOrderFilter, $first: Int!, $after: String) {\n  topupOrderEventLog(filter: $filter, first: $first, after: $after) {\n    edges {\n      cursor\n      node {\n        ...EventParts\n      }\n    }\n    pageInfo {\n      hasNextPage\n      endCursor\n    }\n  }\n}"): (typeof documents)["query TopupOrderEventLog($filter: TopupOrderFilter, $first: Int!, $after: String) {\n  topupOrderEventLog(filter: $filter, first: $first, after: $after) {\n    edges {\n      cursor\n      node {\n        ...EventParts\n      }\n    }\n    pageInfo {\n      hasNextPage\n      endCursor\n    }\n  }\n}"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "subscription TopupOrderEvents($filter: TopupOrderFilter, $after: String) {\n  topupOrderEvents(filter: $filter, after: $after) {\n    cursor\n    node {\n      ...EventParts\n    }\n  }\n}"): (typeof documents)["subscription TopupOrderEvents($filter: TopupOrderFilter, $after: String) {\n  topupOrderEvents(filter: $filter, after: $after) {\n    cursor\n    node {\n      ...EventParts\n    }\n  }\n}"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "subscription TopupOrderUpdated($by: TopupOrderBy!, $after: String) {\n  topupOrderUpdated(by: $by, after: $after) {\n    cursor\n    node {\n      ...EventParts\n    }\n  }\n}"): (typeof documents)["subscription TopupOrderUpdated($by: TopupOrderBy!, $after: String) {\n  topupOrderUpdated(by: $by, after: $after) {\n    cursor\n    node {\n      ...EventParts\n    }\n  }\n}"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query TopupOrder($by: TopupOrderBy!) {\n  topupOrder(by: $by) {\n    ...OrderParts\n  }\n}"): (typeof documents)["query TopupOrder($by: TopupOrderBy!) {\n  topupOrder(by: $by) {\n    ...OrderParts\n  }\n}"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query TopupOrders($filter: TopupOrderFilter, $first: Int!, $after: String) {\n  topupOrders(filter: $filter, first: $first, after: $after) {\n    edges {\n      cursor\n      node {\n        ...OrderParts\n      }\n    }\n    pageInfo {\n      hasNextPage\n      endCursor\n    }\n  }\n}"): (typeof documents)["query TopupOrders($filter: TopupOrderFilter, $first: Int!, $after: String) {\n  topupOrders(filter: $filter, first: $first, after: $after) {\n    edges {\n      cursor\n      node {\n        ...OrderParts\n      }\n    }\n    pageInfo {\n      hasNextPage\n      endCursor\n    }\n  }\n}"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query TopupProducts($filter: TopupProductFilter, $first: Int!, $after: String) {\n  topupProducts(filter: $filter, first: $first, after: $after) {\n    edges {\n      cursor\n      node {\n        id\n        productId\n        name\n        topupType\n        countryCode\n        currency\n        inputFields {\n          name\n          label\n          type\n          isRequired\n          options {\n            value\n            label\n          }\n        }\n        variants {\n          id\n          name\n          category\n          fixedAmounts\n        }\n      }\n    }\n    pageInfo {\n      hasNextPage\n      endCursor\n    }\n  }\n}"): (typeof documents)["query TopupProducts($filter: TopupProductFilter, $first: Int!, $after: String) {\n  topupProducts(filter: $filter, first: $first, after: $after) {\n    edges {\n      cursor\n      node {\n        id\n        productId\n        name\n        topupType\n        countryCode\n        currency\n        inputFields {\n          name\n          label\n          type\n          isRequired\n          options {\n            value\n            label\n          }\n        }\n        variants {\n          id\n          name\n          category\n          fixedAmounts\n        }\n      }\n    }\n    pageInfo {\n      hasNextPage\n      endCursor\n    }\n  }\n}"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query TopupQuote($input: TopupQuoteInput!) {\n  topupQuote(input: $input) {\n    quote {\n      id\n      charge {\n        amount\n        currency\n      }\n      discountPercent\n      forexRate\n      hasSufficientBalance\n      expiresAt\n    }\n    userErrors {\n      ...UserErrorParts\n    }\n  }\n}"): (typeof documents)["query TopupQuote($input: TopupQuoteInput!) {\n  topupQuote(input: $input) {\n    quote {\n      id\n      charge {\n        amount\n        currency\n      }\n      discountPercent\n      forexRate\n      hasSufficientBalance\n      expiresAt\n    }\n    userErrors {\n      ...UserErrorParts\n    }\n  }\n}"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query Viewer {\n  viewer {\n    id\n    name\n    defaultCurrency\n    wallets {\n      id\n      walletId\n      currency\n      balance {\n        amount\n        currency\n      }\n      isDefault\n    }\n  }\n}"): (typeof documents)["query Viewer {\n  viewer {\n    id\n    name\n    defaultCurrency\n    wallets {\n      id\n      walletId\n      currency\n      balance {\n        amount\n        currency\n      }\n      isDefault\n    }\n  }\n}"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "subscription WalletUpdated($walletId: ID, $after: String) {\n  walletUpdated(walletId: $walletId, after: $after) {\n    cursor\n    node {\n      balance {\n        amount\n        currency\n      }\n      occurredAt\n      wallet {\n        id\n        walletId\n      }\n    }\n  }\n}"): (typeof documents)["subscription WalletUpdated($walletId: ID, $after: String) {\n  walletUpdated(walletId: $walletId, after: $after) {\n    cursor\n    node {\n      balance {\n        amount\n        currency\n      }\n      occurredAt\n      wallet {\n        id\n        walletId\n      }\n    }\n  }\n}"];

export function graphql(source: string) {
  return (documents as any)[source] ?? {};
}

export type DocumentType<TDocumentNode extends DocumentNode<any, any>> = TDocumentNode extends DocumentNode<  infer TType,  any>  ? TType  : never;