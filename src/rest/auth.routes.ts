import type { FastifyInstance } from 'fastify';
import type { LoggedIn, Signed } from '../domain/log-in.ts';
import { shownMoment } from '../domain/moment.ts';
import type { RateLimits } from '../domain/rate-limits.ts';
import { loginSchema, logoutSchema, refreshSchema } from './auth.schemas.ts';
import { invalidBody, type JsonObject } from './json-body.ts';
import type { AddressOf } from './peer-address.ts';
import { tellingRates } from './rate-headers.ts';

type WithBody = { Body: JsonObject | undefined };

export interface AuthStories {
  readonly logIn: (
    shown: { readonly username: unknown; readonly password: unknown; readonly address: string },
    rateLimits: RateLimits,
  ) => Promise<LoggedIn>;
  readonly refreshTokens: (
    shown: { readonly refreshToken: unknown; readonly address: string },
    rateLimits: RateLimits,
  ) => Promise<LoggedIn>;
  readonly logOut: (clientId: number) => Promise<void>;
}

interface AuthRoutes {
  readonly auth: AuthStories;
  readonly addressOf: AddressOf;
  readonly rateLimits: RateLimits;
}

/** From a key to tokens, and from a refresh token to newer ones. `app` reads JSON bodies. */
export function loginRoutes(app: FastifyInstance, deps: AuthRoutes): void {
  const { auth, addressOf, rateLimits } = deps;
  app.post<WithBody>('/auth/login', { schema: loginSchema }, async ({ body, raw }, reply) => {
    reply.header('cache-control', 'no-store');
    if (body === undefined) throw invalidBody();
    const { username, password } = body;
    const shown = { username, password, address: addressOf(raw) };
    return tokensOut(await auth.logIn(shown, tellingRates(reply, rateLimits)));
  });

  app.post<WithBody>('/auth/refresh', { schema: refreshSchema }, async ({ body, raw }, reply) => {
    reply.header('cache-control', 'no-store');
    if (body === undefined) throw invalidBody();
    const shown = { refreshToken: body['refresh_token'], address: addressOf(raw) };
    return tokensOut(await auth.refreshTokens(shown, tellingRates(reply, rateLimits)));
  });
}

/** `app` knows its client. */
export function logoutRoute(app: FastifyInstance, { auth }: Pick<AuthRoutes, 'auth'>): void {
  app.post('/auth/logout', {
    schema: logoutSchema, config: { scope: 'any' },
  }, async ({ clientId }) => {
    await auth.logOut(clientId);
    return { success: true, data: {} };
  });
}

/** Unlike everything under /api, the answers of /auth are wrapped. */
function tokensOut({ clientId, access, refresh }: LoggedIn): object {
  return {
    success: true,
    data: {
      access_token: access.token,
      refresh_token: refresh.token,
      access_expires_at: endOut(access),
      refresh_expires_at: endOut(refresh),
      client_id: clientId,
    },
  };
}

function endOut({ expiresAt }: Signed): string {
  return shownMoment(expiresAt);
}
