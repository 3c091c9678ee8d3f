/** A statement that answers no row as long as what it says holds. */
export interface Invariant {
  readonly name: string;
  readonly says: string;
  readonly sql: string;
}
