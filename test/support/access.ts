import { on, once } from 'node:events';
import pg from 'pg';
import { WebSocket } from 'ws';
import { insertApiKey } from '../../src/db/api-keys.ts';
import type { Scope } from '../../src/domain/access.ts';
import {
  hashApiSecret, makeApiKey, secretPrefix, type NewApiKey,
} from '../../src/domain/api-key.ts';
import { JSON_TYPE } from './doors.ts';
import { VOUCHER_KEY } from './voucher-hash.ts';
import type { World } from './world.ts';

/** A key of the client, made as operators make it. */
export async function makeKey(
  world: World,
  clientId: number,
  more: { readonly scopes?: readonly Scope[]; readonly expiresAt?: Date } = {},
): Promise<NewApiKey> {
  const key = makeApiKey({ clientId, environment: 'sandbox' });
  const owner = new pg.Client({ connectionString: world.database.ownerDatabaseUrl });
  await owner.connect();
  try {
    const isKept = await insertApiKey(owner, {
      clientId, id: key.id, secretHash: hashApiSecret(key.secret, VOUCHER_KEY),
      secretPrefix: secretPrefix(key.secret), scopes: more.scopes ?? ['read', 'orders:write'],
      expiresAt: more.expiresAt ?? null,
    });
    if (!isKept) throw new Error(`Client ${clientId} has two keys`);
    return key;
  } finally {
    await owner.end();
  }
}

export interface AuthAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: {
    readonly success?: true;
    readonly data?: {
      readonly access_token: string; readonly refresh_token: string;
      readonly access_expires_at: string; readonly refresh_expires_at: string;
      readonly client_id: number;
    };
    readonly error?: { readonly name: string; readonly code: string; readonly message: string };
  };
}

export async function postAuth(
  url: string,
  path: 'login' | 'refresh' | 'logout',
  sent: { readonly body?: unknown; readonly headers?: Record<string, string> } = {},
): Promise<AuthAnswer> {
  const { body, headers } = sent;
  const response = await fetch(`${url}/auth/${path}`, {
    method: 'POST',
    headers: { ...(body === undefined ? {} : JSON_TYPE), ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return {
    status: response.status,
    headers: response.headers,
    body: await response.json() as AuthAnswer['body'],
  };
}

export async function logIn(
  world: World,
  { id, secret }: NewApiKey,
): Promise<{ readonly access: string; readonly refresh: string }> {
  const { status, body } = await postAuth(world.gateway.url, 'login', {
    body: { username: id, password: secret },
  });
  if (body.data === undefined) throw new Error(`${status} ${JSON.stringify(body)}`);
  return { access: body.data.access_token, refresh: body.data.refresh_token };
}

/** A socket that showed its token: what became of it, and of one operation. */
export class TokenSocket {
  readonly #socket: WebSocket;
  /** Kept from the beginning: two may arrive at once. */
  readonly #messages: AsyncIterator<unknown[]>;
  /** The code and reason with which it was closed. */
  readonly closed: Promise<string>;

  constructor(url: string, token: string) {
    this.#socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    this.#messages = on(this.#socket, 'message');
    this.closed = once(this.#socket, 'close').then(([code, reason]) => `${code} ${reason}`);
    this.#socket.on('open', () => this.#send({
      type: 'connection_init', payload: { authorization: `Bearer ${token}` },
    }));
  }

  /** 'connection_ack', or how the socket was closed. */
  async greeted(): Promise<string> {
    return Promise.race([this.#next().then(({ type }) => type), this.closed]);
  }

  async run(query: string): Promise<{ readonly type: string; readonly payload: unknown }> {
    this.#send({ id: '1', type: 'subscribe', payload: { query } });
    // What is taken back in this moment closes the socket, and nothing is answered.
    const closed = this.closed.then((code) => (
      { type: 'error', payload: [{ extensions: { code } }] }));
    return Promise.race([this.#next(), closed]);
  }

  /** The operation under way is over. */
  async finished(): Promise<void> {
    while ((await this.#next()).type !== 'complete');
  }

  end(): void {
    this.#socket.terminate();
  }

  async #next(): Promise<{ readonly type: string; readonly payload: unknown }> {
    const { value: [text] } = await this.#messages.next() as { value: unknown[] };
    return JSON.parse(String(text)) as { type: string; payload: unknown };
  }

  #send(message: object): void {
    this.#socket.send(JSON.stringify(message));
  }
}

const ORDER_MUTATION = `mutation { createTopupOrder(input: { productId: 4218, amount: "4.99",
  inputData: [{ name: "player_id", value: "5123456789" }, { name: "server", value: "asia" }] })
  { order { orderId } userErrors { code } } }`;
const ORDER_BODY = {
  product_id: 4218, amount: 4.99, input_data: { player_id: '5123456789', server: 'asia' },
};

/** What a token gets at one transport: a code of ours, or OK. */
export interface Transport {
  readonly name: string;
  read(url: string, token: string, headers?: Record<string, string>): Promise<string>;
  create(url: string, token: string): Promise<string>;
}

const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });

async function restCode(response: Response): Promise<string> {
  const { error } = await response.json() as { error?: { code: string } };
  return error === undefined ? 'OK' : `${response.status} ${error.code}`;
}

async function graphqlCode(
  url: string,
  query: string,
  headers: Record<string, string>,
): Promise<string> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST', headers: { ...JSON_TYPE, ...headers }, body: JSON.stringify({ query }),
  });
  return codeOf(await response.json());
}

function codeOf(answer: unknown): string {
  const { errors } = answer as { errors?: readonly { extensions: { code: string } }[] };
  return errors?.[0]?.extensions.code ?? 'OK';
}

async function socketCode(url: string, token: string, query: string): Promise<string> {
  const socket = new TokenSocket(url, token);
  try {
    const greeting = await socket.greeted();
    if (greeting !== 'connection_ack') return greeting;
    const { type, payload } = await socket.run(query);
    return codeOf(type === 'error' ? { errors: payload } : payload);
  } finally {
    socket.end();
  }
}

const VIEWER = '{ viewer { name } }';

export const TRANSPORTS: readonly Transport[] = [
  {
    name: 'REST',
    read: async (url, token, headers) => restCode(await fetch(
      `${url}/api/v1/topups/orders?client_reference=none`, {
        headers: { ...bearer(token), ...headers },
      })),
    create: async (url, token) => restCode(await fetch(`${url}/api/v1/topups/orders`, {
      method: 'POST', headers: { ...JSON_TYPE, ...bearer(token) }, body: JSON.stringify(ORDER_BODY),
    })),
  },
  {
    name: 'GraphQL',
    read: (url, token, headers) => graphqlCode(url, VIEWER, { ...bearer(token), ...headers }),
    create: (url, token) => graphqlCode(url, ORDER_MUTATION, bearer(token)),
  },
  {
    name: 'WebSocket',
    read: (url, token) => socketCode(url, token, VIEWER),
    create: (url, token) => socketCode(url, token, ORDER_MUTATION),
  },
];
