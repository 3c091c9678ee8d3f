import { GraphQLError, GraphQLScalarType, Kind, type ValueNode } from 'graphql';
import { parseMoment, shownMoment } from '../domain/moment.ts';
import { NumberText } from '../domain/money.ts';

/** A longer amount is refused before anybody calculates with it. */
const DECIMAL_LENGTH_MAX = 32;
const DECIMAL = /^-?[0-9]+(\.[0-9]+)?$/;
const INTEGER = /^-?[0-9]+$/;

/** Exact decimal: text on the wire, so that no float ever stands between two amounts. */
export const Decimal = new GraphQLScalarType<string, string>({
  name: 'Decimal',
  description: 'An exact decimal number, written as a string, e.g. "4.7405". As input a plain '
    + 'decimal string or an integer of at most 32 characters; floats are refused, because they '
    + 'may have been rounded already.',
  serialize: (value) => decimalOf(value),
  parseValue: (value) => decimalOf(value),
  parseLiteral: located((node) => decimalOf(literalOf(node))),
});

function decimalOf(value: unknown): string {
  if (typeof value === 'string') return checkedDecimal(value, DECIMAL);
  if (value instanceof NumberText) return checkedDecimal(value.text, INTEGER);
  if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value);
  throw refused('Decimal must be a plain decimal string or an integer; floats are refused');
}

function checkedDecimal(text: string, pattern: RegExp): string {
  // As JSON writes numbers, which is how amounts are read: "04.99" is 4.99.
  if (text.length <= DECIMAL_LENGTH_MAX && pattern.test(text)) {
    return text.replace(/^(-?)0+(?=[0-9])/, '$1');
  }
  throw refused('Decimal must be a plain decimal string or an integer of at most 32 characters');
}

/** The literal as JSON would have brought it; floats stay what they are and are refused. */
function literalOf(node: ValueNode): unknown {
  if (node.kind === Kind.STRING) return node.value;
  if (node.kind === Kind.INT || node.kind === Kind.FLOAT) return new NumberText(node.value);
  return undefined;
}

/** Ids of the REST door: integers that a JSON number carries exactly. */
export const SafeInt = new GraphQLScalarType<number, number>({
  name: 'SafeInt',
  description: 'A 64-bit integer within 2^53, as the REST API shows its ids.',
  serialize: (value) => safeIntOf(value),
  parseValue: (value) => safeIntOf(value),
  parseLiteral: located((node) =>
    safeIntOf(node.kind === Kind.INT ? Number(node.value) : undefined)),
});

function safeIntOf(value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
  throw refused('SafeInt must be an integer within 2^53');
}

/** RFC 3339 in UTC, whole seconds: the same text that the REST door shows. */
export const DateTime = new GraphQLScalarType<Date, string>({
  name: 'DateTime',
  description: 'A point in time by RFC 3339, in UTC, e.g. "2026-11-03T09:30:00Z".',
  serialize(value) {
    if (!(value instanceof Date)) throw refused('DateTime must be a date');
    return shownMoment(value);
  },
  parseValue: (value) => dateOf(value),
  parseLiteral: located((node) => dateOf(node.kind === Kind.STRING ? node.value : undefined)),
});

function dateOf(value: unknown): Date {
  const date = typeof value === 'string' ? parseMoment(value) : null;
  if (date === null) throw refused('DateTime must be written by RFC 3339');
  return date;
}

/** ISO 4217 alphabetic code. */
export const CurrencyCode = code({
  name: 'CurrencyCode',
  description: 'A currency by ISO 4217, e.g. "USD".',
});

/** ISO 3166-1 alpha-3 code, or GLO. */
export const CountryCode = code({
  name: 'CountryCode',
  description: 'A country by ISO 3166-1 alpha-3, e.g. "IND", or "GLO" for worldwide.',
});

function code(of: { name: string; description: string }): GraphQLScalarType<string, string> {
  const codeOf = (value: unknown): string => {
    if (typeof value === 'string' && /^[A-Z]{3}$/.test(value)) return value;
    throw refused(`${of.name} must be three capital letters`);
  };
  return new GraphQLScalarType({
    ...of,
    serialize: codeOf,
    parseValue: codeOf,
    parseLiteral: located((node) => codeOf(node.kind === Kind.STRING ? node.value : undefined)),
  });
}

/** Validation passes a refusal on as it is, so it has to point at the literal by itself. */
function located<Value>(read: (node: ValueNode) => Value): (node: ValueNode) => Value {
  return (node) => {
    try {
      return read(node);
    } catch (error) {
      if (!(error instanceof GraphQLError)) throw error;
      throw new GraphQLError(error.message, { nodes: node });
    }
  };
}

function refused(message: string): GraphQLError {
  return new GraphQLError(message);
}
