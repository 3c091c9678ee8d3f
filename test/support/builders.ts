import { randomUUID } from 'node:crypto';
import type { PricedOrder } from '../../src/domain/ports.ts';

/** A priced order of client 1 for 325 UC, 4.7405 USD from wallet 1; `over` changes what matters. */
export function pricedOrder(over: Partial<PricedOrder> & { pricingVersion: number }): PricedOrder {
  return {
    clientId: 1,
    clientReference: null,
    inputDigest: randomUUID(),
    productId: 4218,
    variantId: 2,
    productName: 'PUBG Mobile UC',
    variantName: '325 UC',
    countryCode: 'GLO',
    faceValue: { amount: '4.99', currency: 'USD' },
    discountPercent: '5',
    forexRate: null,
    forexRateId: null,
    charge: { amount: '4.7405', currency: 'USD' },
    funding: { kind: 'WALLET', walletId: 1 },
    inputData: { player_id: '5123456789', server: 'asia' },
    recipient: '5123456789',
    inputFieldsVersion: 1,
    fulfilsInRequest: false,
    priceValidUntil: null,
    ...over,
  };
}
