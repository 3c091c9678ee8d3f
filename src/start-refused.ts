/** What the operator has to put right; shown without a stack. */
export class StartRefused extends Error {}
