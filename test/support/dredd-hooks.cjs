// Hooks of dredd, which is run from a folder of its own (see the README). It replays refusals
// with the valid request, so only what succeeds is run; what no document can know is filled in.
const { createHmac, randomUUID } = require('node:crypto');
const { readFileSync } = require('node:fs');
const hooks = require('hooks');

const { baseUrl, clients: [client] } = JSON.parse(
  readFileSync(process.env.DEMO_JSON ?? '.data/demo.json', 'utf8'),
);
const ORDERS = '/api/v1/topups/orders';
// Of the demo, see config.ts.
const SUPPLIER_KEY = 'demo-signing-key-of-supplier-a-0001';

async function post(path, body) {
  const response = await fetch(baseUrl + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${client.token}` },
    body: JSON.stringify(body),
  });
  return response.json();
}

async function get(path) {
  const headers = { authorization: `Bearer ${client.token}` };
  return (await fetch(baseUrl + path, { headers })).json();
}

/** One that the supplier holds, once it is known when it is asked about again. */
async function placeOrder() {
  const { id } = await createOrder();
  for (;;) {
    const order = await get(`${ORDERS}/${id}`);
    if (order.next_attempt_at !== undefined && order.attempts > 0) return order;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

const createOrder = () => post(ORDERS, {
  product_id: 4218, amount: 4.99, input_data: { player_id: '5123456722', server: 'asia' },
  client_reference: randomUUID(),
});

const logIn = async () => (
  await post('/auth/login', { username: client.apiKey, password: client.apiSecret })
).data;

hooks.beforeEach(async (transaction, done) => {
  const { request, expected } = transaction;
  if (!/^2/.test(expected.statusCode)) {
    transaction.skip = true;
    return done();
  }
  // It takes what is documented for what must come; a client without limits is told of none.
  for (const name of Object.keys(expected.headers)) {
    if (/^(?:x-)?ratelimit/i.test(name)) delete expected.headers[name];
  }
  // It compares the header as a text, and knows no parameters.
  expected.headers['Content-Type'] = request.uri === '/metrics'
    ? 'text/plain; version=0.0.4; charset=utf-8'
    : 'application/json; charset=utf-8';
  if (request.headers.Authorization !== undefined || !/^\/(auth\/(login|refresh)|livez|readyz)/
    .test(request.uri)) request.headers.Authorization = `Bearer ${client.token}`;
  if (request.method === 'POST' && request.uri === ORDERS) {
    const body = { ...JSON.parse(request.body), client_reference: randomUUID() };
    request.body = JSON.stringify(body);
  }
  const order = /^\/api\/v1\/topups\/orders\/[^/]+(.*)$/.exec(request.uri);
  if (order !== null) {
    const { id } = await placeOrder();
    transaction.fullPath = `${ORDERS}/${id}${order[1]}`;
  }
  if (request.uri.startsWith('/auth/refresh')) {
    request.body = JSON.stringify({ refresh_token: (await logIn()).refresh_token });
  }
  // It ends the tokens of the client, the demo's too; and a cancel needs an order that waits.
  const isDestructive = /\/auth\/logout|\/cancel$/.test(request.uri);
  // The sandbox reports nothing for an order that nobody placed: 202 is what can be had.
  if (request.uri.startsWith('/callbacks/')) {
    const timestamp = String(Math.floor(Date.now() / 1000));
    const body = JSON.stringify({ ...JSON.parse(request.body), reference: '1-999999-1' });
    request.body = body;
    request.headers['x-timestamp'] = timestamp;
    request.headers['x-signature'] = createHmac('sha256', SUPPLIER_KEY)
      .update(`${timestamp}.${body}`).digest('hex');
  }
  const isOther = request.uri.startsWith('/callbacks/') && expected.statusCode !== '202';
  transaction.skip = isDestructive || isOther;
  return done();
});
