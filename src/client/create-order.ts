import { Passing, TopupInDoubt, TopupRefused } from './errors.ts';
import {
  CreateTopupOrderDocument, type CreateTopupOrderInput, type OrderPartsFragment,
} from './generated/graphql.ts';
import { requestOnce, type HttpOptions } from './http.ts';
import { Patience, type PatienceOptions } from './patience.ts';
import { newReference } from './reference.ts';

/** An order to place; without a reference the client makes one of its own. */
export type NewOrder = CreateTopupOrderInput;

type Input = NewOrder & { readonly clientReference: string };

/**
 * Asks under one reference until it knows. Whatever ends it before, a caller hears the reference
 * as soon as a try may have placed the order.
 */
export async function createOrder(
  order: NewOrder,
  options: HttpOptions & PatienceOptions,
): Promise<OrderPartsFragment> {
  const clientReference = order.clientReference ?? newReference();
  const patience = new Patience(options);
  let isInDoubt = false;
  for (;;) {
    try {
      return await createOnce({ ...order, clientReference }, options);
    } catch (error) {
      isInDoubt ||= error instanceof Passing && error.mayBeDone;
      await patience.afterFailure(error).catch((fault: unknown) => {
        throw isInDoubt && !endsDoubt(fault) ? new TopupInDoubt(clientReference, fault) : fault;
      });
    }
  }
}

async function createOnce(input: Input, options: HttpOptions): Promise<OrderPartsFragment> {
  const { createTopupOrder } = await requestOnce(CreateTopupOrderDocument, { input }, options);
  const { order: placed, userErrors, duplicateOf } = createTopupOrder;
  if (placed !== null && placed !== undefined) return placed;
  // The same order under the same reference is this one, placed by an earlier try.
  const isOurs = userErrors.every((error) => error.code === 'DUPLICATE_CLIENT_REFERENCE'
    && error.details !== 'INPUT_MISMATCH');
  if (isOurs && duplicateOf !== null && duplicateOf !== undefined) return duplicateOf;
  throw new TopupRefused(userErrors, input.clientReference);
}

/** What is decided behind an earlier try that the database has at hand, if there is one. */
const DECIDED_LAST: ReadonlySet<string> = new Set([
  'INSUFFICIENT_FUNDS', 'WALLET_FROZEN', 'VOUCHER_INVALID', 'VOUCHER_VALUE_MISMATCH',
]);

/**
 * Whether a refusal says that no order has the reference. All others come before an order is
 * placed, and may overtake a try whose commit hangs; a duplicate may be this one.
 */
function endsDoubt(fault: unknown): boolean {
  return fault instanceof TopupRefused
    && fault.userErrors.every((error) => DECIDED_LAST.has(error.code));
}
