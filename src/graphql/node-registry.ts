import { buyerOf, soldProduct, soldVariant } from '../domain/catalogue-listing.ts';
import { maskSensitive } from '../domain/mask.ts';
import { Rejection } from '../domain/rejection.ts';
import type { TopupOrder } from '../domain/topup-order.ts';
import type { OperationContext } from './context.ts';
import { parseKey, readGlobalId, type GlobalIdType } from './global-id.ts';
import { IDS_MAX } from './page-sizes.ts';

type Found = Promise<object | null> | object | null;
/** Reads a thing of the caller by its key; another client's is as absent as none at all. */
type FindNode = (key: string, context: OperationContext) => Found;

/** One row a type with a global id: a new type does not compile before it can be found again. */
const FINDERS: Readonly<Record<GlobalIdType, FindNode>> = {
  Client: byId((id, { clientId, deps }) =>
    id === clientId ? buyerOf(deps.store.pricing(), id) : null),
  TopupOrder: byId((id, { loaders }) => loaders.orders.load(id)),
  TopupOrderEvent: async (key, { loaders }) => {
    const [orderId, version] = parseKey(key, 2) ?? [];
    if (orderId === undefined || version === undefined) return null;
    const order = await loaders.orders.load(orderId);
    if (order === null || version > order.version) return null;
    const { events: [event] } = await loaders.eventPages.load(
      { orderId, afterVersion: version - 1, throughVersion: version, first: 1 },
    );
    return event === undefined ? null : { ...event, order };
  },
  TopupProduct: byId((productId, { clientId, deps }) =>
    soldProduct(deps.store.pricing(), { clientId, productId })?.product ?? null),
  Variant: byId((variantId, { clientId, deps }) =>
    soldVariant(deps.store.pricing(), { clientId, variantId })?.variant ?? null),
  Wallet: byId((id, { loaders }) => loaders.wallets.load(id)),
  WalletTransaction: byId((id, { loaders }) => loaders.transfers.load(id)),
};

/** The thing that a global id names, marked with its type for whoever asks for a Node. */
export async function findNode(id: string, context: OperationContext): Promise<object | null> {
  const named = readGlobalId(id);
  if (named === null || !Object.hasOwn(FINDERS, named.type)) return null;
  const found = await FINDERS[named.type as GlobalIdType](named.key, context);
  return found === null ? null : { ...found, __typename: named.type };
}

/**
 * The things by id, in the order of the ids; orders as in any list, without what is sensitive. Each
 * by itself: one that cannot be read takes no other along.
 * @throws Rejection VALIDATION_FAILURE for too many
 */
export function findNodes(
  ids: readonly string[],
  context: OperationContext,
): Promise<object | null>[] {
  if (ids.length > IDS_MAX) {
    throw new Rejection('VALIDATION_FAILURE', `\`ids\` must be at most ${IDS_MAX}`,
      { field: ['ids'] });
  }
  return ids.map(async (id) => {
    const found = await findNode(id, context);
    return isOrder(found) ? maskSensitive(found, context.deps.store.pricing()) : found;
  });
}

function byId(find: (id: number, context: OperationContext) => Found): FindNode {
  return (key, context) => {
    const [id] = parseKey(key) ?? [];
    return id === undefined ? null : find(id, context);
  };
}

function isOrder(found: object | null): found is TopupOrder & { readonly __typename: string } {
  return found !== null && '__typename' in found && found.__typename === 'TopupOrder';
}
