import type { FastifyInstance } from 'fastify';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { shareAnswer } from './share-answer.ts';

/** Upper bounds in seconds, from an answer out of memory to the end of our patience. */
const SECONDS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
/** Strangers choose the paths of what is not found: they share one label. */
const NO_ROUTE = 'none';

const OPEN_WORK = {
  ordersPending: ['topup_orders_pending', 'Orders that have not ended yet.'],
  ordersInReview: ['topup_orders_in_review', 'Pending orders that wait for a person.'],
  ordersPastWindow: [
    'topup_orders_past_window', 'Pending orders that nobody took in all of the retry window.',
  ],
  ordersOverdue: ['topup_orders_overdue', 'Pending orders whose next action is 2 minutes late.'],
  casesOpen: ['topup_reconciliation_cases_open', 'News that contradict an order, unsettled.'],
  eventsUnnumbered: ['topup_events_unnumbered', 'Committed events without a place in a feed.'],
  mailsUndeliverable: ['topup_mails_undeliverable', 'Mail that was given up, kept for a person.'],
} as const;
export type OpenWork = keyof typeof OPEN_WORK;

const PROCESS = {
  connections: ['topup_database_connections', 'Database connections of the pool.'],
  connectionsIdle: ['topup_database_connections_idle', 'Those of them that are free.'],
  connectionsAwaited: ['topup_database_connections_awaited', 'Queries that wait for one.'],
  ordersWaiting: ['topup_orders_waiting_to_be_placed', 'Creates whose placing call waits.'],
  sockets: ['topup_sockets', 'WebSockets that are open.'],
  requestsWaiting: ['topup_requests_waiting', 'Requests that have not begun.'],
  workerSilentSeconds:
    ['topup_worker_silent_seconds', 'Since any worker was heard last, or the process began.'],
} as const;
export type ProcessGauge = keyof typeof PROCESS;

export interface MetricsSource {
  /** Orders, cases and events that are open, by what they wait for; one query. */
  readonly countOpenWork: () => Promise<Readonly<Record<OpenWork, number>>>;
  /** Of this process, out of memory. */
  readonly readGauges: () => Readonly<Record<ProcessGauge, number>>;
  /** Requests that were refused before they began, since the start of this process. */
  readonly refusedCount: () => number;
}

export interface Metrics {
  /** Prometheus' text form; what the database cannot tell now is NaN. */
  readonly write: () => Promise<string>;
  readonly contentType: string;
}

/** Times every request of `app` from now on, by the template of its route. */
export function startMetrics(app: FastifyInstance, source: MetricsSource): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  timeRequests(app, registry);
  new Counter({
    name: 'topup_requests_refused_total',
    help: 'Requests refused with 503 before they began.',
    registers: [registry],
    collect() {
      this.reset();
      this.inc(source.refusedCount());
    },
  });
  const openWork = gaugesOf(OPEN_WORK, registry);
  const ofProcess = gaugesOf(PROCESS, registry);
  return {
    contentType: registry.contentType,
    write: shareAnswer(async () => {
      const counts = await source.countOpenWork().catch(() => null);
      for (const [key, gauge] of openWork) gauge.set(counts?.[key] ?? Number.NaN);
      const values = source.readGauges();
      for (const [key, gauge] of ofProcess) gauge.set(values[key]);
      return registry.metrics();
    }),
  };
}

function gaugesOf<Key extends string>(
  table: Readonly<Record<Key, readonly [name: string, help: string]>>,
  registry: Registry,
): readonly (readonly [Key, Gauge])[] {
  const entries = Object.entries(table) as [Key, readonly [string, string]][];
  return entries.map(([key, [name, help]]) => (
    [key, new Gauge({ name, help, registers: [registry] })] as const
  ));
}

function timeRequests(app: FastifyInstance, registry: Registry): void {
  const durations = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'From when a request begins to the end of its answer.',
    labelNames: ['method', 'route', 'status'],
    buckets: SECONDS,
    registers: [registry],
  });
  app.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? NO_ROUTE;
    durations.observe(
      { method: request.method, route, status: reply.statusCode }, reply.elapsedTime / 1000,
    );
    done();
  });
}
