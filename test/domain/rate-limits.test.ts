import { describe, expect, test } from 'vitest';
import {
  NOT_LIMITED, RateLimited, takeOrRefuse, type RateLimits,
} from '../../src/domain/rate-limits.ts';
import { maskError } from '../../src/graphql/errors.ts';
import { errorAnswer } from '../../src/rest/errors.ts';

const limitsThatSay = (retryAfterMs: number): RateLimits => ({
  take: async () => (
    { isAdmitted: retryAfterMs === 0, limit: 60, remaining: 0, resetInMs: 60_000, retryAfterMs }
  ),
  giveBack: async () => undefined,
});
const request = { clientId: 3, class: 'orders.create', count: 1 } as const;

describe('takeOrRefuse', () => {
  test.each([[1, 1], [999, 1], [1000, 1], [1001, 2], [59_001, 60]])(
    'says of %i ms to retry after %i s, behind either door', async (ms, seconds) => {
      const refusal = await takeOrRefuse(limitsThatSay(ms), request)
        .catch((error: unknown) => error);
      expect(refusal).toBeInstanceOf(RateLimited);
      const message = `Rate limit exceeded. Retry after ${seconds} seconds.`;
      expect(errorAnswer(refusal, 'id')).toEqual({
        status: 429,
        headers: {
          'retry-after': String(seconds),
          'ratelimit-policy': '"orders.create";q=60;w=60',
          ratelimit: `"orders.create";r=0;t=${seconds}`,
          'x-ratelimit-limit': '60',
          'x-ratelimit-remaining': '0',
          'x-ratelimit-reset': '60',
        },
        body: {
          error: {
            name: 'TooManyRequestsError', code: 'TOO_MANY_REQUESTS', message, request_id: 'id',
          },
        },
      });
      expect(maskError(refusal)).toEqual({
        message, extensions: { code: 'RATE_LIMITED', retryAfter: seconds },
      });
    },
  );

  test('hands on what was admitted', async () => {
    expect(await takeOrRefuse(limitsThatSay(0), request)).toMatchObject({ limit: 60 });
    const unlimited = { ...limitsThatSay(0), take: async () => NOT_LIMITED };
    expect(await takeOrRefuse(unlimited, request)).toBe(NOT_LIMITED);
  });
});
