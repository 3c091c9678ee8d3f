import { Field, Int, ObjectType, type ClassType } from 'type-graphql';
import { Rejection } from '../domain/rejection.ts';
import { FIRST_MAX } from './page-sizes.ts';

export const FIRST_DESCRIPTION = `How many edges at most, 1 to ${FIRST_MAX}.`;
export const AFTER_DESCRIPTION = 'The cursor of the last edge that was received; without it the '
  + 'list begins at its start.';

/** `first` as it was given. @throws Rejection VALIDATION_FAILURE */
export function parseFirst(first: number): number {
  if (first >= 1 && first <= FIRST_MAX) return first;
  throw new Rejection('VALIDATION_FAILURE', `\`first\` must be 1 to ${FIRST_MAX}`,
    { field: ['first'] });
}

@ObjectType('PageInfo', {
  simpleResolvers: true,
  description: 'Where a page stands in its list.',
})
export class PageInfo {
  @Field(() => Boolean, { description: 'Whether more edges follow behind `endCursor`.' })
  hasNextPage!: boolean;

  @Field(() => Boolean, {
    description: 'Whether the page begins behind `after`, and not at the start of the list.',
  })
  hasPreviousPage!: boolean;

  @Field(() => String, { nullable: true, description: 'The first cursor; null without edges.' })
  startCursor!: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Where to go on: the last cursor, null without edges. `topupOrderEventLog` has it '
      + 'always.',
  })
  endCursor!: string | null;
}

export interface Edge<Node> {
  readonly cursor: string;
  readonly node: Node;
}

/** One page of a list; `totalCount` is counted where it is selected, and only then. */
export interface Connection<Node> {
  readonly edges: readonly Edge<Node>[];
  readonly pageInfo: PageInfo;
  readonly totalCount?: () => Promise<number> | number;
}

/**
 * A page out of rows that were read one further than `first`: that row only tells whether more
 * follow. Rows never leave these lists, so what `after` named stands before the page, where it was
 * an edge of this very list.
 */
export function pageOf<Node>(rows: readonly Node[], page: {
  readonly first: number;
  readonly isAfter: boolean;
  readonly cursorOf: (node: Node) => string;
  readonly totalCount?: () => Promise<number> | number;
  /** Where more follow though no row tells it: an empty page goes on from where it was asked. */
  readonly followedFrom?: { readonly cursor: string | null } | null;
}): Connection<Node> {
  const followedFrom = page.followedFrom ?? null;
  const edges = rows.slice(0, page.first)
    .map((node) => ({ cursor: page.cursorOf(node), node }));
  return {
    edges,
    pageInfo: {
      hasNextPage: rows.length > page.first || followedFrom !== null,
      hasPreviousPage: page.isAfter,
      startCursor: edges.at(0)?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? followedFrom?.cursor ?? null,
    },
    ...(page.totalCount === undefined ? {} : { totalCount: page.totalCount }),
  };
}

/** The type `<name>Edge` of the specification, around a node. */
export function edgeType(
  name: string,
  node: { readonly type: () => ClassType; readonly description: string },
): ClassType {
  @ObjectType(`${name}Edge`, {
    simpleResolvers: true,
    description: `${node.description}, and its place in the list.`,
  })
  class EdgeType {
    @Field(() => String, { description: 'Opaque; given as `after`, a page begins behind it.' })
    cursor!: string;

    @Field(node.type, { description: `${node.description}.` })
    node!: unknown;
  }
  return EdgeType;
}

/** The type `<name>Connection` of the specification; `total` describes its count, if it has one. */
export function connectionType(
  name: string,
  of: {
    readonly edge: ClassType;
    readonly description: string;
    readonly total?: string;
  },
): ClassType<Connection<unknown>> {
  @ObjectType(`${name}Connection`, { simpleResolvers: true, description: of.description })
  class ConnectionType {
    @Field(() => [of.edge], { description: 'The page.' })
    edges!: readonly Edge<unknown>[];

    @Field(() => PageInfo, { description: 'Where the page stands in the list.' })
    pageInfo!: PageInfo;
  }
  if (of.total === undefined) return ConnectionType;
  // Null where it could not be counted: the page is worth having without it.
  Field(() => Int, { nullable: true, description: of.total })(
    ConnectionType.prototype, 'totalCount',
  );
  return ConnectionType;
}
