import type { TemporarilyUnavailable } from '../domain/rejection.ts';
import { carried, maskError } from './errors.ts';
import { HTTP_TEXTS, STATUSES, type HttpTextName } from './http-text.ts';
import { PLAIN_JSON } from './media-types.ts';

/** What this door says to a request that nobody began, before its Accept header was read. */
export function busyAnswer(
  error: TemporarilyUnavailable,
  httpText: HttpTextName,
): { readonly type: string; readonly bodyOf: (requestId: string) => object } {
  return {
    type: HTTP_TEXTS[httpText].typeAt(STATUSES.SERVICE_UNAVAILABLE, PLAIN_JSON),
    bodyOf: (requestId) => ({ errors: [maskError(carried(error), requestId)] }),
  };
}
