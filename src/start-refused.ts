/** What the operator has to put right; shown without a stack. */
export class StartRefused extends Error {}

/** What is wrong with the surroundings of a start is for the operator to put right. */
export function refuseStart(error: unknown): never {
  throw new StartRefused(error instanceof Error ? error.message : String(error));
}
