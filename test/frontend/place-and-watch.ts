import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { createClient } from 'graphql-ws';
import {
  CreateTopupOrderDocument, EventPartsFragmentDoc, OrderPartsFragmentDoc,
  TopupOrderUpdatedDocument,
} from './generated/graphql.ts';
import { readFragment } from './generated/index.ts';

/** Places an order and hands every status to `show`, as a frontend does with Apollo Client. */
export async function placeAndWatch(
  at: { readonly graphqlUrl: string; readonly wsUrl: string; readonly token: string },
  show: (status: string) => void,
): Promise<void> {
  const authorization = `Bearer ${at.token}`;
  const socket = createClient({ url: at.wsUrl, connectionParams: { authorization } });
  const client = new ApolloClient({
    cache: new InMemoryCache(),
    link: ApolloLink.split(
      ({ operationType }) => operationType === 'subscription',
      new GraphQLWsLink(socket),
      new HttpLink({ uri: at.graphqlUrl, headers: { authorization } }),
    ),
  });
  const { data } = await client.mutate({
    mutation: CreateTopupOrderDocument,
    variables: {
      input: {
        productId: 4218,
        amount: '4.99',
        inputData: [{ name: 'player_id', value: '5123456789' }, { name: 'server', value: 'asia' }],
        clientReference: crypto.randomUUID(),
      },
    },
  });
  const order = readFragment(OrderPartsFragmentDoc, data?.createTopupOrder.order);
  if (!order) throw new Error(data?.createTopupOrder.userErrors.length ? 'refused' : 'no answer');
  await new Promise<void>((complete, error) => {
    client.subscribe({ query: TopupOrderUpdatedDocument, variables: { by: { id: order.id } } })
      .subscribe({
        next: ({ data: update }) => {
          const event = readFragment(EventPartsFragmentDoc, update?.topupOrderUpdated.node);
          if (event) show(event.status);
        },
        error,
        complete,
      });
  });
  await socket.dispose();
}
