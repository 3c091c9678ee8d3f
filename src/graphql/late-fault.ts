import {
  getArgumentValues, getVariableValues, GraphQLError, Kind, TypeInfo, visit, visitWithTypeInfo,
  type DocumentNode, type FragmentDefinitionNode, type GraphQLSchema,
  type OperationDefinitionNode, type SelectionNode, type VariableDefinitionNode,
} from 'graphql';

interface Asked {
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  readonly variables: Readonly<Record<string, unknown>> | null;
}

/**
 * What is wrong with the variables of an operation, where graphql-js would find it only on its way:
 * it reads the arguments of a field, and directives, when it gets there. A variable that may be
 * null, in a place that may not, is the one thing left for then, and behind an order too late to
 * be refused. Null where nothing is wrong, or where all of it is refused before anything begins.
 */
export function lateFault(
  schema: GraphQLSchema,
  { document, operation, variables }: Asked,
): GraphQLError | null {
  const given = variables ?? {};
  const definitions = operation.variableDefinitions ?? [];
  if (!definitions.some((definition) => isLeftNull(definition, given))) return null;
  const { coerced } = getVariableValues(schema, definitions, given, { maxErrors: 1 });
  if (coerced === undefined) return null;
  try {
    readArguments(schema, { document, operation, variables: coerced });
    return null;
  } catch (error) {
    if (error instanceof GraphQLError) return error;
    throw error;
  }
}

function isLeftNull(
  { variable: { name: { value: name } }, defaultValue }: VariableDefinitionNode,
  given: Readonly<Record<string, unknown>>,
): boolean {
  if (given[name] !== undefined) return given[name] === null;
  return defaultValue === undefined || defaultValue.kind === Kind.NULL;
}

/** Of every field that may be reached, each fragment once. @throws GraphQLError */
function readArguments(schema: GraphQLSchema, { document, operation, variables }: Asked): void {
  const given = variables ?? {};
  const types = new TypeInfo(schema);
  const reached = new Set<string>();
  const waiting: (OperationDefinitionNode | FragmentDefinitionNode)[] = [operation];
  const visitor = visitWithTypeInfo(types, {
    Field(node) {
      if (!isIncluded(schema, node, given)) return false;
      const definition = types.getFieldDef();
      if (definition) getArgumentValues(definition, node, given);
      return undefined;
    },
    InlineFragment: (node) => isIncluded(schema, node, given) ? undefined : false,
    FragmentSpread(node) {
      const { name: { value: name } } = node;
      if (!isIncluded(schema, node, given) || reached.has(name)) return;
      reached.add(name);
      waiting.push(...document.definitions.filter((each): each is FragmentDefinitionNode =>
        each.kind === Kind.FRAGMENT_DEFINITION && each.name.value === name));
    },
  });
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) visit(next, visitor);
}

/** As @skip has it, and then @include, in whatever order they are written. @throws GraphQLError */
function isIncluded(
  schema: GraphQLSchema,
  { directives = [] }: SelectionNode,
  given: Readonly<Record<string, unknown>>,
): boolean {
  const conditionOf = (name: string): unknown => {
    const definition = schema.getDirective(name);
    const node = directives.find((each) => each.name.value === name);
    return definition && node ? getArgumentValues(definition, node, given)['if'] : undefined;
  };
  return conditionOf('skip') !== true && conditionOf('include') !== false;
}
