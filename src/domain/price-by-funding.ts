import { isVariantSoldTo } from './catalogue-listing.ts';
import { pickVariant, type Product, type Variant } from './catalogue.ts';
import type { Amount, Money } from './money.ts';
import type { OrderRequest } from './order-request.ts';
import type { Funding } from './ports.ts';
import {
  chargeFor, discountPercent, isSoldAtLoss, payableFor, type Charge,
} from './pricing.ts';
import type { ClientWallet, PricingClient, PricingSnapshot } from './pricing-snapshot.ts';
import { chooseWallet } from './wallet.ts';

/** What is to be priced, for whom, and by which figures. */
export interface PriceQuestion {
  readonly snapshot: PricingSnapshot;
  readonly client: PricingClient;
  readonly product: Product;
  readonly request: Pick<OrderRequest, 'amount' | 'category' | 'walletId' | 'allowForexFallback'>;
}

/** What an order costs, and who pays: the same for a quote and for the order itself. */
export interface Price extends Charge {
  readonly variant: Variant;
  /** In the product's currency. */
  readonly faceValue: Money;
  readonly funding: Funding;
}

export interface WalletPrice extends Price {
  readonly funding: Extract<Funding, { kind: 'WALLET' }>;
}

/**
 * The price of the day: best variant, client's discount, the paying wallet and its currency.
 * @throws Rejection where the amount is not sold, or no wallet can pay
 */
export function priceByWallet(of: PriceQuestion): WalletPrice {
  const { snapshot, client, product, request } = of;
  const faceValue = { amount: request.amount, currency: product.currency };
  const chosen = (): ClientWallet => chooseWallet(client, {
    walletId: request.walletId,
    currency: product.currency,
    allowForexFallback: request.allowForexFallback,
  });
  const saleOf = (variant: Variant, wallet: ClientWallet) =>
    ({ snapshot, faceValue, percent: discountPercent(client, product, variant), wallet });
  // Several that could serve: what is wrong with the wallet may be told as well as after the pick.
  const variant = pickForClient(of, 'WALLET', (each) => payableFor(saleOf(each, chosen())).amount);
  const wallet = chosen();
  return {
    variant,
    faceValue,
    funding: { kind: 'WALLET', walletId: wallet.id },
    ...chargeFor(saleOf(variant, wallet)),
  };
}

/** A voucher pays the face value, without discount or forex. */
export function priceByVoucher(of: PriceQuestion, codeHash: string): Price {
  const faceValue = { amount: of.request.amount, currency: of.product.currency };
  return {
    variant: pickForClient(of, 'VOUCHER', () => faceValue.amount),
    faceValue,
    funding: { kind: 'VOUCHER', codeHash },
    discountPercent: '0',
    forexRate: null,
    forexRateId: null,
    charge: faceValue,
  };
}

function pickForClient(
  of: PriceQuestion,
  by: Funding['kind'],
  payable: (variant: Variant) => Amount,
): Variant {
  const { client, product, request } = of;
  return pickVariant(product, {
    amount: request.amount,
    category: request.category,
    isEntitled: (each) => isVariantSoldTo(client, each) && !isSoldAtLoss(of, each, by),
    payable,
  });
}
