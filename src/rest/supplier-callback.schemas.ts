import { z } from 'zod';
import { jsonAnswer, refusal, timeSchema } from './envelope.schemas.ts';
import { refused, type RouteExamples } from './examples.ts';

const result = (word: 'DONE' | 'KEPT') => z.object({
  result: z.literal(word).meta({ examples: [word] }),
});

const examples: RouteExamples = {
  request: {
    delivered: {
      summary: 'A final outcome, as the sandbox supplier tells it',
      value: {
        event_id: 'evt_1',
        occurred_at: '2026-05-19T14:30:02Z',
        reference: '1-2-1',
        status: 'DELIVERED',
      },
    },
    rejected: {
      summary: 'A refusal',
      value: {
        event_id: 'evt_2',
        occurred_at: '2026-05-19T14:30:03Z',
        reference: '1-3-1',
        status: 'REJECTED',
        code: 'INVALID-CREDIT-PARTY',
      },
    },
  },
  answers: {
    200: { DONE: { summary: 'Applied, or known already', value: { result: 'DONE' } } },
    202: {
      KEPT: {
        summary: 'Kept for a day, until its order is known', value: { result: 'KEPT' },
      },
    },
    400: refused(400, 'Callback not understood'),
    401: refused(401, 'Callback refused'),
    503: refused(503, 'Order is being worked on, please retry'),
  },
};

export const supplierCallbackSchema = {
  operationId: 'receiveSupplierCallback',
  summary: 'Tell how fulfilment went',
  description: 'For suppliers. X-Signature is the HMAC-SHA256, in lower-case hex, of X-Timestamp, '
    + 'a full stop and the bytes of the body, by a key that the supplier and we share. The form of '
    + 'the body is the supplier\'s own; this is the sandbox supplier\'s. Repeated callbacks change '
    + 'nothing.',
  tags: ['Suppliers'],
  security: [{ supplierSignature: [] }],
  params: z.object({
    supplier: z.string().meta({ description: 'The supplier\'s code.', examples: ['sandbox-a'] }),
  }),
  headers: z.object({
    'x-timestamp': z.string().meta({
      description: 'Seconds since 1970, at most 5 minutes off.', examples: ['1779201002'],
    }),
  }),
  body: z.looseObject({
    event_id: z.string().meta({ description: 'The same where it is told again.' }),
    occurred_at: timeSchema('When it happened.'),
    reference: z.string().meta({ description: 'Our reference of the submission.' }),
    status: z.enum(['PROCESSING', 'DELIVERED', 'REJECTED', 'DECLINED', 'REVERSED']).meta({
      description: 'What became of it: taken and under way; delivered; refused for the reason in '
        + '`code`; refused for none; taken back after it was delivered.',
      examples: ['DELIVERED'],
    }),
    code: z.enum([
      'INVALID-CREDIT-PARTY', 'BARRED-CREDIT-PARTY', 'INELIGIBLE-CREDIT-PARTY',
      'LIMITATIONS-ON-CREDIT-PARTY-AMOUNT', 'OPERATOR-CURRENTLY-UNAVAILABLE',
      'LIMITATIONS-ON-OPERATOR', 'LIMITATIONS-ON-CUSTOMER', 'PRODUCT-UNAVAILABLE', 'OUT-OF-STOCK',
      'INVALID-AMOUNT',
    ]).optional().meta({ description: 'Why, with `REJECTED`: without it nothing is understood.' }),
    receipt: z.record(z.string(), z.string()).optional().meta({
      description: 'What the client is shown of a delivery: a PIN, a serial number.',
      examples: [{ pin: '1234-5678-9012' }],
    }),
  }).meta({ id: 'SandboxCallback' }),
  response: {
    200: jsonAnswer('Applied, or known already.', result('DONE')),
    202: jsonAnswer('Kept for a day: no such order is known yet.', result('KEPT')),
    400: refusal('Not understood.'),
    401: refusal('Not authentic, too old, or not from this supplier.'),
    503: refusal('A worker holds the order, or too much is to be done; send it again.'),
  },
  'x-examples': examples,
};
