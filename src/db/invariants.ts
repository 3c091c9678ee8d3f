import { EVENT_INVARIANTS } from './event-invariants.ts';
import type { Invariant } from './invariant.ts';
import { MONEY_INVARIANTS } from './money-invariants.ts';
import { ORDER_INVARIANTS } from './order-invariants.ts';

export interface Violation {
  readonly name: string;
  readonly says: string;
  readonly rows: readonly object[];
}

export const INVARIANTS: readonly Invariant[] = [
  ...MONEY_INVARIANTS,
  ...ORDER_INVARIANTS,
  ...EVENT_INVARIANTS,
];

// A broken rule can touch every order; twenty rows are enough to find out why.
export const SHOWN_ROWS_MAX = 20;

/**
 * Checks every invariant, one after the other so that a check never takes more than one
 * connection. Answers the broken ones with some of the rows that break them.
 */
export async function findViolations(
  query: (sql: string) => Promise<readonly object[]>,
): Promise<Violation[]> {
  const violations: Violation[] = [];
  for (const { name, says, sql } of INVARIANTS) {
    const rows = await query(`select * from (${sql}) as violation limit ${SHOWN_ROWS_MAX}`);
    if (rows.length > 0) violations.push({ name, says, rows });
  }
  return violations;
}
