import { Ctx, FieldResolver, Resolver, Root } from 'type-graphql';
import { maskSensitive } from '../domain/mask.ts';
import { statusText, type FeedEvent, type TopupOrder } from '../domain/topup-order.ts';
import type { OperationContext } from './context.ts';
import { globalId } from './global-id.ts';
import { TopupOrderEventNode } from './topup-order-event.types.ts';

/** An event of the domain as the schema shows it. It brings its order along. */
@Resolver(() => TopupOrderEventNode)
export class TopupOrderEventResolver {
  @FieldResolver()
  id(@Root() event: FeedEvent): string {
    // A snapshot and the event that led to it are two things with one version.
    const key = `${event.topupOrderId}:${event.version}`;
    return globalId('TopupOrderEvent', event.type === 'SNAPSHOT' ? `${key}:SNAPSHOT` : key);
  }

  @FieldResolver()
  statusText(@Root() event: FeedEvent): string {
    return statusText(event.status, event.failureCode);
  }

  @FieldResolver()
  order(@Root() event: FeedEvent, @Ctx() { deps }: OperationContext): TopupOrder {
    return maskSensitive(event.order, deps.store.pricing());
  }
}
