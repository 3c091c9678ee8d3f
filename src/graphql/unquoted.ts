import { GraphQLError } from 'graphql';

/** What graphql-js says of a value, a part of a document or of the variables, and quotes it. */
const QUOTING: readonly (readonly [pattern: RegExp, unquoted: string])[] = [
  [/^((?:\w+|Enum "\w+") cannot represent [\w -]*value): .*$/s, '$1.'],
  [/^Value .* does not exist in ("\w+" enum)\..*$/s, 'The value does not exist in $1.'],
  [/^(Expected value of type "[^"]*"), found .*$/s, '$1.'],
  [/^(Argument "\w+" has) invalid value .*$/s, '$1 an invalid value.'],
  [/^(Syntax Error: .*?\b(?:Name|Int|Float|String|BlockString)) ".*"\.$/s, '$1.'],
];

/** A value of a variable, and where in it the fault is; what follows is the inner message. */
const VARIABLE = /^(Variable "\$\w+" got) invalid value .*?( at "[\w.[\]]+")?$/s;

/**
 * The message of an error about a request, which names types, fields and places but no value: a
 * value may be a phone number, an address or a code, and errors are kept where those may not be.
 */
export function unquotedMessage({ message, originalError }: GraphQLError): string {
  const inner = originalError instanceof GraphQLError ? originalError : null;
  const end = `; ${inner?.message}`;
  if (inner === null || !message.endsWith(end)) return withoutQuote(withoutSuggestion(message));
  const variable = message.slice(0, -end.length).replace(VARIABLE, '$1 an invalid value$2');
  return `${variable}; ${unquotedMessage(inner)}`;
}

function withoutQuote(message: string): string {
  const [pattern, unquoted = ''] = QUOTING.find(([each]) => each.test(message)) ?? [];
  return pattern === undefined ? message : message.replace(pattern, unquoted);
}

const SUGGESTION = ' Did you mean ';

/**
 * Suggestions would tell the schema to whoever may not read it. They stand at the end; a pattern
 * that looked for one would begin anew at each place of a value that says the same.
 */
function withoutSuggestion(message: string): string {
  const at = message.endsWith('?') ? message.lastIndexOf(SUGGESTION) : -1;
  return at < 0 ? message : message.slice(0, at);
}
