import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import { livezSchema, metricsSchema, readyzSchema } from './health.schemas.ts';
import type { Metrics } from './metrics.ts';
import { shareAnswer } from './share-answer.ts';

/** A worker that is alive says so more often. */
const WORKER_SILENT_MS_MAX = 15_000;

export interface HealthProbe {
  readonly isDatabaseReady: () => Promise<boolean>;
  /** Whether the database has all migrations of this program. */
  readonly isMigrated: () => Promise<boolean>;
  /** Since any worker of this database was heard last; Infinity where none was. */
  readonly workerSilentMs: () => number;
  readonly metrics: Metrics;
}

/**
 * `/livez`: the process serves. `/readyz`: what it depends on is there too. `/metrics`: what is
 * open and how requests go, in Prometheus' text form.
 */
export function healthRoutes(app: FastifyInstance, probe: HealthProbe): void {
  const { metrics } = probe;
  const isDatabaseReady = shareAnswer(probe.isDatabaseReady);
  const isMigrated = shareAnswer(probe.isMigrated);
  app.get('/livez', { schema: livezSchema }, async () => ({ ok: true }));
  app.get('/readyz', { schema: readyzSchema }, async (request, reply) => {
    const database = await isTrue(isDatabaseReady(), request.log);
    const migrations = database && await isTrue(isMigrated(), request.log);
    const worker = probe.workerSilentMs() <= WORKER_SILENT_MS_MAX;
    // Without a worker, orders are still taken and wait for it: to refuse them would help nobody.
    const ok = database && migrations;
    reply.code(ok ? 200 : 503);
    return { ok, checks: { database, migrations, worker } };
  });
  app.get('/metrics', { schema: metricsSchema }, async (_request, reply) => {
    reply.header('content-type', metrics.contentType);
    return metrics.write();
  });
}

async function isTrue(check: Promise<boolean>, log: FastifyBaseLogger): Promise<boolean> {
  return check.catch((error: unknown) => {
    log.warn({ err: error }, 'readiness could not be told');
    return false;
  });
}
