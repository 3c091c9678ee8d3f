import { beforeAll, describe, expect, it } from 'vitest';
import { authorization, graphql, graphqlRequest, rest, type Door } from '../support/doors.ts';
import { useSubscriptions } from '../support/subscriptions.ts';
import { useWorld } from '../support/world.ts';

/** The player id is sensitive: whole in the one order asked for, masked wherever orders pass by. */

const world = useWorld({ role: 'gateway' });
const { follow } = useSubscriptions();

const WHOLE = { player_id: '5123456789', server: 'asia' };
const MASKED = { player_id: '******6789', server: 'asia' };
let orderId = 0;

beforeAll(async () => {
  await world().database.query(`update product set input_fields = (
    select jsonb_agg(case f ->> 'name' when 'player_id'
      then f || '{"sensitive": true}' else f end) from jsonb_array_elements(input_fields) f)
    where id = 4218`);
  await world().parts.store.refreshPricing();
  orderId = await place(rest);
});

async function place(door: Door): Promise<number> {
  const answer = await door.create(world(), 1, {
    product_id: 4218, amount: '0.99', input_data: WHOLE,
  });
  if ('refused' in answer) throw new Error(answer.message);
  expect(answer.order.inputData).toEqual(WHOLE);
  return answer.order.id;
}

const ORDER = 'order { inputData { name value } }';
const named = (values: object): object[] =>
  Object.entries(values).map(([name, value]: [string, unknown]) => ({ name, value }));
const masked = { inputData: named(MASKED) };

describe('the value of a sensitive field', () => {
  it.each([rest, graphql])('is whole in the order itself over $name', async (door) => {
    const id = await place(door);
    expect(await door.find(world(), 1, id)).toMatchObject({ inputData: WHOLE });
  });

  it('is masked in the list over REST', async () => {
    const answer = await fetch(`${world().gateway.url}/api/v1/topups/orders`, {
      headers: authorization(world(), 1),
    });
    const items = await answer.json() as readonly object[];
    expect(items.length).toBeGreaterThan(0);
    for (const item of items) expect(item).toMatchObject({ input_data: MASKED });
  });

  it('is masked in the events over REST', async () => {
    const abort = new AbortController();
    const answer = await fetch(`${world().gateway.url}/api/v1/topups/orders/events`, {
      headers: authorization(world(), 1), signal: abort.signal,
    });
    const id = await place(rest);
    let text = '';
    for await (const chunk of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += chunk;
      if (text.includes(`"id":${id},`)) break;
    }
    abort.abort();
    expect(text).toContain(`"input_data":${JSON.stringify(MASKED)}`);
    expect(text).not.toContain(WHOLE.player_id);
  });

  it('is masked in the lists over GraphQL', async () => {
    const { data } = await graphqlRequest(world(), 1, { query: `{
      topupOrders(first: 1) { edges { node {
        inputData { name value } events(first: 1) { edges { node { ${ORDER} } } } } } }
      topupOrderEventLog(first: 1) { edges { node { ${ORDER} } } }
      wallets { transactions(first: 1) { edges { node { ${ORDER} } } } } }` });
    expect(data).toMatchObject({
      topupOrders: { edges: [{ node: {
        ...masked, events: { edges: [{ node: { order: masked } }] } } }] },
      topupOrderEventLog: { edges: [{ node: { order: masked } }] },
    });
    expect(JSON.stringify(data)).toContain(`"transactions":{"edges":[{"node":{"order":${
      JSON.stringify(masked)}`);
    expect(JSON.stringify(data)).not.toContain(WHOLE.player_id);
  });

  it('is masked where several things are read by their global ids, and shown in one', async () => {
    const { data } = await graphqlRequest(world(), 1, { query: `{
      topupOrders(first: 1) { edges { node { id } } } }` });
    const [edge] = (data as { topupOrders: { edges: [{ node: { id: string } }] } })
      .topupOrders.edges;
    const read = await graphqlRequest(world(), 1, {
      query: `query ($id: ID!) {
        nodes(ids: [$id]) { ... on TopupOrder { inputData { name value } } }
        node(id: $id) { ... on TopupOrder { inputData { name value } } } }`,
      variables: { id: edge.node.id },
    });
    expect(read.data).toMatchObject({ nodes: [masked] });
    expect(JSON.stringify((read.data as { node: object }).node)).toContain(WHOLE.player_id);
  });

  it('is masked in the events of the one order over GraphQL', async () => {
    const { data } = await graphqlRequest(world(), 1, { query: `{
      topupOrder(by: { orderId: ${orderId} }) {
        inputData { name value } events(first: 1) { edges { node { ${ORDER} } } } } }` });
    expect(data).toEqual({ topupOrder: {
      inputData: named(WHOLE), events: { edges: [{ node: { order: masked } }] } } });
  });

  it.each([
    ['one order', () => `topupOrderUpdated(by: { orderId: ${orderId} })`],
    ['all orders', () => 'topupOrderEvents'],
  ])('is masked in the subscription to %s', async (_of, subscription) => {
    const watch = follow<{ readonly node: { readonly order: object } | null }>({
      url: world().gateway.url,
      token: world().token(1),
      query: `subscription { ${subscription()} { node { ${ORDER} } } }`,
    });
    await watch.until(1);
    await place(graphql);
    const { node } = await watch.untilEdge((edge) => edge.node !== null);
    expect(node?.order).toEqual(masked);
  });
});
