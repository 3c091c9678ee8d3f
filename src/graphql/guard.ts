import {
  GraphQLError, NoSchemaIntrospectionCustomRule, parse, recommendedRules, specifiedRules, validate,
  type DocumentNode, type GraphQLSchema,
} from 'graphql';
import type { ErrorCode } from './errors.ts';
import { checkLimits } from './guard-limits.ts';

/** Parsing costs by the token; no honest operation here comes near. */
const TOKENS_MAX = 2_000;
/** Enough to mend a query by; a hostile one gets a short answer. */
const ERRORS_MAX = 10;
/** The cached documents' source text together: what they take is a multiple of it, ~30 MiB. */
const CACHED_CHARACTERS_MAX = 262_144;

/** Whether a text may be executed. PARSE and VALIDATE say which step refused it. */
export type Verdict =
  | { readonly kind: 'ALLOWED'; readonly document: DocumentNode }
  | {
    readonly kind: 'REFUSED';
    readonly step: 'PARSE' | 'VALIDATE';
    readonly errors: readonly GraphQLError[];
  };

export type Guard = (source: string) => Verdict;

/**
 * The one guard of both transports: what it says of a text does not depend on how the text came.
 * Allowed documents are remembered, so an operation that is sent again and again is parsed once.
 */
export function createGuard(
  schema: GraphQLSchema,
  { isIntrospectionAllowed }: { readonly isIntrospectionAllowed: boolean },
): Guard {
  const rules = [
    ...specifiedRules,
    ...recommendedRules,
    ...(isIntrospectionAllowed ? [] : [NoSchemaIntrospectionCustomRule]),
  ];
  const cache = new DocumentCache(CACHED_CHARACTERS_MAX);
  return (source) => {
    const cached = cache.get(source);
    if (cached !== undefined) return { kind: 'ALLOWED', document: cached };
    let document: DocumentNode;
    try {
      document = parse(source, { maxTokens: TOKENS_MAX });
    } catch (error) {
      if (!(error instanceof GraphQLError)) throw error;
      return refused('PARSE', [error]);
    }
    // The limits come first: they are linear, some of the specified rules are not.
    const excesses = checkLimits(document);
    if (excesses.length > 0) return refused('VALIDATE', excesses);
    const errors = validate(schema, document, rules, {
      maxErrors: ERRORS_MAX, hideSuggestions: true,
    });
    if (errors.length > 0) return refused('VALIDATE', errors);
    cache.set(source, document);
    return { kind: 'ALLOWED', document };
  };
}

const CODE_OF_STEP: Readonly<Record<'PARSE' | 'VALIDATE', ErrorCode>> = {
  PARSE: 'GRAPHQL_PARSE_FAILED',
  VALIDATE: 'GRAPHQL_VALIDATION_FAILED',
};

function refused(step: 'PARSE' | 'VALIDATE', errors: readonly GraphQLError[]): Verdict {
  const coded = errors.map(({ message, nodes, source, positions }) =>
    new GraphQLError(message, {
      nodes: nodes ?? null,
      source: source ?? null,
      positions: positions ?? null,
      extensions: { code: CODE_OF_STEP[step] },
    }));
  return { kind: 'REFUSED', step, errors: coded };
}

/** Documents by source text, the least recently used go first. */
class DocumentCache {
  readonly #documents = new Map<string, DocumentNode>();
  readonly #charactersMax: number;
  #characters = 0;

  constructor(charactersMax: number) {
    this.#charactersMax = charactersMax;
  }

  get(source: string): DocumentNode | undefined {
    const document = this.#documents.get(source);
    if (document === undefined) return undefined;
    // A Map keeps the order of insertion: put in again, it is the youngest.
    this.#documents.delete(source);
    this.#documents.set(source, document);
    return document;
  }

  set(source: string, document: DocumentNode): void {
    this.#documents.set(source, document);
    this.#characters += source.length;
    for (const oldest of this.#documents.keys()) {
      if (this.#characters <= this.#charactersMax) break;
      this.#documents.delete(oldest);
      this.#characters -= oldest.length;
    }
  }
}
