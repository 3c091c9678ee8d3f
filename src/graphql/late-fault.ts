import {
  getArgumentValues, getVariableValues, GraphQLError, separateOperations, TypeInfo, visit,
  visitWithTypeInfo, type DocumentNode, type GraphQLSchema, type OperationDefinitionNode,
} from 'graphql';

/**
 * What is wrong with the variables of an operation, where graphql-js would find it only on its way:
 * it reads the arguments of a field, and directives, when it gets there. A variable that may be
 * null, in a place that may not, is the one thing left for then, and behind an order too late to
 * be refused. Null where nothing is wrong, or where all of it is refused before anything begins.
 */
export function lateFault(schema: GraphQLSchema, asked: {
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  readonly variables: Readonly<Record<string, unknown>> | null;
}): GraphQLError | null {
  const { document, operation } = asked;
  const variables = asked.variables ?? {};
  const definitions = operation.variableDefinitions ?? [];
  const isLeftNull = definitions.some(({ variable: { name: { value: name } }, defaultValue }) =>
    variables[name] === null || (variables[name] === undefined && defaultValue === undefined));
  if (!isLeftNull) return null;
  const { coerced } = getVariableValues(schema, definitions, variables, { maxErrors: 1 });
  if (coerced === undefined) return null;
  const types = new TypeInfo(schema);
  const read = (
    definition: Parameters<typeof getArgumentValues>[0] | null | undefined,
    node: Parameters<typeof getArgumentValues>[1],
  ): void => {
    if (definition) getArgumentValues(definition, node, coerced);
  };
  try {
    visit(separateOperations(document)[operation.name?.value ?? ''] ?? document, visitWithTypeInfo(
      types, {
        Field: (node) => read(types.getFieldDef(), node),
        Directive: (node) => read(types.getDirective(), node),
      },
    ));
  } catch (error) {
    if (error instanceof GraphQLError) return error;
    throw error;
  }
  return null;
}
