import crypto from 'node:crypto';
import { GraphQLError, print, visit, type FieldNode } from 'graphql';
import { BoundedCache } from './bounded-cache.ts';
import { requestError } from './errors.ts';
import { isJsonMap, type GraphqlRequest } from './graphql-request.ts';
import { parseDocument } from './parse-document.ts';

/** Documents of all clients that registered any, together. */
const REGISTERED_CHARACTERS_MAX = 262_144;
/** Our own documents take 8,000, and again as many in every spelling that a library gives them. */
const RECOGNISED_CHARACTERS_MAX = 131_072;
const SHA256 = /^[0-9a-f]{64}$/;
/** What codegen writes before a hash; documents of clients bring it along. */
const ALGORITHM = /^sha256:/;
const UNKNOWN_HASH = 'extensions.persistedQuery must be of version 1, '
  + 'with a sha256Hash of 64 hexadecimal digits in lower case';

export interface TrustedDocuments {
  /** The text of every document that is trusted, by the SHA-256 of the text in hex. */
  readonly texts: ReadonlyMap<string, string>;
  /** Whether nothing else is executed. */
  readonly isOnly: boolean;
}

/** The text that a request means, or why there is none. */
export type Resolution =
  | { readonly kind: 'TEXT'; readonly text: string; readonly register: () => void }
  | { readonly kind: 'REFUSED'; readonly error: GraphQLError };

/**
 * Finds documents by `documentId`, or by the older `extensions.persistedQuery`; both name the
 * SHA-256 of the text. A text that comes with its right hash may be remembered under it. Where
 * nothing but trusted documents is executed, a text is one of them that asks for the same: client
 * libraries print anew what they send, and add type names. So it is with a text beside the hash of
 * a trusted document.
 */
export class PersistedDocuments {
  readonly #trusted: TrustedDocuments;
  readonly #trustedMeanings: ReadonlySet<string | null>;
  readonly #recognised = new BoundedCache<true>(RECOGNISED_CHARACTERS_MAX, (text) => text.length);
  readonly #registered = new BoundedCache<string>(
    REGISTERED_CHARACTERS_MAX, (hash, text) => hash.length + text.length,
  );

  constructor(trusted: TrustedDocuments) {
    this.#trusted = trusted;
    this.#trustedMeanings = new Set([...trusted.texts.values()].map(meaningOf));
  }

  /** `register` is to be called once the text was found good. */
  resolve(request: GraphqlRequest): Resolution {
    const hash = hashOf(request);
    const { query } = request;
    if (hash === undefined) {
      return refused('BAD_USER_INPUT', UNKNOWN_HASH);
    }
    if (hash === null) {
      return query === null
        ? refused('BAD_REQUEST', 'A request must have a `query` or a `documentId`')
        : this.#textOf(query, () => {});
    }
    if (query === null || query === '') return this.#find(hash);
    if (crypto.hash('sha256', query) !== hash) {
      return this.#isSpellingOf(hash, query)
        ? { kind: 'TEXT', text: query, register: () => {} }
        : refused('BAD_USER_INPUT', 'The hash is not the SHA-256 of `query`');
    }
    return this.#textOf(query, () => this.#registered.set(hash, query));
  }

  #find(hash: string): Resolution {
    const text = this.#trusted.texts.get(hash) ?? this.#registered.get(hash);
    // Clients know this message, and send the text then.
    if (text === undefined) return refused('PERSISTED_QUERY_NOT_FOUND', 'PersistedQueryNotFound');
    return { kind: 'TEXT', text, register: () => {} };
  }

  #textOf(text: string, register: () => void): Resolution {
    return !this.#trusted.isOnly || this.#isTrusted(text)
      ? { kind: 'TEXT', text, register }
      : refused('FORBIDDEN', 'Only trusted documents are executed');
  }

  /** Libraries for sockets send a text that they printed anew, and the hash of the trusted one. */
  #isSpellingOf(hash: string, text: string): boolean {
    const trusted = this.#trusted.texts.get(hash);
    if (trusted === undefined) return false;
    const key = `${hash} ${text}`;
    if (this.#recognised.get(key) === true) return true;
    const meaning = meaningOf(text);
    if (meaning === null || meaning !== meaningOf(trusted)) return false;
    this.#recognised.set(key, true);
    return true;
  }

  #isTrusted(text: string): boolean {
    if (this.#recognised.get(text) === true) return true;
    if (!this.#trustedMeanings.has(meaningOf(text))) return false;
    this.#recognised.set(text, true);
    return true;
  }
}

/**
 * What a document asks for, in one spelling: without layout, comments, plain `__typename` and an
 * order of its operations and fragments. Null where the text is no document.
 */
function meaningOf(text: string): string | null {
  try {
    const asked = visit(parseDocument(text), {
      Field: (field) => isTypeName(field) ? null : undefined,
    });
    return asked.definitions.map(print).sort().join('\n');
  } catch (error) {
    // Printing goes as deep as parsing did.
    if (!(error instanceof GraphQLError || error instanceof RangeError)) throw error;
    return null;
  }
}

/** One with an alias or under a condition is no library's addition. */
function isTypeName({ name, alias, directives = [] }: FieldNode): boolean {
  return name.value === '__typename' && alias === undefined && directives.length === 0;
}

/** Null where the request names no document; undefined where nobody could know what it names. */
function hashOf({ documentId, extensions }: GraphqlRequest): string | null | undefined {
  if (documentId !== null) return documentId.replace(ALGORITHM, '');
  const persisted = extensions?.['persistedQuery'] ?? null;
  if (persisted === null) return null;
  const { version, sha256Hash } = isJsonMap(persisted) ? persisted : {};
  if (version !== 1 || typeof sha256Hash !== 'string') return undefined;
  const hash = sha256Hash.replace(ALGORITHM, '');
  return SHA256.test(hash) ? hash : undefined;
}

function refused(code: Parameters<typeof requestError>[0], message: string): Resolution {
  return { kind: 'REFUSED', error: requestError(code, message) };
}
