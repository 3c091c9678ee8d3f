import type { ErrorCode } from './errors.ts';
import { createNegotiation, GRAPHQL_RESPONSE, PLAIN_JSON, type MediaType } from './media-types.ts';

/**
 * Which text of "GraphQL over HTTP" decides statuses and media types: the draft of August 2026,
 * or the older one, which answers plain JSON with 200 to whatever is well formed.
 */
export type HttpTextName = 'draft' | 'legacy';

export interface HttpText {
  /** The media type that an Accept header asks for, or null. */
  negotiate(accept: string | undefined): MediaType | null;
  /** The status of a result that has data. */
  statusOfData(hasErrors: boolean): number;
  /** The status of a refusal by its code, before there is any data. */
  statusOfRefusal(code: ErrorCode, type: MediaType): number;
  /** The status of a request whose parameters have the wrong form. */
  readonly malformed: number;
  /** The media type that is told with a status. */
  typeAt(status: number, negotiated: MediaType): MediaType;
}

/** The draft's status of every code; where data stands beside the error, the code decides none. */
export const STATUSES: Readonly<Record<ErrorCode, number>> = {
  BAD_REQUEST: 422,
  GRAPHQL_PARSE_FAILED: 400,
  GRAPHQL_VALIDATION_FAILED: 422,
  OPERATION_RESOLUTION_FAILURE: 422,
  BAD_USER_INPUT: 422,
  LIMIT_EXCEEDED: 422,
  PERSISTED_QUERY_NOT_FOUND: 422,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  NOT_ACCEPTABLE: 406,
  PAYLOAD_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  RATE_LIMITED: 429,
  INTERNAL_SERVER_ERROR: 500,
  SERVICE_UNAVAILABLE: 503,
};

/** Registered nowhere, a 2xx to whoever does not know it: data, and errors beside it. */
const PARTIAL_SUCCESS = 294;

const draft: HttpText = {
  negotiate: createNegotiation([GRAPHQL_RESPONSE, PLAIN_JSON]),
  statusOfData: (hasErrors) => hasErrors ? PARTIAL_SUCCESS : 200,
  statusOfRefusal: (code) => STATUSES[code],
  malformed: 422,
  // Plain JSON with another status could be anybody's on the way; GraphQL's own type cannot.
  typeAt: (status, negotiated) => status < 300 ? negotiated : GRAPHQL_RESPONSE,
};

/** Statuses of requests that are well formed, and that the older text answers in one way. */
const ABOUT_CONTENT: ReadonlySet<number> = new Set([400, 404, 422]);

const legacy: HttpText = {
  negotiate: createNegotiation([PLAIN_JSON, GRAPHQL_RESPONSE]),
  statusOfData: () => 200,
  statusOfRefusal(code, type) {
    const status = STATUSES[code];
    if (code === 'BAD_REQUEST') return 400;
    if (!ABOUT_CONTENT.has(status)) return status;
    return type === PLAIN_JSON ? 200 : 400;
  },
  malformed: 400,
  typeAt: (_status, negotiated) => negotiated,
};

export const HTTP_TEXTS: Readonly<Record<HttpTextName, HttpText>> = { draft, legacy };
