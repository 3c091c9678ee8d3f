import { Field, ID, ObjectType } from 'type-graphql';
import type {
  FeedEvent, TopupOrder, TopupOrderEventType, TopupOrderStatus,
} from '../domain/topup-order.ts';
import { NodeType } from './node.types.ts';
import { DateTime, SafeInt } from './scalars.ts';
import { TopupOrderEventTypeEnum, TopupOrderStatusEnum } from './topup-order.enums.ts';
import { TopupOrderType } from './topup-order.types.ts';

export const EVENT_TYPES_DESCRIPTION = 'Which types of events; all without it.';

@ObjectType('TopupOrderEvent', {
  implements: NodeType,
  simpleResolvers: true,
  description: 'One thing that happened to an order.',
})
export class TopupOrderEventNode {
  @Field(() => ID, {
    description: 'Opaque and globally unique; the same in every answer. That of a SNAPSHOT names '
      + 'an order at a version, which `node` does not find.',
  })
  id!: string;

  @Field(() => SafeInt, {
    description: 'Its place among all events of the caller: 1, 2, 3 … without gap, until a backup '
      + 'is restored; of a SNAPSHOT the place it stands at.',
  })
  sequence!: number;

  @Field(() => SafeInt, { description: "The order's own count of its events, from 1." })
  version!: number;

  @Field(() => TopupOrderEventTypeEnum, { description: 'What happened.' })
  type!: TopupOrderEventType;

  @Field(() => TopupOrderStatusEnum, {
    nullable: true,
    description: 'The status before; null for the first event and for a SNAPSHOT.',
  })
  previousStatus!: TopupOrderStatus | null;

  @Field(() => TopupOrderStatusEnum, { description: 'The status after.' })
  status!: TopupOrderStatus;

  @Field(() => String, { description: 'The status for people; its wording may change.' })
  statusText!: string;

  @Field(() => DateTime, { description: 'When it happened; of a SNAPSHOT when it was read.' })
  occurredAt!: Date;

  @Field(() => TopupOrderType, {
    description: 'The order, as it was read behind the event: it may be a step further already, '
      + 'and a step behind what another answer told meanwhile.',
  })
  order!: TopupOrder;
}

@ObjectType('TopupOrderEventEdge', {
  simpleResolvers: true,
  description: 'An event and its place in the feed.',
})
export class TopupOrderEventEdge {
  @Field(() => String, {
    description: 'Opaque; given as `after`, a subscription or a page goes on right behind this '
      + 'edge.',
  })
  cursor!: string;

  @Field(() => TopupOrderEventNode, {
    nullable: true,
    description: 'The event; null on an edge that only moves the cursor.',
  })
  node!: FeedEvent | null;
}
