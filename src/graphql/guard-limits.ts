import {
  GraphQLError, Kind, OperationTypeNode, type DocumentNode, type FragmentDefinitionNode,
  type OperationDefinitionNode, type SelectionNode,
} from 'graphql';
import { Measure } from './document-measure.ts';

/** Parsing costs by the token; no honest operation here comes near. */
export const TOKENS_MAX = 2_000;
/** Levels of fields; introspection is not counted here, it has a limit of its own. */
const DEPTH_MAX = 10;
/** The usual introspection query has 13 levels. */
const INTROSPECTION_DEPTH_MAX = 20;
const ALIASES_MAX = 15;
const ROOT_FIELDS_MAX = 5;
/** One field written again in one set of braces: every pair of them is compared by a rule. */
const REPEATS_MAX = 10;
/** The same with all fragments written out, where each may well ask for an id of its own. */
const MERGED_MAX = 50;
/** Validation compares them with each other: two hundred took 17 ms. */
const DEFINITIONS_MAX = 64;
/** Clients that switch many parts of an operation on and off stay below. */
const DIRECTIVES_MAX = 20;
/** Fields that move money: one per operation, so that aliases never multiply a quota. */
const MONEY_FIELDS: ReadonlySet<string> = new Set(['createTopupOrder', 'cancelTopupOrder']);

/**
 * Checks every operation of a document against the limits, counting fragments wherever they are
 * spread. Safe before validation: unknown and circular fragments count as nothing, the
 * specified rules refuse them.
 */
export function checkLimits(document: DocumentNode): readonly GraphQLError[] {
  if (document.definitions.length > DEFINITIONS_MAX) {
    const most = `at most ${DEFINITIONS_MAX} operations and fragments`;
    return [new GraphQLError(`A document has ${most}`)];
  }
  const measure = new Measure(document);
  const excesses = document.definitions.flatMap((definition) => {
    if (definition.kind === Kind.OPERATION_DEFINITION) return checkOperation(definition, measure);
    // A fragment that nobody spreads is validated too, with all its pairs.
    return definition.kind === Kind.FRAGMENT_DEFINITION ? checkRepeats(definition, measure) : [];
  });
  return excesses.length > 0 ? excesses : measure.unusedFragments().slice(0, 3).map((fragment) => (
    // Refused by a specified rule as well, but beside others, for which it may be costly.
    new GraphQLError(`Fragment "${fragment.name.value}" is never used.`, { nodes: fragment })));
}

/** The names of an operation's root fields, fragments written out; one for each alias. */
export function rootFieldNames(
  document: DocumentNode,
  operation: OperationDefinitionNode,
): readonly string[] {
  return [...new Measure(document).rootFieldsOf(operation.selectionSet).values()];
}

function checkOperation(
  operation: OperationDefinitionNode,
  measure: Measure,
): readonly GraphQLError[] {
  const extent = measure.extentOf(operation.selectionSet);
  const roots = measure.rootFieldsOf(operation.selectionSet);
  const isMutation = operation.operation === OperationTypeNode.MUTATION;
  const isSubscription = operation.operation === OperationTypeNode.SUBSCRIPTION;
  // Generated documents have it everywhere, and it reads nothing.
  const typeNameCount = roots.get('__typename') === '__typename' ? 1 : 0;
  const moneyCount = [...roots.values()].filter((name) => MONEY_FIELDS.has(name)).length;
  const directiveCount = extent.directiveCount + ownDirectives(operation);
  const tooMany = (count: number, max: number, what: string): string[] =>
    count > max ? [`has more than ${max} ${what}`] : [];
  const faults = [
    ...(extent.depth > DEPTH_MAX ? [`is deeper than ${DEPTH_MAX} levels`] : []),
    ...tooMany(extent.introspectionDepth, INTROSPECTION_DEPTH_MAX, 'levels of introspection'),
    ...tooMany(extent.aliasCount, ALIASES_MAX, 'aliases'),
    ...tooMany(directiveCount, DIRECTIVES_MAX, 'directives'),
    ...tooMany(roots.size - typeNameCount, ROOT_FIELDS_MAX, 'root fields'),
    ...(isMutation && moneyCount > 1
      ? ['places or cancels more than one order; send them one by one']
      : []),
    ...(isSubscription && measure.selectionsOf(operation.selectionSet).some(isSwitched)
      ? ['has @skip or @include at the root of a subscription; they may stand further inside']
      : []),
  ];
  return [
    ...faults.map((fault) => new GraphQLError(`The operation ${fault}`, { nodes: operation })),
    ...checkRepeats(operation, measure),
  ];
}

/**
 * The specification allows neither at the root of a subscription. The specified rule that counts
 * the root fields would throw here, because it evaluates the condition without any variables.
 */
function isSwitched({ directives }: SelectionNode): boolean {
  return directives?.some(({ name }) => ['skip', 'include'].includes(name.value)) ?? false;
}

function ownDirectives({ directives, variableDefinitions }: OperationDefinitionNode): number {
  const ofVariables = (variableDefinitions ?? [])
    .reduce((sum, variable) => sum + (variable.directives?.length ?? 0), 0);
  return ofVariables + (directives?.length ?? 0);
}

function checkRepeats(
  definition: OperationDefinitionNode | FragmentDefinitionNode,
  measure: Measure,
): readonly GraphQLError[] {
  const { repeatCount, mergedCount } = measure.extentOf(definition.selectionSet,
    definition.kind === Kind.FRAGMENT_DEFINITION ? 'FRAGMENT' : 'WHOLE');
  if (repeatCount <= REPEATS_MAX && mergedCount <= MERGED_MAX) return [];
  const max = repeatCount > REPEATS_MAX ? REPEATS_MAX : MERGED_MAX;
  return [new GraphQLError(`A field is repeated more than ${max} times`, { nodes: definition })];
}
