import { GraphQLError, parse, type DocumentNode } from 'graphql';
import { TOKENS_MAX } from './guard-limits.ts';

/**
 * The document of a text, within the limit of its tokens.
 * @throws GraphQLError where it is none, or is nested so deep that the parser runs out of stack,
 *   which within that limit only some do, in a process that has parsed little yet
 */
export function parseDocument(text: string): DocumentNode {
  try {
    return parse(text, { maxTokens: TOKENS_MAX });
  } catch (error) {
    if (error instanceof RangeError) throw new GraphQLError('Syntax Error: nested too deep.');
    throw error;
  }
}
