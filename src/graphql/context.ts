import type { IncomingMessage } from 'node:http';
import type { FastifyReply } from 'fastify';
import type { Access, Scope } from '../domain/access.ts';
import type { WalletFeed } from '../domain/follow-wallets.ts';
import type { OrderEvents } from '../domain/order-events.ts';
import type { OrderLists } from '../domain/order-list.ts';
import type { OrderStories } from '../domain/order-stories.ts';
import type { Clock, OrderFeed, Store } from '../domain/ports.ts';
import type { RateClass, RateLimits, RateVerdict } from '../domain/rate-limits.ts';
import type { WalletLists } from '../domain/wallet-list.ts';
import type { HttpTextName } from './http-text.ts';
import { createLoaders, type Loaders } from './loaders.ts';
import type { Log } from './log.ts';
import type { TrustedDocuments } from './persisted-documents.ts';

/** What this door needs of the rest of the program. */
export interface GraphqlDeps extends Access, Omit<OrderStories, 'refreshTopupOrder'> {
  readonly store: Store & OrderEvents & OrderLists & WalletLists;
  readonly feed: OrderFeed;
  readonly walletFeed: WalletFeed;
  /** From where a request, or the upgrade to a socket, came. */
  readonly addressOf: (request: IncomingMessage) => string;
  readonly rateLimits: RateLimits;
  /** What an HTTP answer says of a limit, in the words of all HTTP doors. */
  readonly rateHeaders:
    (rateClass: RateClass, verdict: RateVerdict) => Readonly<Record<string, string>>;
  readonly clock: Clock;
  /** HMAC key of the cursors; the same in every process over one database. */
  readonly cursorKey: string;
  readonly isIntrospectionAllowed: boolean;
  readonly httpText: HttpTextName;
  readonly trustedDocuments: TrustedDocuments;
  readonly socketsPerClient: number;
  /** Of all clients in this process; SOCKETS_MAX by default. */
  readonly socketsMax?: number;
  readonly subscriptionsPerSocket: number;
  /** For how long a cursor of the feed can be gone on from; told to every socket. */
  readonly feedRetentionDays: number;
  /** Shows the explorer to a browser; absent where there are no pages. */
  readonly answerExplorer?: ((reply: FastifyReply) => Promise<FastifyReply>) | undefined;
  readonly log: Log;
}

/** Who asks, and under which id we answer. */
export interface Asker {
  readonly clientId: number;
  readonly scopes: readonly Scope[];
  readonly requestId: string;
}

/** What every resolver gets: the caller, one operation's (or one event's) loaders, the ports. */
export interface OperationContext extends Asker {
  readonly loaders: Loaders;
  /** The order that this operation has placed or cancelled so far. */
  readonly moved: { orderId: number | null };
  readonly deps: GraphqlDeps;
}

/** A context with loaders of its own: nothing that was read is kept for the next operation. */
export function operationContext(
  deps: GraphqlDeps,
  asker: Asker,
): OperationContext {
  const { clientId, scopes, requestId } = asker;
  const loaders = createLoaders(deps.store, asker);
  return { clientId, scopes, requestId, loaders, moved: { orderId: null }, deps };
}

/**
 * How graphql-js executes, over both transports. Each fault of a variable is told with the whole
 * variable in its text, until it is masked: fifty of them took a third of a second.
 */
export const EXECUTION_OPTIONS = { maxCoercionErrors: 5 } as const;
