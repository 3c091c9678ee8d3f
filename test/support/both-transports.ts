import { once } from 'node:events';

import { WebSocket } from 'ws';

import { authorization, JSON_TYPE } from './doors.ts';
import type { World } from './world.ts';

/** What became of a request: a code of ours, or what its data says. */
export type Verdict = string;

interface Answer {
  readonly data?: Readonly<Record<string, unknown>> | null;
  readonly errors?: readonly { readonly extensions?: { readonly code?: string } }[];
}

const TOO_LARGE = 'PAYLOAD_TOO_LARGE';

/** The code of the first error, or of the first userError; PLACED or DATA where there is none. */
function verdictOf({ data, errors }: Answer): Verdict {
  if (errors !== undefined) return errors[0]?.extensions?.code ?? 'an error without a code';
  for (const value of Object.values(data ?? {})) {
    const { userErrors } = (value ?? {}) as { userErrors?: readonly { code: string }[] };
    if (userErrors !== undefined) return userErrors[0]?.code ?? 'PLACED';
  }
  return 'DATA';
}

/** Sends the text as the body of a POST. */
export async function byPost(world: World, body: string): Promise<Verdict> {
  const response = await fetch(`${world.gateway.url}/graphql`, {
    method: 'POST', headers: { ...JSON_TYPE, ...authorization(world, 1) }, body,
  });
  if (response.status >= 500) return `status ${response.status}`;
  return verdictOf(await response.json() as Answer);
}

/** Sends the parameters of a body in the URL; null where they do not fit into one. */
export async function byGet(world: World, body: string): Promise<Verdict | null> {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(JSON.parse(body) as Record<string, unknown>)) {
    search.set(name, typeof value === 'string' ? value : JSON.stringify(value));
  }
  if (String(search).length > 8_000) return null;
  const response = await fetch(`${world.gateway.url}/graphql?${search}`, {
    headers: authorization(world, 1),
  });
  if (response.status >= 500) return `status ${response.status}`;
  return verdictOf(await response.json() as Answer);
}

/** Sends the text as the payload of a `subscribe`, over a socket of its own. */
export async function bySocket(world: World, payload: string): Promise<Verdict> {
  const url = `${world.gateway.url.replace('http', 'ws')}/graphql`;
  const socket = new WebSocket(url, 'graphql-transport-ws');
  try {
    await once(socket, 'open');
    socket.send(JSON.stringify({ type: 'connection_init', payload: authorization(world, 1) }));
    await once(socket, 'message');
    socket.send(`{"id":"1","type":"subscribe","payload":${payload}}`);
    return await Promise.race([
      once(socket, 'message').then(([text]) => verdictOfMessage(String(text))),
      once(socket, 'close').then(([code]) => verdictOfClose(Number(code))),
    ]);
  } finally {
    socket.terminate();
  }
}

function verdictOfMessage(text: string): Verdict {
  const { type, payload } = JSON.parse(text) as { type: string; payload: unknown };
  if (type === 'next') return verdictOf(payload as Answer);
  return verdictOf({ errors: payload as Exclude<Answer['errors'], undefined> });
}

/** What no operation could be made of ends the socket, as the protocol has it. */
function verdictOfClose(code: number): Verdict {
  return { 1009: TOO_LARGE, 4400: 'BAD_REQUEST' }[code] ?? `close ${code}`;
}
