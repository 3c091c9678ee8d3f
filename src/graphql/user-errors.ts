import { Field, ObjectType } from 'type-graphql';
import type { Rejection, RejectionCode } from '../domain/rejection.ts';
import { TopupOrderErrorCodeEnum } from './topup-order.enums.ts';

@ObjectType('TopupOrderUserError', {
  simpleResolvers: true,
  description: 'Why a request was refused. Nothing was debited and nothing was changed.',
})
export class TopupOrderUserError {
  @Field(() => TopupOrderErrorCodeEnum, { description: 'What to switch on.' })
  code!: RejectionCode;

  @Field(() => String, { description: 'A sentence for people; its wording may change.' })
  message!: string;

  @Field(() => [String], {
    nullable: true,
    description: 'The path of the faulty field inside `input`, e.g. ["inputData", "server"].',
  })
  field!: string[] | null;

  @Field(() => String, {
    nullable: true,
    description: 'A word that narrows the code: MISSING_FIELD, UNKNOWN_FIELD, INVALID_VALUE, '
      + 'INPUT_MISMATCH; words may be added.',
  })
  details!: string | null;
}

/** One error per fault of the request; domain field names are this schema's names. */
export function userErrorsOf(rejection: Rejection): TopupOrderUserError[] {
  const { code, message, problems } = rejection;
  const details = rejection.detail ?? null;
  if (problems.length === 0) return [{ code, message, field: null, details }];
  return problems.map((problem) => ({
    code,
    message: problem.message,
    field: [...problem.field],
    details: problem.code === code ? details : problem.code,
  }));
}
