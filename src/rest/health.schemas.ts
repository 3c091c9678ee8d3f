import { z } from 'zod';
import { jsonAnswer } from './envelope.schemas.ts';
import type { RouteExamples } from './examples.ts';

const TAGS = ['Health'];
const NO_TOKEN: readonly Record<string, readonly string[]>[] = [];

const readiness = z.object({
  ok: z.boolean().meta({ description: 'Whether requests are served.', examples: [true] }),
  checks: z.object({
    database: z.boolean().meta({ description: 'It answers.', examples: [true] }),
    migrations: z.boolean().meta({
      description: 'It has all migrations of this program.', examples: [true],
    }),
    worker: z.boolean().meta({
      description: 'A worker was heard within 15 seconds. Without one, orders are taken and wait, '
        + 'so `ok` does not depend on it.',
      examples: [true],
    }),
  }),
}).meta({ id: 'Readiness' });

const alive: RouteExamples = {
  answers: { 200: { alive: { summary: 'It serves', value: { ok: true } } } },
};
const ready: RouteExamples = {
  answers: {
    200: {
      ready: {
        summary: 'Ready',
        value: { ok: true, checks: { database: true, migrations: true, worker: true } },
      },
    },
    503: {
      unready: {
        summary: 'Not ready',
        value: { ok: false, checks: { database: false, migrations: false, worker: true } },
      },
    },
  },
};

export const livezSchema = {
  operationId: 'getLiveness',
  summary: 'Whether the process serves',
  description: 'Asks nothing else: restart the process where this does not answer.',
  tags: TAGS,
  security: NO_TOKEN,
  response: { 200: jsonAnswer('It serves.', z.object({ ok: z.literal(true) })) },
  'x-examples': alive,
};

export const readyzSchema = {
  operationId: 'getReadiness',
  summary: 'Whether requests can be served',
  description: 'Send no requests here while it answers 503.',
  tags: TAGS,
  security: NO_TOKEN,
  response: {
    200: jsonAnswer('All that requests depend on is there.', readiness),
    503: jsonAnswer('Something that requests depend on is away.', readiness),
  },
  'x-examples': ready,
};

export const metricsSchema = {
  operationId: 'getMetrics',
  summary: 'Metrics',
  description: 'What is open and how requests go, in Prometheus\' text form.',
  tags: TAGS,
  security: NO_TOKEN,
  response: {
    200: {
      description: 'The metrics.',
      content: { 'text/plain': { schema: z.string() } },
    },
  },
  'x-examples': {
    answers: {
      200: {
        pending: {
          summary: 'Among others',
          value: '# TYPE topup_orders_pending gauge\ntopup_orders_pending 4\n',
        },
      },
    },
  } satisfies RouteExamples,
};
