import { Arg, Ctx, Int, Query, Resolver } from 'type-graphql';
import type { OrderEdge } from '../domain/follow-topup-order.ts';
import { readTopupOrderLog } from '../domain/follow-topup-orders.ts';
import type { TopupOrderEventType } from '../domain/topup-order.ts';
import {
  AFTER_DESCRIPTION, FIRST_DESCRIPTION, parseFirst, type PageInfo,
} from './connection.types.ts';
import type { OperationContext } from './context.ts';
import { TopupOrderEventConnection } from './topup-order-connection.types.ts';
import { EVENT_TYPES_DESCRIPTION } from './topup-order-event.types.ts';
import { TopupOrderFilterInput } from './topup-order-filter.ts';
import { TopupOrderEventTypeEnum } from './topup-order.enums.ts';

interface EventLogPage {
  readonly edges: readonly OrderEdge[];
  readonly pageInfo: PageInfo;
}

@Resolver()
export class TopupOrderEventLogResolver {
  @Query(() => TopupOrderEventConnection, {
    description: 'What happened to all orders of the caller, oldest first: the feed of '
      + '`topupOrderEvents` for catching up without a socket, by the same cursors. Under a filter '
      + 'a page may be short of edges and have more behind it; `endCursor` is where to go on. '
      + 'Without `after` it begins with the oldest event that the feed keeps.',
  })
  async topupOrderEventLog(
    @Arg('first', () => Int, { description: FIRST_DESCRIPTION }) first: number,
    @Arg('after', () => String, { nullable: true, description: AFTER_DESCRIPTION })
    after: string | null,
    @Arg('filter', () => TopupOrderFilterInput, {
      nullable: true, description: 'Which orders; all without it.',
    }) filter: TopupOrderFilterInput | null,
    @Arg('types', () => [TopupOrderEventTypeEnum], {
      nullable: true, description: EVENT_TYPES_DESCRIPTION,
    }) types: readonly TopupOrderEventType[] | null,
    @Ctx() { clientId, deps }: OperationContext,
  ): Promise<EventLogPage> {
    const { edges, hasMore, endCursor } = await readTopupOrderLog(clientId, {
      first: parseFirst(first),
      after: after ?? null,
      filter: filter ?? null,
      types: types ?? null,
    }, deps);
    const pageInfo = {
      hasNextPage: hasMore,
      hasPreviousPage: typeof after === 'string',
      startCursor: edges.at(0)?.cursor ?? null,
      endCursor,
    };
    return { edges, pageInfo };
  }
}
