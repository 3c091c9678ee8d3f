import type { FastifyInstance } from 'fastify';
import {
  findProduct, findVariant, listProducts, listVariants,
} from '../domain/catalogue-listing.ts';
import { TOPUP_TYPES } from '../domain/catalogue.ts';
import { COUNTRIES } from '../domain/countries.ts';
import { lookupMobileNumber } from '../domain/lookup-mobile-number.ts';
import type { OrderStories } from '../domain/order-stories.ts';
import type { Store } from '../domain/ports.ts';
import { answerCached } from './cached-answer.ts';
import {
  getProductSchema, getVariantSchema, listCountriesSchema, listCurrenciesSchema,
  listProductsSchema, listVariantsSchema, lookupMobileNumberSchema,
} from './catalogue.schemas.ts';
import { invalidBody, type JsonObject } from './json-body.ts';
import { pageIn, pageOut, pagingHeaders } from './paging.ts';
import { idIn, Query } from './query.ts';
import { quoteTopupSchema } from './quotes.schemas.ts';
import {
  countryOut, currencyOut, matchOut, productOut, productWithFieldsOut, quoteOut, quoteRequestIn,
  variantOut,
} from './wire-catalogue.ts';

const TOPUPS = '/api/v1/topups';

interface ById { Params: { id: string } }
interface WithBody { Body: JsonObject | undefined }

export interface CatalogueStories extends Pick<OrderStories, 'quoteTopup'> {
  readonly store: Pick<Store, 'pricing'>;
}

/**
 * What can be bought, by whom, and for how much. All of it comes from memory but a wallet's
 * balance, and what a quote asks: whether its prices still hold.
 */
export function catalogueRoutes(app: FastifyInstance, deps: CatalogueStories): void {
  productRoutes(app, deps.store);
  referenceRoutes(app, deps.store);

  app.post<WithBody>(
    `${TOPUPS}/lookup`,
    { schema: lookupMobileNumberSchema, config: { scope: 'read', rateClass: 'lookup' } },
    async ({ clientId, body }) => {
      if (body === undefined) throw invalidBody();
      const number = body['mobile_number'];
      return lookupMobileNumber(deps.store.pricing(), clientId, number).map(matchOut);
    },
  );

  app.post<WithBody>(
    `${TOPUPS}/charges`,
    { schema: quoteTopupSchema, config: { scope: 'read', rateClass: 'charges' } },
    async ({ clientId, body }) => {
      if (body === undefined) throw invalidBody();
      return quoteOut(await deps.quoteTopup(clientId, quoteRequestIn(body)));
    },
  );
}

function productRoutes(app: FastifyInstance, store: Pick<Store, 'pricing'>): void {
  app.get(`${TOPUPS}/products`, { schema: listProductsSchema }, async (request, reply) => {
    const query = new Query(request);
    const page = pageIn(query);
    const products = listProducts(store.pricing(), request.clientId, {
      type: query.oneOf('type', TOPUP_TYPES),
      countryCode: query.matching('country', /^[A-Z]{3}$/, 'an ISO 3166-1 alpha-3 code or GLO'),
      operator: query.text('operator'),
      search: query.text('search'),
    });
    const found = pageOut(page, products);
    const headers = pagingHeaders(page, found);
    return answerCached(request, reply, { body: found.items.map(productOut), headers });
  });

  app.get<ById>(`${TOPUPS}/products/:id`, { schema: getProductSchema }, async (request, reply) => {
    const { product } = findProduct(store.pricing(), {
      clientId: request.clientId, productId: idIn(request.params, 'Product'),
    });
    return answerCached(request, reply, { body: productWithFieldsOut(product) });
  });

  const ofProduct = { schema: listVariantsSchema };
  app.get<ById>(`${TOPUPS}/products/:id/variants`, ofProduct, async (request, reply) => {
    const { client, product } = findProduct(store.pricing(), {
      clientId: request.clientId, productId: idIn(request.params, 'Product'),
    });
    const body = listVariants(client, product).map((each) => variantOut(product, each));
    return answerCached(request, reply, { body });
  });

  app.get<ById>(`${TOPUPS}/variants/:id`, { schema: getVariantSchema }, async (request, reply) => {
    const { product, variant } = findVariant(store.pricing(), {
      clientId: request.clientId, variantId: idIn(request.params, 'Variant'),
    });
    return answerCached(request, reply, { body: variantOut(product, variant) });
  });
}

function referenceRoutes(app: FastifyInstance, store: Pick<Store, 'pricing'>): void {
  app.get('/api/v1/currencies', { schema: listCurrenciesSchema }, async (request, reply) =>
    answerCached(request, reply, { body: store.pricing().currencies().map(currencyOut) }));

  app.get('/api/v1/countries', { schema: listCountriesSchema }, async (request, reply) =>
    answerCached(request, reply, { body: COUNTRIES.map(countryOut) }));
}
