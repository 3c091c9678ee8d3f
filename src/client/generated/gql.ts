/* eslint-disable */
import * as types from './graphql.ts';



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
    "fragment OrderParts on TopupOrder {\n  id\n  orderId\n  clientReference\n  productName\n  variantName\n  faceValue {\n    amount\n    currency\n  }\n  charge {\n    amount\n    currency\n  }\n  status\n  statusText\n  failure {\n    code\n    reason\n    isUserFixable\n    recommendedAction\n  }\n  pending {\n    reason\n    attemptCount\n    nextAttemptAt\n    expectedBy\n  }\n  createdAt\n  completedAt\n}\n\nfragment EventParts on TopupOrderEvent {\n  id\n  sequence\n  version\n  type\n  previousStatus\n  status\n  statusText\n  occurredAt\n  order {\n    ...OrderParts\n  }\n}\n\nfragment UserErrorParts on TopupOrderUserError {\n  code\n  message\n  field\n  details\n}": typeof types.OrderPartsFragmentDoc,
    "subscription TopupOrderEvents($filter: TopupOrderFilter, $after: String) {\n  topupOrderEvents(filter: $filter, after: $after) {\n    cursor\n    node {\n      ...EventParts\n    }\n  }\n}": typeof types.TopupOrderEventsDocument,
    "subscription TopupOrderUpdated($by: TopupOrderBy!, $after: String) {\n  topupOrderUpdated(by: $by, after: $after) {\n    cursor\n    node {\n      ...EventParts\n    }\n  }\n}": typeof types.TopupOrderUpdatedDocument,
    "query TopupOrder($by: TopupOrderBy!) {\n  topupOrder(by: $by) {\n    ...OrderParts\n  }\n}": typeof types.TopupOrderDocument,
};
const documents: Documents = {
    "mutation CancelTopupOrder($input: CancelTopupOrderInput!) {\n  cancelTopupOrder(input: $input) {\n    order {\n      ...OrderParts\n    }\n    userErrors {\n      ...UserErrorParts\n    }\n  }\n}": types.CancelTopupOrderDocument,
    "mutation CreateTopupOrder($input: CreateTopupOrderInput!) {\n  createTopupOrder(input: $input) {\n    order {\n      ...OrderParts\n    }\n    userErrors {\n      ...UserErrorParts\n    }\n    duplicateOf {\n      ...OrderParts\n    }\n  }\n}": types.CreateTopupOrderDocument,
    "fragment OrderParts on TopupOrder {\n  id\n  orderId\n  clientReference\n  productName\n  variantName\n  faceValue {\n    amount\n    currency\n  }\n  charge {\n    amount\n    currency\n  }\n  status\n  statusText\n  failure {\n    code\n    reason\n    isUserFixable\n    recommendedAction\n  }\n  pending {\n    reason\n    attemptCount\n    nextAttemptAt\n    expectedBy\n  }\n  createdAt\n  completedAt\n}\n\nfragment EventParts on TopupOrderEvent {\n  id\n  sequence\n  version\n  type\n  previousStatus\n  status\n  statusText\n  occurredAt\n  order {\n    ...OrderParts\n  }\n}\n\nfragment UserErrorParts on TopupOrderUserError {\n  code\n  message\n  field\n  details\n}": types.OrderPartsFragmentDoc,
    "subscription TopupOrderEvents($filter: TopupOrderFilter, $after: String) {\n  topupOrderEvents(filter: $filter, after: $after) {\n    cursor\n    node {\n      ...EventParts\n    }\n  }\n}": types.TopupOrderEventsDocument,
    "subscription TopupOrderUpdated($by: TopupOrderBy!, $after: String) {\n  topupOrderUpdated(by: $by, after: $after) {\n    cursor\n    node {\n      ...EventParts\n    }\n  }\n}": types.TopupOrderUpdatedDocument,
    "query TopupOrder($by: TopupOrderBy!) {\n  topupOrder(by: $by) {\n    ...OrderParts\n  }\n}": types.TopupOrderDocument,
};

/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "mutation CancelTopupOrder($input: CancelTopupOrderInput!) {\n  cancelTopupOrder(input: $input) {\n    order {\n      ...OrderParts\n    }\n    userErrors {\n      ...UserErrorParts\n    }\n  }\n}"): typeof import('./graphql.ts').CancelTopupOrderDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "mutation CreateTopupOrder($input: CreateTopupOrderInput!) {\n  createTopupOrder(input: $input) {\n    order {\n      ...OrderParts\n    }\n    userErrors {\n      ...UserErrorParts\n    }\n    duplicateOf {\n      ...OrderParts\n    }\n  }\n}"): typeof import('./graphql.ts').CreateTopupOrderDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "fragment OrderParts on TopupOrder {\n  id\n  orderId\n  clientReference\n  productName\n  variantName\n  faceValue {\n    amount\n    currency\n  }\n  charge {\n    amount\n    currency\n  }\n  status\n  statusText\n  failure {\n    code\n    reason\n    isUserFixable\n    recommendedAction\n  }\n  pending {\n    reason\n    attemptCount\n    nextAttemptAt\n    expectedBy\n  }\n  createdAt\n  completedAt\n}\n\nfragment EventParts on TopupOrderEvent {\n  id\n  sequence\n  version\n  type\n  previousStatus\n  status\n  statusText\n  occurredAt\n  order {\n    ...OrderParts\n  }\n}\n\nfragment UserErrorParts on TopupOrderUserError {\n  code\n  message\n  field\n  details\n}"): typeof import('./graphql.ts').OrderPartsFragmentDoc;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "subscription TopupOrderEvents($filter: TopupOrderFilter, $after: String) {\n  topupOrderEvents(filter: $filter, after: $after) {\n    cursor\n    node {\n      ...EventParts\n    }\n  }\n}"): typeof import('./graphql.ts').TopupOrderEventsDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "subscription TopupOrderUpdated($by: TopupOrderBy!, $after: String) {\n  topupOrderUpdated(by: $by, after: $after) {\n    cursor\n    node {\n      ...EventParts\n    }\n  }\n}"): typeof import('./graphql.ts').TopupOrderUpdatedDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query TopupOrder($by: TopupOrderBy!) {\n  topupOrder(by: $by) {\n    ...OrderParts\n  }\n}"): typeof import('./graphql.ts').TopupOrderDocument;


export function graphql(source: string) {
  return (documents as any)[source] ?? {};
}
