import type { FastifyInstance, FastifyRequest } from 'fastify';
import { assertScope, type Access, type Caller, type Scope } from '../domain/access.ts';
import {
  RateLimited, takeAtMostAll, type RateClass, type RateLimits, type RateRequest, type RateVerdict,
} from '../domain/rate-limits.ts';
import { HttpRefusal } from './errors.ts';
import { headerValues } from './header-values.ts';
import type { AddressOf } from './peer-address.ts';
import { tellingRates } from './rate-headers.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The client behind the token; 0 outside of the routes that ask for one. */
    clientId: number;
    /** The client behind the token, and the token; null outside of those routes. */
    caller: Caller | null;
    /** What it was charged; null outside of those routes. */
    charge: Charge | null;
  }
  interface FastifyContextConfig {
    /** What the key must be allowed; 'any' where any key will do. */
    scope?: Scope | 'any';
    rateClass?: RateClass;
    /** Tokens that a request takes, by its path and query; one unless said. */
    rateCount?: (request: FastifyRequest) => number;
  }
}

interface Charge {
  readonly rateClass: RateClass;
  readonly count: number;
  readonly verdict: RateVerdict;
}

export interface ClientGuard extends Pick<Access, 'authenticate' | 'isStillAdmitted' | 'catchUp'> {
  readonly addressOf: AddressOf;
  readonly rateLimits: RateLimits;
}

/**
 * Lets nobody into the routes of `app` without a token, from a wrong address, for what the key may
 * not do or too often; all of it before any body is read. A route that says nothing of itself
 * reads where it is a GET, and writes otherwise.
 */
export function requireClient(app: FastifyInstance, guard: ClientGuard): void {
  app.decorateRequest('clientId', 0);
  app.decorateRequest('caller', null);
  app.decorateRequest('charge', null);
  app.addHook('onRequest', async (request, reply) => {
    const caller = await authenticated(request, guard);
    const {
      scope = scopeOf(request.method), rateClass = 'read', rateCount = () => 1,
    } = request.routeOptions.config;
    if (scope !== 'any') assertScope(caller, scope);
    const { clientId } = caller;
    request.charge = await take(tellingRates(reply, guard.rateLimits), {
      clientId, class: rateClass, count: rateCount(request),
    });
    request.clientId = clientId;
    request.caller = caller;
  });
  app.addHook('preHandler', async ({ caller }) => {
    // A body may take half a minute, in which the token may have been taken back.
    await guard.catchUp();
    if (caller !== null && !guard.isStillAdmitted(caller)) throw invalidToken();
  });
}

/** Of a client that may have fewer in a minute, as many as it may have. @throws RateLimited */
async function take(rateLimits: RateLimits, wanted: RateRequest): Promise<Charge> {
  const { class: rateClass } = wanted;
  const verdict = await takeAtMostAll(rateLimits, wanted);
  if (!verdict.isAdmitted) throw new RateLimited(rateClass, verdict);
  return { rateClass, count: verdict.count, verdict };
}

/** @throws HttpRefusal 401, or Forbidden */
async function authenticated(request: FastifyRequest, guard: ClientGuard): Promise<Caller> {
  // Of two, a proxy may have judged the other.
  const values = headerValues(request.raw.rawHeaders, 'authorization');
  if (values.length === 0) throw unauthorized('Authorization header required');
  const address = guard.addressOf(request.raw);
  const caller = values.length === 1
    ? await guard.authenticate({ authorization: values[0], address })
    : null;
  if (caller === null) throw invalidToken();
  return caller;
}

function invalidToken(): HttpRefusal {
  return unauthorized('Invalid or expired token');
}

function scopeOf(method: string): Scope {
  return method === 'GET' || method === 'HEAD' ? 'read' : 'orders:write';
}

/** A refusal that says which kind of token is wanted. */
function unauthorized(message: string): HttpRefusal {
  return new HttpRefusal(401, { message, headers: { 'www-authenticate': 'Bearer' } });
}
