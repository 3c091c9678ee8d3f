import { z } from 'zod';

/** The envelope of errors.ts, described. */
const errorEnvelope = z.object({
  error: z.object({
    name: z.string().meta({ description: 'The kind of refusal.', examples: ['BadRequestError'] }),
    code: z.string().meta({
      description: 'What to switch on. New codes may come.', examples: ['INSUFFICIENT_FUNDS'],
    }),
    message: z.string().meta({
      description: 'For people; its words may change.', examples: ['Insufficient wallet balance'],
    }),
    details: z.array(z.object({
      field: z.string().meta({
        description: 'The path of the field.', examples: ['input_data.server'],
      }),
      code: z.string().meta({
        description: 'What is wrong with it: the code of the refusal, or a word that narrows it: '
          + 'MISSING_FIELD, UNKNOWN_FIELD, INVALID_VALUE. New words may come.',
        examples: ['INVALID_VALUE'],
      }),
      message: z.string().meta({
        description: 'The same for people.', examples: ['Invalid value for input field: server'],
      }),
    })).optional().meta({ description: 'The fields at fault, where some are.' }),
    request_id: z.string().optional().meta({
      description: 'The X-Request-Id of this answer. Left out where something was not found: what '
        + 'is absent and what belongs to somebody else get the same bytes.',
    }),
  }),
}).meta({ id: 'Error', description: 'Every refusal and every fault has this form.' });

/** An answer of a route in JSON; `description` says what the status means there. */
export function jsonAnswer(description: string, schema: z.ZodType): AnswerSchema {
  return { description, content: { 'application/json': { schema } } };
}

export interface AnswerSchema {
  readonly description: string;
  readonly content: Readonly<Record<string, { readonly schema: z.ZodType }>>;
}

/** A refusal of a route, in the envelope. */
export function refusal(description: string): AnswerSchema {
  return jsonAnswer(description, errorEnvelope);
}

/** An id of the API: they all stay below 2^53. */
export function idSchema(description: string, example: number): z.ZodInt {
  return z.int().min(1).meta({ description, examples: [example] });
}

/** A moment of the wire: "2026-11-24T14:30:00Z". */
export function timeSchema(description: string): z.ZodString {
  return z.string().meta({
    format: 'date-time',
    description: `${description} RFC 3339, UTC, whole seconds.`,
    examples: ['2026-05-19T14:30:00Z'],
  });
}

/** An amount of the wire, a number of JSON; its unit is the currency beside it. */
export function amountSchema(description: string, example: number): z.ZodNumber {
  return z.number().meta({
    description: `${description} An exact decimal with at most 4 places: read its digits, not a `
      + 'binary fraction.',
    examples: [example],
  });
}

/** A currency of the wire: "USD". */
export function currencySchema(description: string): z.ZodString {
  return z.string().meta({
    description: `${description} ISO 4217.`, pattern: '^[A-Z]{3}$', examples: ['USD'],
  });
}
