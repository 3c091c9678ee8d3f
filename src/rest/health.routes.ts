import type { FastifyInstance } from 'fastify';

export interface Readiness {
  readonly ok: boolean;
  readonly checks: Readonly<Record<string, boolean>>;
}

export interface HealthProbe {
  /** Whether requests can be served; a rejection counts as "no". */
  readonly readiness: () => Promise<Readiness>;
}

/** `/livez`: the process serves. `/readyz`: what it depends on is there too. */
export function healthRoutes(app: FastifyInstance, { readiness }: HealthProbe): void {
  app.get('/livez', async (_request, reply) => {
    reply.header('cache-control', 'no-store');
    return { ok: true };
  });
  app.get('/readyz', async (request, reply) => {
    const { ok, checks } = await readiness().catch((error: unknown) => {
      request.log.warn({ err: error }, 'readiness could not be told');
      return { ok: false, checks: {} };
    });
    reply.code(ok ? 200 : 503).header('cache-control', 'no-store');
    return { ok, checks };
  });
}
