import 'reflect-metadata';
import { GraphQLInputObjectType, GraphQLObjectType, type GraphQLSchema } from 'graphql';
import { buildSchema, type PubSub } from 'type-graphql';
import { CancelTopupOrderResolver } from './cancel-topup-order.resolver.ts';
import { ClientResolver } from './client.resolver.ts';
import { CreateTopupOrderResolver } from './create-topup-order.resolver.ts';
import { ForexRateResolver } from './forex-rate.resolver.ts';
import { MobileNumberResolver } from './mobile-number.resolver.ts';
import { NodeResolver } from './node.resolver.ts';
import { SetNotificationEmailResolver } from './set-notification-email.resolver.ts';
import { TopupOrderEventLogResolver } from './topup-order-event-log.resolver.ts';
import { TopupOrderCatalogueResolver } from './topup-order-catalogue.resolver.ts';
import { TopupOrderEventResolver } from './topup-order-event.resolver.ts';
import { TopupOrderResolver } from './topup-order.resolver.ts';
import { TopupOrderSubscription } from './topup-order.subscription.ts';
import { TopupOrdersResolver } from './topup-orders.resolver.ts';
import { TopupProductResolver } from './topup-product.resolver.ts';
import { TopupQuoteResolver } from './topup-quote.resolver.ts';
import { VariantResolver } from './variant.resolver.ts';
import { WalletResolver, WalletTransactionResolver } from './wallet.resolver.ts';
import { WalletEventResolver, WalletSubscription } from './wallet.subscription.ts';

/** Inputs of which exactly one field is given. */
const ONE_OF = ['TopupOrderBy', 'TopupProductBy'];

const ROOT_DESCRIPTIONS: Readonly<Record<string, string>> = {
  Query: 'What can be read. Everything belongs to the caller.',
  Mutation: 'What can be changed. Expected refusals are `userErrors` of the payload.',
  Subscription: 'What can be followed, over the WebSocket at the same address.',
};

// type-graphql builds no subscription without one. Ours read the event log: a bus inside this
// process would lose events, and the stock one ends the process when a reader is slow.
const NO_BUS: PubSub = {
  publish: () => refuseBus(),
  subscribe: () => refuseBus(),
};

function refuseBus(): never {
  throw new Error('Subscriptions read the event log, there is no bus');
}

/** The public schema, executable and described throughout. */
export async function buildTopupSchema(): Promise<GraphQLSchema> {
  const schema = await buildSchema({
    resolvers: [
      ClientResolver,
      WalletResolver,
      WalletTransactionResolver,
      TopupOrderResolver,
      TopupOrdersResolver,
      TopupOrderEventResolver,
      TopupOrderCatalogueResolver,
      TopupProductResolver,
      VariantResolver,
      TopupQuoteResolver,
      MobileNumberResolver,
      ForexRateResolver,
      TopupOrderEventLogResolver,
      NodeResolver,
      CreateTopupOrderResolver,
      CancelTopupOrderResolver,
      SetNotificationEmailResolver,
      TopupOrderSubscription,
      WalletSubscription,
      WalletEventResolver,
    ],
    // The domain checks every request, whichever door it came through.
    validate: false,
    pubSub: NO_BUS,
  });
  // type-graphql can say neither of these by a decorator.
  for (const name of ONE_OF) {
    const type = schema.getType(name);
    if (!(type instanceof GraphQLInputObjectType)) throw new Error(`No input type ${name}`);
    type.isOneOf = true;
  }
  for (const [name, description] of Object.entries(ROOT_DESCRIPTIONS)) {
    const type = schema.getType(name);
    if (!(type instanceof GraphQLObjectType)) throw new Error(`No root type ${name}`);
    type.description = description;
  }
  return schema;
}
