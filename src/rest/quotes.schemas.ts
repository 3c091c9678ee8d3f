import { z } from 'zod';
import { VARIANT_CATEGORIES } from '../domain/catalogue.ts';
import {
  amountSchema, currencySchema, idSchema, jsonAnswer, refusal, timeSchema,
} from './envelope.schemas.ts';
import * as examples from './quotes.examples.ts';

/** Tax and fee are not taken; the fields are there because they are documented. */
const nothing = (description: string) => z.number().meta({ description, examples: [0] });

const quote = z.object({
  non_discounted_total: amountSchema('The face value, in the variant currency.', 250),
  discount_amount: amountSchema('Your discount on it, in the variant currency.', 8.75),
  total_amount: amountSchema('What is left of it, in the variant currency.', 241.25),
  discount: z.number().meta({ description: 'Your discount in percent.', examples: [3.5] }),
  gst_amount: nothing('Tax, in the wallet currency: none is taken.'),
  total_payable: amountSchema('What an order charges, in the wallet currency.', 282.26),
  net_amount: amountSchema('The same without the fee.', 282.26),
  handling_fee_amount: nothing('The fee, in the wallet currency: none is taken.'),
  charges_details: z.object({
    source_currency: currencySchema('The currency of the variant.'),
    destination_currency: currencySchema('The currency of the wallet.'),
    forex_rate: z.union([z.number(), z.null()]).meta({
      description: 'From the one to the other; null where they are the same.', examples: [1.17],
    }),
    conversion_fee: z.union([z.number(), z.null()]).meta({
      description: 'None is taken; null where nothing is converted.', examples: [0],
    }),
  }).meta({ description: 'How the one currency became the other.' }),
  product_id: idSchema('The product.', 5101),
  variant_id: idSchema('The variant that was picked.', 11),
  variant_name: z.string().meta({ description: 'Its name.', examples: ['Airtime'] }),
  wallet_id: idSchema('The wallet that would pay.', 1),
  sufficient_balance: z.boolean().meta({ description: 'Whether it could pay just now.' }),
  quote_id: z.string().meta({
    description: 'Opaque. An order that names it is charged these figures.',
    examples: ['Wm1N2sVb0kq3yQ'],
  }),
  expires_at: timeSchema('When the quote ends: five minutes after it was made.'),
}).meta({ id: 'Quote', description: 'What an order costs. Nothing is debited or kept.' });

export const quoteTopupSchema = {
  operationId: 'quoteTopup',
  summary: 'Quote a price',
  description: 'Prices a top-up exactly as an order would. `quote_id` locks the price for five '
    + 'minutes; it reserves neither money nor stock.',
  tags: ['Orders'],
  body: z.object({
    product_id: idSchema('The product to top up.', 5101),
    amount: z.number().gt(0).meta({
      description: 'The face value in the currency of the product.', examples: [250],
    }),
    wallet_id: idSchema('The wallet that would pay.', 1).optional(),
    category: z.enum(VARIANT_CATEGORIES).optional().meta({
      description: 'Narrows the choice of the variant.', examples: ['Airtime'],
    }),
  }).meta({ id: 'QuoteTopup' }),
  response: {
    200: jsonAnswer('The price.', quote),
    400: refusal('An order would be refused for this.'),
    404: refusal('The product, or the wallet, is none of yours.'),
  },
  'x-examples': examples.quoteTopup,
};
