import { z } from 'zod';
import { INPUT_FIELD_TYPES, TOPUP_TYPES, VARIANT_CATEGORIES } from '../domain/catalogue.ts';
import * as examples from './catalogue.examples.ts';
import {
  amountSchema, currencySchema, idSchema, jsonAnswer, refusal, type AnswerSchema,
} from './envelope.schemas.ts';
import { PAGING_HEADERS, pageParameters } from './paging.schemas.ts';

const TAGS = ['Catalogue'];

const text = (description: string, example: string) =>
  z.string().meta({ description, examples: [example] });

const country = z.string().meta({
  description: 'ISO 3166-1 alpha-3, or GLO for what is used worldwide.',
  pattern: '^[A-Z]{3}$',
  examples: ['GLO'],
});

const productShape = {
  id: idSchema('The product, as an order names it.', 4218),
  name: text('Its name.', 'PUBG Mobile UC'),
  topup_type: z.enum(TOPUP_TYPES).meta({ description: 'What is topped up.' }),
  country_code: country,
  currency_code: currencySchema('The currency of its face values.'),
  image_url: text('A picture of it.', 'https://img.example/pubg.png').optional(),
  operator: text('The mobile network or game platform.', 'PUBG Mobile').optional(),
};

const product = z.object(productShape)
  .meta({ id: 'Product', description: 'What can be topped up.' });

const inputField = z.object({
  name: text('The key in `input_data`.', 'player_id'),
  label: text('What to write beside the field.', 'Player ID'),
  type: z.enum(INPUT_FIELD_TYPES).meta({
    description: 'How to ask for it. On the wire every value is text; a phone is normalised to '
      + 'E.164.',
  }),
  required: z.boolean().meta({ description: 'Whether an order needs it.' }),
  pattern: text('A regular expression for the whole value.', '^[0-9]+$').optional(),
  min_length: z.int().min(0).optional().meta({ description: 'In characters.', examples: [5] }),
  max_length: z.int().min(1).optional().meta({ description: 'In characters.', examples: [20] }),
  options: z.array(z.object({
    value: text('What to send.', 'asia'),
    label: text('What to show.', 'Asia'),
  })).optional().meta({ description: 'The values of a select.' }),
  placeholder: text('An example to show in the empty field.', '5123456789').optional(),
  help_text: text('A sentence of help.', 'The digits under your avatar').optional(),
  sensitive: z.boolean().meta({ description: 'Whether the value is masked in lists and events.' }),
}).meta({ id: 'InputField', description: 'One field of the form that names a recipient.' });

const productWithFields = z.object({
  ...productShape,
  input_fields: z.array(inputField).meta({ description: 'The form, in display order.' }),
}).meta({ id: 'ProductWithFields', description: 'A product and the form of its recipient.' });

const amount = (description: string, example: number) =>
  amountSchema(description, example).optional();

const variant = z.object({
  id: idSchema('The variant.', 7),
  name: text('Its name.', 'Airtime'),
  category: z.enum(VARIANT_CATEGORIES).optional()
    .meta({ description: 'The kind of a mobile variant.' }),
  currency_code: currencySchema('The currency of its amounts.'),
  min_amount: amount('The least face value of a range.', 10),
  max_amount: amount('The greatest face value of a range.', 5000),
  amount_step: amount('From one face value of the range to the next, from `min_amount` on.', 1),
  fixed_amounts: z.array(text('A face value.', '4.99')).meta({
    description: 'The single face values, as text. A variant may have a range besides.',
  }),
  available_in: z.array(z.object({ code: country, name: text('Its name.', 'Global') })).meta({
    description: 'Where it can be used.',
  }),
  fields: z.record(z.string(), z.string()).meta({
    description: 'What else is told of it, by name.', examples: [{ validity_days: '28' }],
  }),
  is_available: z.boolean().meta({ description: 'Whether an order can be placed just now.' }),
  validity: z.object({
    unit: z.literal('DAY').meta({ description: 'What is counted.' }),
    quantity: z.int().meta({ description: 'How many; -1 is for ever.', examples: [28] }),
  }).optional().meta({ description: 'How long it lasts once delivered, where that is known.' }),
  product_id: idSchema('The product that it is a form of.', 5001),
}).meta({ id: 'Variant', description: 'A sellable form of a product.' });

