import { Rejection, type RejectionCode } from '../domain/rejection.ts';
import { errorAnswer, HttpRefusal, type RefusalStatus } from './errors.ts';

/** Named examples of one body, as OpenAPI has them. */
export type NamedExamples = Readonly<Record<string, {
  readonly summary: string;
  readonly value: unknown;
}>>;

/** The examples of a route: of its request body, and of its answers by status. */
export interface RouteExamples {
  readonly request?: NamedExamples;
  readonly answers: Readonly<Record<number, NamedExamples>>;
}

/** In every example, so that the contract is the same whenever it is emitted. */
const REQUEST_ID = '5b0c9c1e-6f0a-4c53-9d5e-0f6e3a1f7c21';

/** The answer to a rejection, as the table of errors.ts makes it; `detail` narrows its code. */
export function rejected(
  code: RejectionCode,
  message: string,
  field?: readonly string[],
  detail: string = code,
): { readonly summary: string; readonly value: unknown } {
  const problems = field === undefined ? [] : [{ field, code: detail, message }];
  const { body } = errorAnswer(new Rejection(code, message, { problems }), REQUEST_ID);
  return { summary: message, value: body };
}

/** The answer to a request that this door refuses by itself. */
export function refused(status: RefusalStatus, message?: string): NamedExamples {
  const refusal = new HttpRefusal(status, message === undefined ? {} : { message });
  const { body } = errorAnswer(refusal, REQUEST_ID);
  return { [body.error.code]: { summary: refusal.message, value: body } };
}

/** What goes over the wire: raw numbers become numbers, and what is undefined is gone. */
export function asSent(answer: unknown): unknown {
  return JSON.parse(JSON.stringify(answer));
}
