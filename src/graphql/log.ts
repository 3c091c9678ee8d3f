/** Where this door tells what its callers do not see. */
export interface Log {
  error(fields: object, message: string): void;
  info(fields: object, message: string): void;
}
