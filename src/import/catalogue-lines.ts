import { z } from 'zod';
import { INPUT_FIELD_TYPES, TOPUP_TYPES, VARIANT_CATEGORIES } from '../domain/catalogue.ts';
import { countryCodeOf } from '../domain/countries.ts';
import { patternFault } from '../domain/linear-pattern.ts';
import { canonical, compare, isPositive, WRITTEN_AMOUNT } from '../domain/money.ts';
import { MATCHED_LENGTH_MAX } from '../domain/recipient.ts';

// The lines of a catalogue file. Keys that nobody knows are refused: they are mostly misspelt.

const id = z.int().min(1);
// PostgreSQL stores neither a NUL nor half of a surrogate pair.
const isKept = (written: string): boolean => written.isWellFormed() && !written.includes('\0');
const NO_COUNTRY = 'is no country, and not GLO';
const NOT_KEPT = 'has a NUL or half of a character';
const text = z.string().refine(isKept, NOT_KEPT);
const name = text.trim().min(1).max(255);
const code = z.string().regex(/^[A-Z]{3}$/, 'must be three capital letters');
// What is no amount is not compared with one.
const amount = z.string()
  .regex(WRITTEN_AMOUNT, {
    error: 'must be text like "4.99", at most 4 decimals', abort: true,
  })
  .refine(isPositive, 'must be more than 0');
const pattern = text.superRefine((written, context) => {
  const fault = patternFault(written);
  if (fault !== null) context.addIssue({ code: 'custom', message: fault });
});
const url = z.url({ protocol: /^https?$/ }).refine(isKept, NOT_KEPT);

const inputField = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9_]{0,63}$/, 'must be lower case, digits and _')
    .refine((key) => key !== 'constructor', 'may not be constructor'),
  label: name,
  type: z.enum(INPUT_FIELD_TYPES),
  required: z.boolean(),
  pattern: pattern.optional(),
  min_length: z.int().min(0).max(255).optional(),
  max_length: z.int().min(1).max(255).optional(),
  options: z.array(z.strictObject({ value: name, label: name })).min(1).optional(),
  placeholder: text.max(255).optional(),
  help_text: text.max(1000).optional(),
  sensitive: z.boolean().optional(),
}).superRefine((field, context) => {
  const say = (path: string, message: string): void =>
    context.addIssue({ code: 'custom', path: [path], message });
  if ((field.type === 'select') !== (field.options !== undefined)) {
    say('options', 'belong to a select, and a select needs them');
  }
  if (hasTwice(field.options?.map((option) => option.value))) say('options', 'have a value twice');
  if ((field.min_length ?? 0) > (field.max_length ?? 255)) say('min_length', 'is over max_length');
  for (const bound of ['min_length', 'max_length'] as const) {
    if (field.pattern !== undefined && (field[bound] ?? 0) > MATCHED_LENGTH_MAX) {
      say(bound, `is over ${MATCHED_LENGTH_MAX}, which no value with a pattern may be`);
    }
  }
});

const productLine = z.strictObject({
  kind: z.literal('product'),
  id,
  name,
  topup_type: z.enum(TOPUP_TYPES),
  country_code: z.string().refine((text) => countryCodeOf(text) !== null, NO_COUNTRY)
    .transform((text) => countryCodeOf(text) ?? text),
  currency_code: code,
  operator: name.nullable().default(null),
  image_url: url.nullable().default(null),
  input_fields: z.array(inputField).max(50),
  fulfils_in_request: z.boolean().default(false),
  is_active: z.boolean().default(true),
  is_restricted: z.boolean().default(false),
  prefixes: z.array(z.string().regex(/^\+[1-9][0-9]{0,14}$/, 'must begin as E.164 does'))
    .optional(),
}).superRefine((product, context) => {
  const say = (path: string, message: string): void =>
    context.addIssue({ code: 'custom', path: [path], message });
  if (hasTwice(product.input_fields.map((field) => field.name))) {
    say('input_fields', 'have a name twice');
  }
  const isMobile = product.topup_type === 'MOBILE';
  if (isMobile && !isMobileNumber(product.input_fields[0])) {
    say('input_fields', 'of a MOBILE product begin with phone_number, a required phone');
  }
  if (product.prefixes !== undefined && !isMobile) say('prefixes', 'belong to MOBILE products');
});

/** A mobile product asks before all else for the number that receives the value. */
function isMobileNumber(field: z.infer<typeof inputField> | undefined): boolean {
  return field?.name === 'phone_number' && field.type === 'phone' && field.required;
}

const variantLine = z.strictObject({
  kind: z.literal('variant'),
  id,
  product_id: id,
  name,
  category: z.enum(VARIANT_CATEGORIES).nullable().default(null),
  // "5" and "5.00" are one.
  fixed_amounts: z.array(amount).max(1000)
    .transform((written) => [...new Set(written.map(canonical))]).default([]),
  min_amount: amount.nullable().default(null),
  max_amount: amount.nullable().default(null),
  amount_step: amount.nullable().default(null),
  fields: z.record(text.max(64), text.max(1000)).default({}),
  priority: z.int().min(-1_000_000).max(1_000_000).default(0),
  is_active: z.boolean().default(true),
  is_in_stock: z.boolean().default(true),
  cost_percent: amount.refine((percent) => compare(percent, '1000') <= 0, 'must be at most 1000')
    .nullable().default(null),
  offers: z.array(z.strictObject({ supplier: name, sku: name })).max(9),
}).superRefine((variant, context) => {
  const { min_amount: min, max_amount: max, amount_step: step } = variant;
  const say = (path: string, message: string): void =>
    context.addIssue({ code: 'custom', path: [path], message });
  const given = [min, max, step].filter((each) => each !== null);
  if (given.length === 0 && variant.fixed_amounts.length === 0) {
    say('fixed_amounts', 'or a range must be there');
  }
  if (given.length !== 0 && given.length !== 3) {
    say('min_amount', 'goes together with max_amount and amount_step');
  }
  if (min !== null && max !== null && compare(min, max) > 0) {
    say('min_amount', 'is over max_amount');
  }
  if (hasTwice(variant.offers.map((offer) => offer.supplier))) {
    say('offers', 'have a supplier twice');
  }
});

function hasTwice(texts: readonly string[] = []): boolean {
  return new Set(texts).size < texts.length;
}

export const catalogueLine = z.discriminatedUnion('kind', [productLine, variantLine]);
export type ProductLine = z.infer<typeof productLine>;
export type VariantLine = z.infer<typeof variantLine>;
