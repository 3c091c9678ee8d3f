import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ApolloClient, HttpLink, InMemoryCache, type DocumentNode } from '@apollo/client';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { Kind, print, stripIgnoredCharacters, visit } from 'graphql';
import { beforeAll, describe, expect, it } from 'vitest';
import { readTrustedDocuments } from '../../src/trusted-documents.ts';
import {
  OrderPartsFragmentDoc, TopupOrderDocument, TopupOrdersDocument,
} from '../frontend/generated/graphql.ts';
import { readFragment } from '../frontend/generated/index.ts';
import { placeAndWatch } from '../frontend/place-and-watch.ts';
import { authorization, JSON_TYPE, rest } from '../support/doors.ts';
import { useWorld, type World } from '../support/world.ts';

const ROOT = resolve(import.meta.dirname, '../..');

describe('a frontend with the documents of schema/operations, where no others are executed', () => {
  const world = useWorld({ trustedDocuments: readTrustedDocuments(true) });
  let orderId = 0;

  beforeAll(async () => {
    const answer = await rest.create(world(), 1, {
      product_id: 4218, amount: '4.99', input_data: { player_id: '5123456789', server: 'asia' },
    });
    if ('refused' in answer) throw new Error(answer.message);
    orderId = answer.order.id;
  });

  it('places an order and sees it delivered, as the README shows', async () => {
    const graphqlUrl = `${world().gateway.url}/graphql`;
    const statuses: string[] = [];
    await placeAndWatch(
      { graphqlUrl, wsUrl: graphqlUrl.replace('http', 'ws'), token: world().token(1) },
      (status) => statuses.push(status),
    );
    expect(statuses[0]).toBe('PENDING');
    expect(statuses.at(-1)).toBe('DELIVERED');
  });

  it.each([
    ['text', undefined],
    ['id', new PersistedQueryLink({ generateHash: idOf })],
  ])('reads whole objects with Apollo Client that names documents by %s', async (_way, link) => {
    const client = apollo(world(), link);
    const { data } = await client.query({
      query: TopupOrderDocument, variables: { by: { orderId } },
    });
    const order = readFragment(OrderPartsFragmentDoc, data?.topupOrder);
    expect(order).toMatchObject({ orderId, charge: { __typename: 'Money', amount: '4.7405' } });
    const page = await client.query({ query: TopupOrdersDocument, variables: { first: 1 } });
    expect(page.data?.topupOrders.edges).toHaveLength(1);
  });

  it.each<[string, (document: DocumentNode) => object]>([
    ['their text', (document) => ({ query: print(document) })],
    ['their text with type names, as urql and Apollo Client add them',
      (document) => ({ query: print(withTypeNames(document)) })],
    ['their text in one line, its fragments first', (document) => ({
      query: stripIgnoredCharacters(print(withTypeNames({
        ...document, definitions: document.definitions.toReversed(),
      }))),
    })],
    ['their id', (document) => ({ documentId: idOf(document) })],
  ])('is answered that sends %s', async (_what, namingOf) => {
    const response = await fetch(`${world().gateway.url}/graphql`, {
      method: 'POST',
      headers: { ...authorization(world(), 1), ...JSON_TYPE },
      body: JSON.stringify({ ...namingOf(TopupOrderDocument), variables: { by: { orderId } } }),
    });
    expect(await response.json()).toMatchObject({ data: { topupOrder: { orderId } } });
  });
});

it('the README shows the frontend that was compiled and run', () => {
  const source = readFileSync(join(ROOT, 'test/frontend/place-and-watch.ts'), 'utf8');
  expect(readFileSync(join(ROOT, 'README.md'), 'utf8')).toContain(source.trim());
});

function apollo(world: World, link?: PersistedQueryLink): ApolloClient {
  const headers = authorization(world, 1);
  const http = new HttpLink({ uri: `${world.gateway.url}/graphql`, headers });
  return new ApolloClient({ cache: new InMemoryCache(), link: link?.concat(http) ?? http });
}

/** The id that codegen wrote beside the document. */
function idOf(document: DocumentNode & { readonly __meta__?: { readonly hash: string } }): string {
  const hash = document.__meta__?.hash;
  if (hash === undefined) throw new Error('The document has no id');
  return hash;
}

function withTypeNames(document: DocumentNode): DocumentNode {
  const typeName = { kind: Kind.FIELD, name: { kind: Kind.NAME, value: '__typename' } } as const;
  return visit(document, {
    SelectionSet: {
      leave: (node, _key, parent) => {
        const isRoot = parent !== undefined && 'operation' in parent;
        const isThere = node.selections.some((selection) => (
          selection.kind === Kind.FIELD && selection.name.value === '__typename'
        ));
        if (isRoot || isThere) return undefined;
        return { ...node, selections: [...node.selections, typeName] };
      },
    },
  });
}
