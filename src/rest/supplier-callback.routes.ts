import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { RawCallback } from '../domain/fulfilment-ports.ts';
import type { CallbackResult } from '../domain/receive-callback.ts';
import { TemporarilyUnavailable } from '../domain/rejection.ts';
import { HttpRefusal } from './errors.ts';
import { assertPlainUtf8, BODY_BYTES_MAX } from './json-body.ts';
import { supplierCallbackSchema } from './supplier-callback.schemas.ts';

/** A worker that holds the order is done with its step, or has lost it, soon after. */
const TRY_LATER_MS = 1000;

export interface CallbackGate {
  readonly receiveCallback: (
    raw: RawCallback & { readonly supplierCode: string },
  ) => Promise<CallbackResult>;
}

/** Where suppliers report. The body stays as it came: the signature covers its bytes. */
export function supplierCallbackRoutes(app: FastifyInstance, deps: CallbackGate): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    /^application\/(?:[\w.-]+\+)?json(?:;|$)/,
    { parseAs: 'buffer', bodyLimit: BODY_BYTES_MAX },
    async (request: FastifyRequest, body: Buffer) => {
      assertPlainUtf8(request);
      return body;
    },
  );
  app.post<{ Params: { supplier: string }; Body: Buffer | undefined }>(
    '/callbacks/fulfilment/:supplier',
    { schema: supplierCallbackSchema },
    async ({ params, headers, body, log }, reply) => {
      const result = await deps.receiveCallback({
        supplierCode: params.supplier, headers, body: body ?? new Uint8Array(),
      });
      if (result === 'KEPT') {
        log.warn({ supplier: params.supplier }, 'A callback of an unknown order was kept');
      }
      if (result === 'NOT_UNDERSTOOD') {
        log.warn({ supplier: params.supplier }, 'A signed callback was not understood');
      }
      reply.code(statusOf(result));
      return { result };
    },
  );
}

/**
 * @throws HttpRefusal for what is not authentic or not understood
 * @throws TemporarilyUnavailable to hear it again
 */
function statusOf(result: CallbackResult): 200 | 202 {
  switch (result) {
    case 'DONE':
      return 200;
    case 'KEPT':
      return 202;
    case 'REFUSED':
      throw new HttpRefusal(401, { message: 'Callback refused' });
    case 'NOT_UNDERSTOOD':
      throw new HttpRefusal(400, { message: 'Callback not understood' });
    case 'TRY_LATER':
      throw new TemporarilyUnavailable('Order is being worked on, please retry', TRY_LATER_MS);
  }
}
