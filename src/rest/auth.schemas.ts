import { z } from 'zod';
import { idSchema, jsonAnswer, refusal, timeSchema } from './envelope.schemas.ts';
import * as examples from './auth.examples.ts';

const TAGS = ['Authentication'];
const NO_TOKEN: readonly Record<string, readonly string[]>[] = [];

const ADDRESS_NOT_ALLOWED = refusal('The client may not call from this address.');
const TOO_MANY = refusal('Too many of these; come back after `Retry-After`.');
const AWAY = refusal('Not now: the gateway has too much to do, is restarting, or its database '
  + 'is away.');

const tokens = z.object({
  success: z.literal(true),
  data: z.object({
    access_token: z.string().meta({
      description: 'Shown as `Authorization: Bearer …` with every request.',
      examples: ['eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl'],
    }),
    refresh_token: z.string().meta({
      description: 'Good for one refresh.', examples: ['eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl'],
    }),
    access_expires_at: timeSchema('When the access token ends, an hour from now.'),
    refresh_expires_at: timeSchema('When the refresh token ends, seven days from now.'),
    client_id: idSchema('The client behind the key.', 1),
  }),
}).meta({ id: 'Tokens' });

export const loginSchema = {
  operationId: 'login',
  summary: 'Log in with an API key',
  description: 'Gives an access token for an hour and a refresh token for seven days.',
  tags: TAGS,
  security: NO_TOKEN,
  body: z.object({
    username: z.string().meta({
      description: 'The API key.', examples: ['tgk_sandbox_1_00000000000000d1'],
    }),
    password: z.string().meta({
      description: 'Its secret, as shown when the key was made.', examples: ['tgs_sandbox_…'],
    }),
  }).meta({ id: 'Login' }),
  response: {
    200: jsonAnswer('The tokens.', tokens),
    400: refusal('A field is missing.'),
    401: refusal('There is no such key, the secret is another, or the key was revoked.'),
    403: ADDRESS_NOT_ALLOWED,
    429: TOO_MANY,
    503: AWAY,
  },
  'x-examples': examples.login,
};

export const refreshSchema = {
  operationId: 'refreshTokens',
  summary: 'Refresh the tokens',
  description: 'Gives new tokens; the refresh token that was shown is used up. Shown once more, it '
    + 'ends all tokens of its login: one of two holders is not you.',
  tags: TAGS,
  security: NO_TOKEN,
  body: z.object({
    refresh_token: z.string().meta({
      description: 'The youngest one.', examples: ['eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl'],
    }),
  }).meta({ id: 'Refresh' }),
  response: {
    200: jsonAnswer('The new tokens.', tokens),
    400: refusal('The field is missing.'),
    401: refusal('The token is malformed, expired, used up or revoked.'),
    403: ADDRESS_NOT_ALLOWED,
    429: TOO_MANY,
    503: AWAY,
  },
  'x-examples': examples.refresh,
};

export const logoutSchema = {
  operationId: 'logout',
  summary: 'Log out',
  description: 'Ends all tokens of the client, whichever login they came from, within seconds; '
    + 'open sockets are closed. Keys stay: log in again.',
  tags: TAGS,
  response: {
    200: jsonAnswer('All tokens have ended.', z.object({
      success: z.literal(true), data: z.object({}),
    }).meta({ id: 'LoggedOut' })),
    403: ADDRESS_NOT_ALLOWED,
  },
  'x-examples': examples.logout,
};
