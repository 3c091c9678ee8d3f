import { Arg, Ctx, ID, Query, Resolver } from 'type-graphql';
import type { OperationContext } from './context.ts';
import { findNode, findNodes } from './node-registry.ts';
import { NodeType } from './node.types.ts';

/** Whatever has a global id, found again by it. */
@Resolver()
export class NodeResolver {
  @Query(() => NodeType, {
    nullable: true,
    description: "The thing of the caller with this id; null where it is none, or another's.",
  })
  node(
    @Arg('id', () => ID, { description: 'A global id.' }) id: string,
    @Ctx() context: OperationContext,
  ): Promise<object | null> {
    return findNode(id, context);
  }

  @Query(() => [NodeType], {
    nullable: 'items',
    description: 'The things of the caller with these ids, in their order; null for each that is '
      + "none, or another's. At most 100.",
  })
  nodes(
    @Arg('ids', () => [ID], { description: 'Global ids.' }) ids: string[],
    @Ctx() context: OperationContext,
  ): Promise<object | null>[] {
    return findNodes(ids, context);
  }
}
