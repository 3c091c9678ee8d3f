import type { FastifyInstance } from 'fastify';
import type { Authenticate } from '../domain/ports.ts';
import { HttpRefusal } from './errors.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The client behind the token; 0 outside of the routes that ask for one. */
    clientId: number;
  }
}

/** Lets nobody into the routes of `app` without a token, before any body is read. */
export function requireClient(app: FastifyInstance, authenticate: Authenticate): void {
  app.decorateRequest('clientId', 0);
  app.addHook('onRequest', async (request) => {
    const values = authorizationValues(request.raw.rawHeaders);
    if (values.length === 0) throw unauthorized('Authorization header required');
    const caller = values.length === 1 ? await authenticate(values[0]) : null;
    if (caller === null) throw unauthorized('Invalid or expired token');
    request.clientId = caller.clientId;
  });
}

/** All that were sent: Node keeps only the first of two, and a proxy may have judged the other. */
function authorizationValues(rawHeaders: readonly string[]): readonly string[] {
  const values: string[] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    if (rawHeaders[at]?.toLowerCase() === 'authorization') values.push(rawHeaders[at + 1] ?? '');
  }
  return values;
}

function unauthorized(message: string): HttpRefusal {
  return new HttpRefusal(401, { message, headers: { 'www-authenticate': 'Bearer' } });
}
