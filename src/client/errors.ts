import type { UserErrorPartsFragment } from './generated/graphql.ts';

/** The gateway refused the order: nothing was debited, no order exists. */
export class TopupRefused extends Error {
  readonly userErrors: readonly UserErrorPartsFragment[];

  constructor(userErrors: readonly UserErrorPartsFragment[]) {
    super(userErrors.map((error) => error.message).join('; '));
    this.name = 'TopupRefused';
    this.userErrors = userErrors;
  }
}

/** A request that is wrong in itself: to send it again would end the same way. */
export class TopupRequestFailed extends Error {
  /** `extensions.code` of the gateway, e.g. NOT_FOUND or BAD_USER_INPUT. */
  readonly code: string;
  /** A word that narrows the code, e.g. CURSOR_EXPIRED. */
  readonly detail: string | null;

  constructor(message: string, of: { readonly code: string; readonly detail: string | null }) {
    super(message);
    this.name = 'TopupRequestFailed';
    this.code = of.code;
    this.detail = of.detail;
  }
}

/** An error of the GraphQL response, as far as it is read here. */
export interface WireError {
  readonly message: string;
  readonly extensions?: {
    readonly code?: unknown;
    readonly detail?: unknown;
    readonly retryAfter?: unknown;
  };
}

/** Passing by themselves, or with a fresh token. */
const PASSING = new Set([
  'SERVICE_UNAVAILABLE', 'RATE_LIMITED', 'INTERNAL_SERVER_ERROR', 'UNAUTHENTICATED',
]);

/** Thrown inside this client only: try again, in `afterMs` at the earliest. */
export class Passing extends Error {
  readonly afterMs: number;

  constructor(message: string, afterMs = 0) {
    super(message);
    this.afterMs = afterMs;
  }
}

/** What an error of a response means for the one who waits for it. */
export function errorOf(errors: readonly WireError[]): Error {
  const [first] = errors;
  const { code, detail, retryAfter } = first?.extensions ?? {};
  const message = first?.message ?? 'The gateway answered without data';
  if (typeof code !== 'string' || PASSING.has(code)) {
    return new Passing(message, typeof retryAfter === 'number' ? retryAfter * 1000 : 0);
  }
  return new TopupRequestFailed(message, {
    code, detail: typeof detail === 'string' ? detail : null,
  });
}
