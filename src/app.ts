import { randomUUID } from 'node:crypto';
import Fastify, { LogController, type FastifyBaseLogger, type FastifyInstance } from 'fastify';
import type { Access } from './domain/access.ts';
import type { WalletFeed } from './domain/follow-wallets.ts';
import type { Fulfilment } from './domain/fulfil-topup-order.ts';
import type { Mailer, MailQueue, NotificationStore } from './domain/mail.ts';
import type { OrderEvents } from './domain/order-events.ts';
import type { OrderLists } from './domain/order-list.ts';
import type { OrderFeed, Store } from './domain/ports.ts';
import { receiveCallback } from './domain/receive-callback.ts';
import type { OrderInquiry } from './domain/refresh-topup-order.ts';
import type { WalletLists } from './domain/wallet-list.ts';
import { busyAnswer } from './graphql/busy-answer.ts';
import { graphqlDoor, type GraphqlDeps, type GraphqlDoor } from './graphql/graphql-door.ts';
import { GRAPHQL_PATH } from './graphql/http-door.ts';
import type { AuthStories } from './rest/auth.routes.ts';
import type { ClientGuard } from './rest/client-guard.ts';
import { shareWithOrigins } from './rest/cross-origin.ts';
import { createHttpServer } from './rest/http-server.ts';
import { startMetrics, type MetricsSource, type ProcessGauge } from './rest/metrics.ts';
import { openPages, type PageSource } from './rest/pages.routes.ts';
import { rateHeaders } from './rest/rate-headers.ts';
import { listen, type ListenAt } from './rest/listeners.ts';
import {
  BUSY, busyTextOf, createLoadShedder, type ClientOf, type LoadShedder,
} from './rest/load-shedder.ts';
import { envelopeOptions, restDoor, setRestEnvelope } from './rest/rest-door.ts';
import { openStories } from './stories.ts';

export interface AppParts extends Access, ClientGuard {
  readonly auth: AuthStories;
  readonly clientOf: ClientOf;
  readonly store:
    Store & NotificationStore & OrderEvents & OrderInquiry & OrderLists & WalletLists;
  readonly feed: OrderFeed;
  readonly walletFeed: WalletFeed;
  readonly fulfilment: Fulfilment;
  readonly mailQueue: MailQueue;
  /** Null where no mail server is known: mail stays queued. */
  readonly mailer: Mailer | null;
  /** Removes up to `limit` positions of the feed that are too old; answers how many. */
  readonly removeFeedPositions: (limit: number) => Promise<number>;
  readonly isDatabaseReady: () => Promise<boolean>;
  readonly isMigrated: () => Promise<boolean>;
  readonly workerPulse: { beat(): void; silentMs(): number; unheardMs(): number };
  readonly countOpenWork: MetricsSource['countOpenWork'];
  readonly readGauges: () => Readonly<Record<
    Exclude<ProcessGauge, 'sockets' | 'workerSilentSeconds' | 'requestsWaiting'>, number
  >>;
  /** Orders that this process is placing. */
  readonly openOrderCount: () => number;
  /** Tells of new work, from this process and others; answers how to stop listening. */
  readonly onWork: (listener: () => void) => () => void;
  readonly log: FastifyBaseLogger;
}

export interface AppSettings {
  readonly keyHashingKey: string;
  readonly inlineWaitMs: number;
  readonly isIntrospectionAllowed: boolean;
  readonly httpText: GraphqlDeps['httpText'];
  readonly trustedDocuments: GraphqlDeps['trustedDocuments'];
  readonly allowedOrigins: readonly string[];
  readonly socketsPerClient: number;
  readonly subscriptionsPerSocket: number;
  readonly feedRetentionDays: number;
  /** Absent where no pages are served. */
  readonly pages?: PageSource | undefined;
}

export interface Running {
  /** Stops in order; repeated calls answer the same stop. */
  stop(): Promise<void>;
}

