import {
  getNamedType, getNullableType, isEnumType, isInputObjectType, isInterfaceType, isListType,
  isNonNullType, isObjectType, isUnionType, type GraphQLArgument, type GraphQLField,
  type GraphQLInputType, type GraphQLObjectType, type GraphQLSchema,
} from 'graphql';

/** One field of the schema, and the shortest operation that executes it. */
export interface FieldPath {
  /** 'TopupOrder.refund'. */
  readonly name: string;
  readonly field: GraphQLField<unknown, unknown>;
  readonly query: string;
  readonly operation: 'query' | 'mutation' | 'subscription';
}

type Step = string;

/** Every field of every object type that an operation can reach. */
export function pathsOf(schema: GraphQLSchema): readonly FieldPath[] {
  const roots = [
    ['query', schema.getQueryType()],
    ['mutation', schema.getMutationType()],
    ['subscription', schema.getSubscriptionType()],
  ] as const;
  const found: FieldPath[] = [];
  const seen = new Set<GraphQLObjectType>();
  for (const [operation, root] of roots) {
    if (root === null || root === undefined) continue;
    // The shortest way comes first: no path is deeper than the guard allows.
    const queue: { readonly type: GraphQLObjectType; readonly steps: readonly Step[] }[] = [
      { type: root, steps: [] },
    ];
    for (const { type, steps } of queue) {
      if (seen.has(type)) continue;
      seen.add(type);
      for (const field of Object.values(type.getFields())) {
        const own = [...steps, call(field)];
        const query = `${operation} ${braced([...own, leafOf(field)])}`;
        found.push({ name: `${type.name}.${field.name}`, field, query, operation });
        for (const below of objectsOf(schema, field)) {
          queue.push({ type: below, steps: [...own, `... on ${below.name}`] });
        }
      }
    }
  }
  return found;
}

function braced(steps: readonly Step[]): string {
  const parts = steps.filter((step) => step !== '');
  return `${parts.map((step) => `{ ${step}`).join(' ')}${' }'.repeat(parts.length)}`;
}

function leafOf(field: GraphQLField<unknown, unknown>): Step {
  const type = getNamedType(field.type);
  return isObjectType(type) || isInterfaceType(type) || isUnionType(type) ? '__typename' : '';
}

function objectsOf(
  schema: GraphQLSchema,
  field: GraphQLField<unknown, unknown>,
): readonly GraphQLObjectType[] {
  const type = getNamedType(field.type);
  if (isObjectType(type)) return [type];
  return isInterfaceType(type) || isUnionType(type) ? schema.getPossibleTypes(type) : [];
}

function call({ name, args }: GraphQLField<unknown, unknown>): Step {
  const needed = args.filter(isNeeded).map((each) => `${each.name}: ${literalOf(each.type)}`);
  return needed.length === 0 ? name : `${name}(${needed.join(', ')})`;
}

function isNeeded({ type, defaultValue }: Pick<GraphQLArgument, 'type' | 'defaultValue'>): boolean {
  return isNonNullType(type) && defaultValue === undefined;
}

/** Some value of a type, as a literal. */
function literalOf(given: GraphQLInputType): string {
  const type = getNullableType(given);
  if (isListType(type)) return `[${literalOf(type.ofType)}]`;
  if (isEnumType(type)) return type.getValues()[0]?.name ?? '';
  if (isInputObjectType(type)) {
    const fields = Object.values(type.getFields());
    const taken = type.isOneOf ? fields.slice(0, 1) : fields.filter(isNeeded);
    return `{${taken.map((each) => `${each.name}: ${literalOf(each.type)}`).join(', ')}}`;
  }
  return LITERALS[type.name] ?? '"x"';
}

const LITERALS: Readonly<Record<string, string>> = {
  Boolean: 'true', Int: '1', SafeInt: '1', Decimal: '"1"', CurrencyCode: '"USD"',
  CountryCode: '"IND"', DateTime: '"2026-11-03T09:30:00Z"',
};
