import { OperationTypeNode, type GraphQLError, type OperationDefinitionNode } from 'graphql';
import { lackOf, type Caller, type Scope } from '../domain/access.ts';
import { requestError } from './errors.ts';

/** Mutations change orders; everything else looks at them. */
const SCOPES: Readonly<Record<OperationTypeNode, Scope>> = {
  [OperationTypeNode.QUERY]: 'read',
  [OperationTypeNode.MUTATION]: 'orders:write',
  [OperationTypeNode.SUBSCRIPTION]: 'read',
};

/** Why the caller's key does not allow the operation, or null where it does. */
export function scopeRefusal(
  { operation }: Pick<OperationDefinitionNode, 'operation'>,
  { scopes }: Pick<Caller, 'scopes'>,
): GraphQLError | null {
  const scope = SCOPES[operation];
  if (scopes.includes(scope)) return null;
  return requestError('FORBIDDEN', lackOf(scope));
}
