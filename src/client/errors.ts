import type { UserErrorPartsFragment } from './generated/graphql.ts';

/** The gateway refused the order: nothing was placed or debited for it. */
export class TopupRefused extends Error {
  readonly userErrors: readonly UserErrorPartsFragment[];
  /** What the order was asked for under, the client's own reference included. */
  readonly clientReference: string;

  constructor(userErrors: readonly UserErrorPartsFragment[], clientReference: string) {
    super(userErrors.map((error) => error.message).join('; '));
    this.name = 'TopupRefused';
    this.userErrors = userErrors;
    this.clientReference = clientReference;
  }
}

/** A request that is wrong in itself: to send it again would end the same way. */
export class TopupRequestFailed extends Error {
  /** `extensions.code` of the gateway, e.g. NOT_FOUND; HTTP_404 where no gateway answered. */
  readonly code: string;
  /** A word that narrows the code, e.g. CURSOR_EXPIRED. */
  readonly detail: string | null;

  constructor(message: string, of: { readonly code: string; readonly detail?: string | null }) {
    super(message);
    this.name = 'TopupRequestFailed';
    this.code = of.code;
    this.detail = of.detail ?? null;
  }
}

/**
 * The order may exist: a try may have placed it, and no later one could tell. Its `cause` says why
 * there were no more. Ask again under this reference: under another it could be paid twice.
 */
export class TopupInDoubt extends Error {
  readonly clientReference: string;

  constructor(clientReference: string, cause: unknown) {
    super(`Order ${clientReference} may have been placed: ${textOf(cause)}`, { cause });
    this.name = 'TopupInDoubt';
    this.clientReference = clientReference;
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

/** Passing by themselves; behind a fault inside the gateway the order may stand all the same. */
const PASSING = new Set(['SERVICE_UNAVAILABLE', 'RATE_LIMITED', 'INTERNAL_SERVER_ERROR']);

/** Made inside this client only: try again, in `afterMs` at the earliest. */
export class Passing extends Error {
  afterMs: number;
  /** Whether the gateway may have done what it was asked for. */
  readonly mayBeDone: boolean;

  constructor(
    message: string,
    of: {
      readonly afterMs?: number; readonly mayBeDone?: boolean; readonly cause?: unknown;
    } = {},
  ) {
    super(message, { cause: of.cause });
    this.afterMs = of.afterMs ?? 0;
    this.mayBeDone = of.mayBeDone ?? true;
  }
}

/** Passes with a fresh token, or not at all. */
export class TokenRefused extends Passing {
  constructor(message: string) {
    super(message, { mayBeDone: false });
  }
}

/** What an error of a response means for the one who waits for it. */
export function errorOf(errors: readonly WireError[]): Error {
  const [first] = errors;
  const { code, detail, retryAfter } = first?.extensions ?? {};
  const message = first?.message ?? 'The gateway answered without data';
  if (code === 'UNAUTHENTICATED') return new TokenRefused(message);
  if (typeof code !== 'string' || PASSING.has(code)) {
    return new Passing(message, {
      afterMs: typeof retryAfter === 'number' ? retryAfter * 1000 : 0,
      mayBeDone: code !== 'RATE_LIMITED',
    });
  }
  return new TopupRequestFailed(message, {
    code, detail: typeof detail === 'string' ? detail : null,
  });
}

/** What was thrown in words; the events of a browser's socket have none. */
export function textOf(thrown: unknown): string {
  const { message } = Object(thrown) as { readonly message?: unknown };
  return typeof message === 'string' && message !== '' ? message : 'The connection failed';
}
