import type { DemoFacts } from '../../src/demo/demo-file.ts';

/** Sends an order over REST; null where no answer came or it was refused. */
export async function placeOverRest(
  url: string,
  order: {
    readonly token: string;
    readonly reference: string;
    readonly productId: number;
    readonly amount: string;
    readonly inputData: Readonly<Record<string, string>>;
  },
): Promise<number | null> {
  try {
    const response = await fetch(`${url}/api/v1/topups/orders`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${order.token}` },
      body: `{"product_id":${order.productId},"amount":${order.amount},"input_data":${
        JSON.stringify(order.inputData)},"client_reference":"${order.reference}"}`,
    });
    const body = await response.json() as { id?: number };
    return response.status === 200 ? body.id ?? null : null;
  } catch {
    return null;
  }
}

/** Sends an order of the first demo client for a player; null as above. */
export function placeAtDemo(
  { baseUrl, clients }: DemoFacts, reference: string, player: string,
): Promise<number | null> {
  return placeOverRest(baseUrl, {
    token: clients[0]?.token ?? '', reference, productId: 4218, amount: '4.99',
    inputData: { player_id: player, server: 'asia' },
  });
}
