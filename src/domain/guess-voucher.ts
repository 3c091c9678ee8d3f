import type { Placement } from './ports.ts';
import { takeOrRefuse, type RateLimits } from './rate-limits.ts';

/**
 * Places an order that names a voucher, as one guess at its code. The token is taken before the
 * try and put back unless the code was bad: many guesses at once then get no further than one
 * after the other.
 * @throws RateLimited where too many codes of the client were bad lately
 */
export async function placeAsGuess(
  clientId: number,
  place: () => Promise<Placement>,
  rateLimits: RateLimits,
): Promise<Placement> {
  const guess = { clientId, class: 'voucher.guesses', count: 1 } as const;
  await takeOrRefuse(rateLimits, guess);
  let isBad = false;
  try {
    const placement = await place();
    isBad = placement.verdict === 'VOUCHER_INVALID';
    return placement;
  } finally {
    // A token that cannot be put back costs a guess; of an order that stands the caller must hear.
    if (!isBad) await rateLimits.giveBack(guess).catch(() => undefined);
  }
}
