import { REJECTIONS_ON_WIRE } from '../../src/rest/errors.ts';
import type { RejectionCode } from '../../src/domain/rejection.ts';
import type { World } from './world.ts';

/** A create request in the documented form; `amount` as the literal text that is sent. */
export interface CreateRequest {
  readonly product_id?: unknown;
  readonly amount?: string | undefined;
  readonly input_data?: unknown;
  readonly client_reference?: unknown;
  readonly wallet_id?: unknown;
  readonly category?: unknown;
  readonly redeem_voucher_code?: unknown;
  readonly quote_id?: unknown;
}

/** An order as both doors tell it, in one spelling. */
export interface ToldOrder {
  readonly id: number;
  readonly clientReference: string | null;
  readonly productName: string;
  readonly variantName: string;
  readonly countryCode: string;
  readonly amount: string;
  readonly currency: string;
  readonly faceAmount: string;
  readonly forexRate: string | null;
  readonly fundingSource: string;
  readonly status: string;
  readonly statusText: string;
  readonly failureCode: string | null;
  readonly failureReason: string | null;
  readonly isUserFixable: boolean | null;
  readonly hasTransaction: boolean;
  readonly refundAmount: string | null;
  readonly inputData: Readonly<Record<string, string>>;
  readonly isCompleted: boolean;
}

/** What a door answered: an order, or the refusal in the door's own codes. */
export type Answer =
  | { readonly order: ToldOrder }
  | {
      readonly refused: string;
      readonly message: string;
      /** GraphQL refused the form of the input before our rules saw it. */
      readonly isCoercion: boolean;
    };

export interface Door {
  readonly name: string;
  /** How the door tells a rejection. */
  codeOf(code: RejectionCode): string;
  create(world: World, clientId: number, request: CreateRequest): Promise<Answer>;
  find(world: World, clientId: number, orderId: number): Promise<ToldOrder | null>;
}

export const JSON_TYPE = { 'content-type': 'application/json' };

export function authorization(world: World, clientId: number): Record<string, string> {
  return { authorization: `Bearer ${world.token(clientId)}` };
}

