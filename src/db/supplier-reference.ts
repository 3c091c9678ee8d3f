import { idOf } from '../domain/order-request.ts';

/** Routes are smallint. */
const ROUTE_MAX = 32_767;

export interface SubmissionKey {
  readonly clientId: number;
  readonly orderId: number;
  readonly route: number;
}

/** The parts of '<clientId>-<orderId>-<route>', or null where it is not one of ours. */
export function parseSupplierReference(reference: string): SubmissionKey | null {
  const [clientId = null, orderId = null, route = null, ...more] = reference.split('-').map(idOf);
  if (clientId === null || orderId === null || route === null || more.length > 0) return null;
  return route <= ROUTE_MAX ? { clientId, orderId, route } : null;
}
