import { Field, ID, InterfaceType } from 'type-graphql';

@InterfaceType('Node', {
  description: 'Anything that has a globally unique id.',
  resolveType: (node: { readonly __typename: string }) => node.__typename,
})
export abstract class NodeType {
  @Field(() => ID, { description: 'Opaque and globally unique; the same in every answer.' })
  id!: string;
}
