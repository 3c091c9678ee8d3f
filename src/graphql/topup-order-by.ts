import { Field, ID, InputType } from 'type-graphql';
import { isClientReference } from '../domain/order-request.ts';
import type { Store } from '../domain/ports.ts';
import { Rejection } from '../domain/rejection.ts';
import type { TopupOrder } from '../domain/topup-order.ts';
import { parseGlobalId } from './global-id.ts';
import { SafeInt } from './scalars.ts';

/** Exactly one key is given: the schema marks this input @oneOf. */
@InputType('TopupOrderBy', { description: 'Names one order of the caller by exactly one key.' })
export class TopupOrderBy {
  @Field(() => ID, { nullable: true, description: 'The global id.' })
  id?: string | null;

  @Field(() => SafeInt, { nullable: true, description: 'The integer id of the REST API.' })
  orderId?: number | null;

  @Field(() => String, { nullable: true, description: 'The key that the caller gave the order.' })
  clientReference?: string | null;
}

interface OrderOwner {
  readonly clientId: number;
  readonly store: Store;
}

/** The caller's order, or null: an order of another client is as absent as none at all. */
export async function findOrderBy(by: TopupOrderBy, owner: OrderOwner): Promise<TopupOrder | null> {
  const { clientId, store } = owner;
  if (typeof by.clientReference === 'string') {
    // Text that no reference can be is not looked for: PostgreSQL would refuse some of it.
    return isClientReference(by.clientReference)
      ? store.findOrderByReference(clientId, by.clientReference)
      : null;
  }
  const orderId = by.orderId ?? parseGlobalId('TopupOrder', by.id ?? '');
  return orderId !== null && orderId > 0 ? store.findOrder(clientId, orderId) : null;
}

/** The same order, where there must be one. @throws Rejection ORDER_NOT_FOUND */
export async function getOrderBy(by: TopupOrderBy, owner: OrderOwner): Promise<TopupOrder> {
  const order = await findOrderBy(by, owner);
  if (order === null) throw new Rejection('ORDER_NOT_FOUND', 'Order not found', { field: ['by'] });
  return order;
}