function bodyText(request: CreateRequest): string {
  const { amount, ...rest } = request;
  const members = Object.entries(rest)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`);
  return `{${[...members, ...(amount === undefined ? [] : [`"amount":${amount}`])].join(',')}}`;
}

interface WireOrder {
  readonly [key: string]: unknown;
}

/** Numbers of an answer as the text they were written with. */
export function parseExact(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown, context?: { source?: string }) =>
    typeof value === 'number' && context?.source !== undefined ? context.source : value,
  );
}

function toldByRest(wire: WireOrder): ToldOrder {
  const refund = wire['refund'] as { amount: string } | undefined;
  return {
    id: Number(wire['id']),
    clientReference: (wire['client_reference'] ?? null) as string | null,
    productName: wire['product_name'] as string,
    variantName: wire['variant_name'] as string,
    countryCode: wire['country_code'] as string,
    amount: wire['amount'] as string,
    currency: wire['currency'] as string,
    faceAmount: wire['face_amount'] as string,
    forexRate: (wire['forex_rate'] ?? null) as string | null,
    fundingSource: wire['funding_source'] as string,
    status: wire['status'] as string,
    statusText: wire['status_text'] as string,
    failureCode: (wire['failure_code'] ?? null) as string | null,
    failureReason: (wire['failure_reason'] ?? null) as string | null,
    isUserFixable: (wire['is_user_fixable'] ?? null) as boolean | null,
    hasTransaction: 'transaction_id' in wire,
    refundAmount: refund?.amount ?? null,
    inputData: wire['input_data'] as Record<string, string>,
    isCompleted: 'completed_at' in wire,
  };
}

export const rest: Door = {
  name: 'REST',
  codeOf: (code) => `${REJECTIONS_ON_WIRE[code].name} ${REJECTIONS_ON_WIRE[code].code}`,
  async create(world, clientId, request) {
    const response = await fetch(`${world.gateway.url}/api/v1/topups/orders`, {
      method: 'POST',
      headers: { ...JSON_TYPE, ...authorization(world, clientId) },
      body: bodyText(request),
    });
    const body = parseExact(await response.text()) as WireOrder;
    if (response.status === 200) return { order: toldByRest(body) };
    const { name, code, message } = body['error'] as Record<'name' | 'code' | 'message', string>;
    return { refused: `${name} ${code}`, message, isCoercion: false };
  },
  async find(world, clientId, orderId) {
    const response = await fetch(`${world.gateway.url}/api/v1/topups/orders/${orderId}`, {
      headers: authorization(world, clientId),
    });
    if (response.status === 404) return null;
    return toldByRest(parseExact(await response.text()) as WireOrder);
  },
};

export const ORDER_FIELDS = `orderId clientReference productName variantName countryCode
  charge { amount currency } faceValue { amount } forexRate fundingSource status statusText
  failure { code reason isUserFixable } transaction { id } refund { amount { amount } }
  inputData { name value } completedAt`;

interface GraphqlOrder {
  readonly orderId: number;
  readonly clientReference: string | null;
  readonly productName: string;
  readonly variantName: string;
  readonly countryCode: string;
  readonly charge: { amount: string; currency: string };
  readonly faceValue: { amount: string };
  readonly forexRate: string | null;
  readonly fundingSource: string;
  readonly status: string;
  readonly statusText: string;
  readonly failure: { code: string; reason: string; isUserFixable: boolean } | null;
  readonly transaction: object | null;
  readonly refund: { amount: { amount: string } } | null;
  readonly inputData: readonly { name: string; value: string }[];
  readonly completedAt: string | null;
}

function toldByGraphql(order: GraphqlOrder): ToldOrder {
  return {
    id: order.orderId,
    clientReference: order.clientReference,
    productName: order.productName,
    variantName: order.variantName,
    countryCode: order.countryCode,
    amount: order.charge.amount,
    currency: order.charge.currency,
    faceAmount: order.faceValue.amount,
    forexRate: order.forexRate,
    fundingSource: order.fundingSource,
    status: order.status,
    statusText: order.statusText,
    failureCode: order.failure?.code ?? null,
    failureReason: order.failure?.reason ?? null,
    isUserFixable: order.failure?.isUserFixable ?? null,
    hasTransaction: order.transaction !== null,
    refundAmount: order.refund?.amount.amount ?? null,
    inputData: Object.fromEntries(order.inputData.map(({ name, value }) => [name, value])),
    isCompleted: order.completedAt !== null,
  };
}

export interface GraphqlAnswer {
  readonly data?: Record<string, unknown> | null;
  readonly errors?: readonly {
    message: string;
    path?: readonly (string | number)[];
    extensions?: Record<string, unknown>;
  }[];
}

export async function graphqlRequest(
  world: World,
  clientId: number,
  operation: { readonly query: string; readonly variables?: object },
): Promise<GraphqlAnswer> {
  const response = await fetch(`${world.gateway.url}/graphql`, {
    method: 'POST',
    headers: { ...JSON_TYPE, ...authorization(world, clientId) },
    body: JSON.stringify(operation),
  });
  return response.json() as Promise<GraphqlAnswer>;
}

const CREATE = `mutation ($input: CreateTopupOrderInput!) { createTopupOrder(input: $input) {
  order { ${ORDER_FIELDS} } userErrors { code message field } duplicateOf { orderId } } }`;

const CATEGORIES: Readonly<Record<string, string>> = {
  Airtime: 'AIRTIME',
  Data: 'DATA',
  Bundle: 'BUNDLE',
};

const toInputField = ([name, value]: [string, unknown]): object => ({ name, value });

// In GraphQL an amount is text; what is no plain decimal has no form there and goes as it is.
function toInput(request: CreateRequest): object {
  const { input_data: data } = request;
  const isMap = typeof data === 'object' && data !== null && !Array.isArray(data);
  const category = request.category;
  return {
    productId: request.product_id,
    amount: request.amount,
    inputData: isMap ? Object.entries(data).map(toInputField) : data,
    clientReference: request.client_reference,
    walletId: request.wallet_id,
    category: typeof category === 'string' ? (CATEGORIES[category] ?? category) : category,
    redeemVoucherCode: request.redeem_voucher_code,
    quoteId: request.quote_id,
  };
}

export const graphql: Door = {
  name: 'GraphQL',
  codeOf: (code) => code,
  async create(world, clientId, request) {
    const answer = await graphqlRequest(world, clientId, {
      query: CREATE,
      variables: { input: toInput(request) },
    });
    const error = answer.errors?.[0];
    if (error !== undefined) {
      const { message, extensions } = error;
      const isInput = extensions?.['code'] === 'BAD_USER_INPUT';
      const isField = isInput && /at "input\.inputData/.test(message);
      const refused = isField ? 'INVALID_INPUT_FIELD' : 'VALIDATION_FAILURE';
      if (!isInput) throw new Error(`${String(extensions?.['code'])}: ${message}`);
      return { refused, message, isCoercion: true };
    }
    const payload = answer.data?.['createTopupOrder'] as {
      order: GraphqlOrder | null;
      userErrors: readonly { code: RejectionCode; message: string }[];
    };
    if (payload.order !== null) return { order: toldByGraphql(payload.order) };
    const [refusal] = payload.userErrors;
    if (refusal === undefined) throw new Error('Neither order nor error');
    return { refused: refusal.code, message: refusal.message, isCoercion: false };
  },
  async find(world, clientId, orderId) {
    const answer = await graphqlRequest(world, clientId, {
      query: `query ($by: TopupOrderBy!) { topupOrder(by: $by) { ${ORDER_FIELDS} } }`,
      variables: { by: { orderId } },
    });
    const order = answer.data?.['topupOrder'] as GraphqlOrder | null;
    return order === null ? null : toldByGraphql(order);
  },
};

export const doors: readonly Door[] = [rest, graphql];

/** Asks the door until the order is terminal; fails after `withinMs`. */
export async function untilTerminal(
  door: Door,
  world: World,
  of: { readonly clientId: number; readonly orderId: number; readonly withinMs?: number },
): Promise<ToldOrder> {
  const deadline = performance.now() + (of.withinMs ?? 10_000);
  for (;;) {
    const order = await door.find(world, of.clientId, of.orderId);
    if (order !== null && order.status !== 'PENDING') return order;
    if (performance.now() > deadline) throw new Error(`Order ${of.orderId} is still PENDING`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
