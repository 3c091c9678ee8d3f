import type { InputField, Product } from './catalogue.ts';
import { parsePhone } from './phone-number.ts';
import { Rejection, type Problem } from './rejection.ts';

/** No value is longer, whatever a field says. */
const VALUE_LENGTH_MAX = 255;
/** Catalogue patterns run on user text: a longer value is refused before it meets one. */
export const MATCHED_LENGTH_MAX = 128;
/** More problems than this are not listed: 10,000 unknown keys get a short answer. */
const PROBLEM_COUNT_MAX = 20;

/** Fields that name who receives the value, whatever else a product asks for. */
export const RECIPIENT_FIELDS = ['phone_number', 'player_id'];

/** A request's input_data after checking: what is echoed, and who receives the value. */
export interface Recipient {
  readonly inputData: Readonly<Record<string, string>>;
  /** Empty where the product asks for none, or for one that may be left out. */
  readonly recipient: string;
}

/**
 * Checks input_data against the product's fields and normalises it (trimmed; phones in E.164).
 * `entries` are the key-value pairs as sent; undefined where the caller sent none.
 * @throws Rejection INVALID_INPUT_FIELD naming every faulty key, never a value
 */
export function parseRecipient(product: Product, entries: unknown): Recipient {
  const { values, problems } = readFields(product, entries);
  if (problems.length > 0) throw refused(problems);
  const inputData = Object.fromEntries(values);
  const names = product.inputFields.map(({ name }) => name);
  return { inputData, recipient: inputData[recipientField(names) ?? ''] ?? '' };
}

/** The field of a product whose value is the recipient: not whichever was filled in first. */
function recipientField(names: readonly string[]): string | undefined {
  return RECIPIENT_FIELDS.find((name) => names.includes(name)) ?? names[0];
}

/**
 * The pairs of an order's inputData, as far as the product's fields of now can tell: what they do
 * not know or would refuse stays as it was sent, without the blanks around it.
 * @throws Rejection INVALID_INPUT_FIELD where they are no pairs
 */
export function normalisedPairs(product: Product, entries: unknown): readonly unknown[] {
  const { values } = readFields(product, entries);
  const read = new Set(values.map(([name]) => name));
  return [
    ...values,
    ...entriesOf(entries).filter(([name]) => !read.has(name))
      .map(([name, value]) => [name, typeof value === 'string' ? value.trim() : value] as const)
      .filter(([, value]) => value !== ''),
  ];
}

/** The values that are good, and what is wrong with the others. */
function readFields(product: Product, entries: unknown): {
  readonly values: readonly (readonly [string, string])[];
  readonly problems: readonly Problem[];
} {
  const given = new Map<string, unknown>(entriesOf(entries));
  const problems: Problem[] = [];
  const known = new Set(product.inputFields.map((field) => field.name));
  for (const name of given.keys()) {
    if (!known.has(name)) problems.push(problem(name, 'UNKNOWN_FIELD', 'Unknown input field'));
  }
  const values: (readonly [string, string])[] = [];
  for (const field of product.inputFields) {
    const raw = given.get(field.name);
    if (raw === undefined || (typeof raw === 'string' && raw.trim() === '')) {
      if (field.isRequired) {
        problems.push(problem(field.name, 'MISSING_FIELD', 'Missing required input field'));
      }
      continue;
    }
    const value = typeof raw === 'string' ? normalise(field, raw.trim(), product) : null;
    if (value === null) {
      problems.push(problem(field.name, 'INVALID_VALUE', 'Invalid value for input field'));
    } else {
      values.push([field.name, value]);
    }
  }
  return { values, problems };
}

function entriesOf(entries: unknown): readonly (readonly [string, unknown])[] {
  if (entries === undefined) return [];
  if (!Array.isArray(entries)) {
    throw new Rejection('INVALID_INPUT_FIELD', 'input_data must be an object of text values',
      { field: ['inputData'] });
  }
  return entries as (readonly [string, unknown])[];
}

function problem(name: string, code: string, says: string): Problem {
  const shown = name.toWellFormed().replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 64);
  return { field: ['inputData', shown], code, message: `${says}: ${shown}` };
}

function refused(problems: readonly Problem[]): Rejection {
  const listed = problems.slice(0, PROBLEM_COUNT_MAX);
  const message = listed.map((each) => each.message).join('; ');
  return new Rejection('INVALID_INPUT_FIELD', message, { problems: listed });
}

function normalise(field: InputField, value: string, product: Product): string | null {
  if (lengthOf(value) > VALUE_LENGTH_MAX) return null;
  if (!value.isWellFormed() || hasControlCharacter(value)) return null;
  // A phone number is measured in its normal form, not by the spaces it was written with; nor is
  // one too long that was written short enough, without its country.
  const normal = normalForm(field, value, product);
  if (normal === null) return null;
  // Limits of phone numbers are meant with the plus or without it.
  const forms = field.type === 'phone' ? [normal, normal.slice(1)] : [normal];
  return forms.some((form) => fits(field, form, value)) ? normal : null;
}

function fits(field: InputField, form: string, written: string): boolean {
  const { pattern, minLength, maxLength } = field;
  const lengthMax = maxLength ?? VALUE_LENGTH_MAX;
  return lengthOf(form) >= (minLength ?? 0)
    && (lengthOf(form) <= lengthMax || lengthOf(written) <= lengthMax)
    && (pattern === null || matches(pattern, form));
}

/** Whether an order of the product would take the value as that of who receives it. */
export function takesAsRecipient(product: Product, value: string): boolean {
  const name = recipientField(product.inputFields.map((field) => field.name));
  const field = product.inputFields.find((each) => each.name === name);
  return field !== undefined && normalise(field, value, product) !== null;
}

/** In characters, as a field's limits are; no text is longer in them than in its own units. */
function lengthOf(text: string): number {
  return text.length > 2 * VALUE_LENGTH_MAX ? text.length : [...text].length;
}

function normalForm(field: InputField, value: string, product: Product): string | null {
  switch (field.type) {
    case 'text':
      return value;
    case 'number':
      return /^[0-9]+(\.[0-9]+)?$/.test(value) ? value : null;
    case 'email':
      return /^[^\s@<>"]+@[^\s@<>".]+(?:\.[^\s@<>".]+)+$/.test(value) ? value : null;
    case 'select':
      return field.options.some((option) => option.value === value) ? value : null;
    case 'phone':
      return parsePhone(value, product.countryCode);
  }
}

function hasControlCharacter(value: string): boolean {
  return /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(value);
}

const compiled = new Map<string, RegExp>();

function matches(pattern: string, value: string): boolean {
  if (value.length > MATCHED_LENGTH_MAX) return false;
  let expression = compiled.get(pattern);
  if (expression === undefined) {
    expression = new RegExp(`^(?:${pattern})$`, 'u');
    compiled.set(pattern, expression);
  }
  return expression.test(value);
}
