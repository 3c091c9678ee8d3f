import { createClient, type Client } from 'graphql-ws';
import { afterEach } from 'vitest';
import WebSocket from 'ws';

/** One subscription over a socket of its own, and what it was told so far. */
export interface Following<Edge> {
  readonly edges: readonly Edge[];
  /** 'complete', the errors that ended it, or the event that closed the socket. */
  readonly ended: Promise<unknown>;
  readonly stop: () => void;
  /** Resolves with as many edges; fails where they do not come. */
  until(count: number): Promise<readonly Edge[]>;
  /** Resolves once an edge is as asked for. */
  untilEdge(isWanted: (edge: Edge) => boolean): Promise<Edge>;
}

export interface Subscribing {
  readonly url: string;
  readonly token: string;
  readonly query: string;
  readonly variables?: object;
}

const WAIT_MS_MAX = 60_000;

const clients = new Set<Client>();

/** Follows subscriptions; all that a test opened are closed after it. */
export function useSubscriptions(): {
  follow<Edge>(options: Subscribing): Following<Edge>;
  closeAll(): Promise<void>;
} {
  const closeAll = async (): Promise<void> => {
    const open = [...clients];
    clients.clear();
    await Promise.all(open.map(async (client) => client.dispose()));
  };
  afterEach(closeAll);
  return { follow, closeAll };
}

function follow<Edge>({ url, token, query, variables }: Subscribing): Following<Edge> {
  const client = createClient({
    url: `${url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${token}` },
    retryAttempts: 0,
  });
  clients.add(client);
  const edges: Edge[] = [];
  const waiting = new Set<() => void>();
  let stop = (): void => undefined;
  const ended = new Promise<unknown>((resolve) => {
    stop = client.subscribe<Record<string, Edge>>({ query, variables: { ...variables } }, {
      next: ({ data, errors }) => {
        if (errors !== undefined) resolve(errors);
        if (data) edges.push(...Object.values(data));
        for (const look of waiting) look();
      },
      error: resolve,
      complete: () => resolve('complete'),
    });
  });
  const untilFound = <Found>(find: () => Found | undefined): Promise<Found> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error(`Not among ${edges.length} edges: ${JSON.stringify(edges.slice(-5))}`));
      }, WAIT_MS_MAX);
      const look = (): void => {
        const found = find();
        if (found === undefined) return;
        clearTimeout(timer);
        waiting.delete(look);
        resolve(found);
      };
      waiting.add(look);
      look();
    });
  return {
    edges,
    ended,
    stop: () => stop(),
    until: (count) => untilFound(() => (edges.length >= count ? edges : undefined)),
    untilEdge: (isWanted) => untilFound(() => edges.find(isWanted)),
  };
}
