import {
  getOperationAST, GraphQLError, NoSchemaIntrospectionCustomRule, OperationTypeNode,
  specifiedRules, validate, type DocumentNode, type GraphQLSchema,
  type OperationDefinitionNode,
} from 'graphql';
import { BoundedCache } from './bounded-cache.ts';
import { requestError, type ErrorCode } from './errors.ts';
import type { GraphqlRequest } from './graphql-request.ts';
import { checkLimits, rootFieldNames } from './guard-limits.ts';
import { chargesOf, type Charge } from './operation-charge.ts';
import { CostEstimate, pointsOf, type Estimate } from './operation-cost.ts';
import { lateFault } from './late-fault.ts';
import { parseDocument } from './parse-document.ts';
import { PersistedDocuments, type TrustedDocuments } from './persisted-documents.ts';

/** Enough to mend a query by; a hostile one gets a short answer. */
const ERRORS_MAX = 10;
/** A page of 100 orders with everything, and ten events of each, takes about 60. */
const POINTS_MAX = 250;
/** The cached documents' source text together: what they take is a multiple of it, ~30 MiB. */
const CACHED_CHARACTERS_MAX = 262_144;

/** Whether a request may be executed, and what it costs. */
export type Verdict = Allowed | {
  readonly kind: 'REFUSED';
  readonly errors: readonly GraphQLError[];
};

export interface Allowed {
  readonly kind: 'ALLOWED';
  readonly source: string;
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  readonly cost: OperationCost;
}

/** What an operation is charged, and why. */
export interface OperationCost {
  readonly charges: readonly Charge[];
  /** All charges together. */
  readonly points: number;
  readonly estimate: Estimate;
  /** Whether the answer may turn out shorter than was estimated. */
  readonly isSized: boolean;
}

export type Guard = (request: GraphqlRequest) => Verdict;

export interface GuardOptions {
  readonly isIntrospectionAllowed: boolean;
  readonly trustedDocuments: TrustedDocuments;
  /** How many variants a product may have, as the catalogue stands. */
  readonly variantCountMax: () => number;
}

/** A document that was found good, and what was found out about its operations. */
interface Prepared {
  readonly document: DocumentNode;
  readonly costs: Map<OperationDefinitionNode, OperationCost>;
}

/**
 * The one guard of both transports: what it says of a request does not depend on how it came.
 * Allowed documents are remembered, so an operation that is sent again and again is parsed,
 * validated and estimated once.
 */
export function createGuard(schema: GraphQLSchema, options: GuardOptions): Guard {
  const persisted = new PersistedDocuments(options.trustedDocuments);
  const prepared = new BoundedCache<Prepared>(CACHED_CHARACTERS_MAX, (text) => text.length);
  const check = documentCheck(schema, options);
  return (request) => {
    const found = persisted.resolve(request);
    if (found.kind === 'REFUSED') return refused([found.error]);
    let ready = prepared.get(found.text);
    if (ready === undefined) {
      const checked = check(found.text);
      if ('errors' in checked) return refused(checked.errors);
      ready = { document: checked.document, costs: new Map() };
      prepared.set(found.text, ready);
    }
    found.register();
    const operation = getOperationAST(ready.document, request.operationName) ?? null;
    if (operation === null) return refused([unknownOperation(request.operationName)]);
    if (operation.operation === OperationTypeNode.MUTATION) {
      const { document } = ready;
      const fault = lateFault(schema, { document, operation, variables: request.variables });
      if (fault !== null) return refused([fault]);
    }
    const cost = costOf(schema, {
      ready, operation, request, variantCountMax: options.variantCountMax,
    });
    // The order's own token says nothing of what is asked about it in the answer.
    const points = pointsOf(cost.estimate);
    if (points > POINTS_MAX) return refused([tooCostly(points)]);
    return { kind: 'ALLOWED', source: found.text, document: ready.document, operation, cost };
  };
}

type Checked =
  | { readonly document: DocumentNode }
  | { readonly errors: readonly GraphQLError[] };

/** Parses and validates a text: the document, or why it is refused. */
function documentCheck(
  schema: GraphQLSchema,
  { isIntrospectionAllowed }: GuardOptions,
): (text: string) => Checked {
  const rules = [
    ...specifiedRules,
    ...(isIntrospectionAllowed ? [] : [NoSchemaIntrospectionCustomRule]),
  ];
  return (text) => {
    let step: ErrorCode = 'GRAPHQL_PARSE_FAILED';
    try {
      const document = parseDocument(text);
      step = 'GRAPHQL_VALIDATION_FAILED';
      // The limits come first: they are linear, some of the specified rules are not.
      const excesses = checkLimits(document);
      const errors = excesses.length > 0
        ? excesses
        : validate(schema, document, rules, { maxErrors: ERRORS_MAX, hideSuggestions: true });
      return errors.length > 0 ? { errors: coded(step, errors) } : { document };
    } catch (error) {
      // Parsing throws what it finds, and so do rules that evaluate a part of the document.
      if (!(error instanceof GraphQLError)) throw error;
      return { errors: coded(step, [error]) };
    }
  };
}

function costOf(
  schema: GraphQLSchema,
  of: {
    readonly ready: Prepared;
    readonly operation: OperationDefinitionNode;
    readonly request: GraphqlRequest;
    readonly variantCountMax: () => number;
  },
): OperationCost {
  const { ready: { document, costs }, operation, request: { variables } } = of;
  const known = costs.get(operation);
  if (known !== undefined) return known;
  const measure = new CostEstimate(schema, document, {
    operation, variables, variantCountMax: of.variantCountMax,
  });
  const estimate = measure.measure();
  const charges = chargesOf(rootFieldNames(document, operation), estimate);
  const cost: OperationCost = {
    charges,
    points: charges.reduce((sum, { count }) => sum + count, 0),
    estimate,
    isSized: measure.isSized && operation.operation === OperationTypeNode.QUERY,
  };
  if (measure.isFixed) costs.set(operation, cost);
  return cost;
}

function unknownOperation(name: string | null): GraphQLError {
  return requestError('OPERATION_RESOLUTION_FAILURE', name === null
    ? 'The document has several operations: `operationName` must name one'
    : 'The document has no operation of this name');
}

function tooCostly(points: number): GraphQLError {
  return requestError('LIMIT_EXCEEDED',
    `The operation may cost ${points} points; at most ${POINTS_MAX} are allowed`);
}

function refused(errors: readonly GraphQLError[]): Verdict {
  return { kind: 'REFUSED', errors };
}

function coded(code: ErrorCode, errors: readonly GraphQLError[]): readonly GraphQLError[] {
  return errors.map(({ message, nodes, source, positions }) =>
    new GraphQLError(message, {
      nodes: nodes ?? null,
      source: source ?? null,
      positions: positions ?? null,
      extensions: { code },
    }));
}