export interface Gateway extends Running {
  /** 'http://127.0.0.1:4000' */
  readonly url: string;
  readonly hasPages: boolean;
}

/** In place of Fastify's, which load for a tenth of a second: no schema is compiled here. */
function noCompiler(): never {
  throw new Error('The schema of a route that is not of the REST door would be compiled');
}

/** The three doors, listening. `port` 0 takes a free one. */
export async function startGateway(
  parts: AppParts,
  settings: AppSettings,
  at: ListenAt,
): Promise<Gateway> {
  const busy = busyAnswer(BUSY, settings.httpText);
  const shedder = createLoadShedder({
    clientOf: parts.clientOf,
    addressOf: parts.addressOf,
    textsByPath: { [GRAPHQL_PATH]: busyTextOf(busy.type, busy.bodyOf) },
  });
  const app = Fastify({
    ...envelopeOptions,
    loggerInstance: parts.log,
    // A line for each request costs more than the request; faults are logged where they occur.
    logController: new LogController({
      disableRequestLogging: true,
      requestIdLogLabel: 'requestId',
    }),
    schemaController: {
      compilersFactory: { buildValidator: noCompiler, buildSerializer: noCompiler },
    },
    genReqId: () => randomUUID(),
    serverFactory: (handler) =>
      createHttpServer(shareWithOrigins(shedder.shed(handler), settings.allowedOrigins), {
        socketPath: GRAPHQL_PATH,
      }),
  });
  setRestEnvelope(app);
  const doors = await openDoors(app, parts, settings, shedder);
  const listeners = await listen(app, at);
  let stopping: Promise<void> | null = null;
  return {
    url: listeners.url,
    hasPages: doors.hasPages,
    stop() {
      // Together: a socket may have an answer due for seconds, in which nobody else is to come.
      stopping ??= Promise.all([doors.close(), listeners.close()]).then(() => undefined);
      return stopping;
    },
  };
}

async function openDoors(
  app: FastifyInstance,
  parts: AppParts,
  settings: AppSettings,
  shedder: LoadShedder,
): Promise<{ readonly hasPages: boolean; close(): Promise<void> }> {
  const { fulfilment, workerPulse } = parts;
  const stopping = new AbortController();
  let graphql: GraphqlDoor | null = null;
  const metrics = startMetrics(app, {
    ...shedder,
    countOpenWork: parts.countOpenWork,
    readGauges: () => ({
      ...parts.readGauges(),
      sockets: graphql?.socketCount() ?? 0,
      workerSilentSeconds: workerPulse.unheardMs() / 1000,
      requestsWaiting: shedder.waitingCount(),
    }),
  });
  const stories = openStories({
    ...parts,
    hashingKey: settings.keyHashingKey,
    inlineWaitMs: settings.inlineWaitMs,
    stopping: stopping.signal,
    onInquiryError: (error) => parts.log.error({ err: error }, 'A supplier could not be asked'),
  });
  const pages = settings.pages === undefined ? null : await openPages(settings.pages);
  if (pages !== null) await app.register(pages.routes);
  else if (settings.pages !== undefined) parts.log.warn('The pages are not built: npm run build');
  await app.register(restDoor({
    ...parts,
    ...stories,
    clock: fulfilment.clock,
    cursorKey: settings.keyHashingKey,
    streamsPerClient: settings.socketsPerClient,
    receiveCallback: (raw) => receiveCallback(raw, fulfilment),
    workerSilentMs: () => workerPulse.silentMs(),
    metrics,
  }));
  const opened = graphql = await graphqlDoor(app, {
    ...parts,
    ...settings,
    ...stories,
    rateHeaders,
    clock: fulfilment.clock,
    cursorKey: settings.keyHashingKey,
    answerExplorer: pages?.answerExplorer,
  });
  return {
    hasPages: pages !== null,
    close() {
      stopping.abort('the gateway stops');
      return opened.close();
    },
  };
}
