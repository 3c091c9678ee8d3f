import type { FastifyInstance } from 'fastify';
import { livezSchema, metricsSchema, readyzSchema } from './health.schemas.ts';

export interface Readiness {
  readonly ok: boolean;
  readonly checks: Readonly<Record<string, boolean>>;
}

export interface HealthProbe {
  /** Whether requests can be served; a rejection counts as "no". */
  readonly readiness: () => Promise<Readiness>;
  /** Orders and cases that are open, by what they wait for. */
  readonly countOpenWork: () => Promise<Readonly<Record<OpenWork, number>>>;
}

const GAUGES = {
  ordersPending: ['topup_orders_pending', 'Orders that have not ended yet.'],
  ordersInReview: ['topup_orders_in_review', 'Pending orders that wait for a person.'],
  ordersOverdue: ['topup_orders_overdue', 'Pending orders whose next action is 2 minutes late.'],
  casesOpen: ['topup_reconciliation_cases_open', 'News that contradict an order, unsettled.'],
} as const;
export type OpenWork = keyof typeof GAUGES;

/**
 * `/livez`: the process serves. `/readyz`: what it depends on is there too. `/metrics`: what is
 * open, in Prometheus' text form.
 */
export function healthRoutes(app: FastifyInstance, probe: HealthProbe): void {
  const { readiness, countOpenWork } = probe;
  app.get('/livez', { schema: livezSchema }, async (_request, reply) => {
    reply.header('cache-control', 'no-store');
    return { ok: true };
  });
  app.get('/readyz', { schema: readyzSchema }, async (request, reply) => {
    const { ok, checks } = await readiness().catch((error: unknown) => {
      request.log.warn({ err: error }, 'readiness could not be told');
      return { ok: false, checks: {} };
    });
    reply.code(ok ? 200 : 503).header('cache-control', 'no-store');
    return { ok, checks };
  });
  app.get('/metrics', { schema: metricsSchema }, async (_request, reply) => {
    const counts = await countOpenWork();
    reply.header('content-type', 'text/plain; version=0.0.4; charset=utf-8');
    return Object.entries(GAUGES).map(([key, [name, help]]) => (
      `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${name} ${counts[key as OpenWork]}\n`
    )).join('');
  });
}