const INVALID_ID = refusal('The id is no positive integer.');
const ABSENT = refusal('There is no such thing, or it is not sold to you.');
const byId = (description: string, example: number) =>
  z.object({ id: idSchema(description, example) });

/** What `answerCached` may say. */
function cached(description: string, schema: z.ZodType): {
  readonly 200: AnswerSchema; readonly 304: z.ZodType;
} {
  return {
    200: jsonAnswer(`${description} Keep it for five minutes, then ask with its \`ETag\`.`, schema),
    // Null is what tells the generator that there is no body.
    304: z.null().meta({ description: 'What you have is still right.' }),
  };
}

export const listProductsSchema = {
  operationId: 'listProducts',
  summary: 'List products',
  description: 'The products that you may sell, by name. The headers tell the place of the page.',
  tags: TAGS,
  querystring: pageParameters().extend({
    type: z.enum(TOPUP_TYPES).optional()
      .meta({ description: 'Only of this type.', examples: ['GAMING'] }),
    search: text('Part of the name, in any case. No character is a wildcard.', 'pubg').optional(),
    country: country.optional(),
    operator: text('Only of this operator, in any case.', 'Airtel').optional(),
  }),
  response: {
    ...cached('The page.', z.array(product)), 400: refusal('A filter or the page makes no sense.'),
  },
  'x-answer-headers': PAGING_HEADERS,
  'x-examples': examples.listProducts,
};

export const getProductSchema = {
  operationId: 'getProduct',
  summary: 'Get a product',
  description: 'A product with the form of its recipient: what `input_data` of an order must have.',
  tags: TAGS,
  params: byId('The product.', 4218),
  response: { ...cached('The product.', productWithFields), 400: INVALID_ID, 404: ABSENT },
  'x-examples': examples.getProduct,
};

export const listVariantsSchema = {
  operationId: 'listVariants',
  summary: 'List the variants of a product',
  description: 'All that are sold, also those that are out of stock just now.',
  tags: TAGS,
  params: byId('The product.', 5001),
  response: { ...cached('The variants.', z.array(variant)), 400: INVALID_ID, 404: ABSENT },
  'x-examples': examples.listVariants,
};

export const getVariantSchema = {
  operationId: 'getVariant',
  summary: 'Get a variant',
  description: 'One sellable form of a product.',
  tags: TAGS,
  params: byId('The variant.', 8),
  response: { ...cached('The variant.', variant), 400: INVALID_ID, 404: ABSENT },
  'x-examples': examples.getVariant,
};

export const lookupMobileNumberSchema = {
  operationId: 'lookupMobileNumber',
  summary: 'Find the products for a mobile number',
  description: 'Best guess first, then the other operators of its country: a number may have been '
    + 'ported, which nobody can tell from its digits.',
  tags: TAGS,
  body: z.object({
    mobile_number: z.string().meta({
      description: 'In E.164.', pattern: '^\\+[1-9][0-9]{6,14}$', examples: ['+918879685100'],
    }),
  }).meta({ id: 'MobileNumber' }),
  response: {
    200: jsonAnswer('The products; none is no fault.', z.array(z.object({
      product_id: idSchema('The product.', 5001),
      name: text('Its name.', 'Airtel India'),
      country_code: country,
      identified: z.boolean().meta({
        description: 'The number was first given to this operator. True at most once.',
      }),
    }))),
    400: refusal('The number is missing, or not in E.164.'),
  },
  'x-examples': examples.lookupMobileNumber,
};

export const listCurrenciesSchema = {
  operationId: 'listCurrencies',
  summary: 'List currencies',
  description: 'The currencies of ISO 4217, by code.',
  tags: TAGS,
  response: cached('All of them.', z.array(z.object({
    id: idSchema('The numeric code; what `currency_id` refers to.', 840),
    code: currencySchema('The alphabetic code.'),
    name: text('Its name.', 'US Dollar'),
    precision: z.int().min(0).max(4).meta({
      description: 'Digits after the point of what a wallet pays after forex.', examples: [2],
    }),
  }))),
  'x-examples': examples.listCurrencies,
};

export const listCountriesSchema = {
  operationId: 'listCountries',
  summary: 'List countries',
  description: 'Where products can be used, by name; worldwide comes first.',
  tags: TAGS,
  response: cached('All of them.', z.array(z.object({
    code: country, name: text('Its name in English.', 'Global'),
  }))),
  'x-examples': examples.listCountries,
};
