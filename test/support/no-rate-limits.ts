import { NOT_LIMITED, type RateLimits } from '../../src/domain/rate-limits.ts';

/** For doors that are tested without a database: nothing is counted. */
export const noRateLimits: RateLimits = {
  take: async () => NOT_LIMITED,
  giveBack: async () => undefined,
};
