import { Ctx, FieldResolver, Resolver, Root } from 'type-graphql';
import { statusText, type TopupOrder } from '../domain/topup-order.ts';
import type { OperationContext } from './context.ts';
import { globalId } from './global-id.ts';
import { TopupOrderEventNode, type ShownEvent } from './topup-order-event.types.ts';

/** An event of the domain as the schema shows it. */
@Resolver(() => TopupOrderEventNode)
export class TopupOrderEventResolver {
  @FieldResolver()
  id(@Root() event: ShownEvent): string {
    // A snapshot and the event that led to it are two things with one version.
    const key = `${event.topupOrderId}:${event.version}`;
    return globalId('TopupOrderEvent', event.type === 'SNAPSHOT' ? `${key}:SNAPSHOT` : key);
  }

  @FieldResolver()
  statusText(@Root() event: ShownEvent): string {
    return statusText(event.status, event.failureCode);
  }

  @FieldResolver()
  async order(
    @Root() event: ShownEvent,
    @Ctx() { loaders }: OperationContext,
  ): Promise<TopupOrder> {
    const order = event.order ?? await loaders.orders.load(event.topupOrderId);
    if (order === null) throw new Error('An event stands without its order');
    return order;
  }
}
