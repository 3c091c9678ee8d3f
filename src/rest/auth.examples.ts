import { refused, type NamedExamples, type RouteExamples } from './examples.ts';

const TOKEN = 'eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9.e30.c2lnbmF0dXJl';

const TOKENS: NamedExamples = {
  tokens: {
    summary: 'The tokens',
    value: {
      success: true,
      data: {
        access_token: TOKEN,
        refresh_token: TOKEN,
        access_expires_at: '2026-05-19T15:30:00Z',
        refresh_expires_at: '2026-05-26T14:30:00Z',
        client_id: 1,
      },
    },
  },
};

const ELSEWHERE = refused(403, 'IP address not authorized');
const TOO_MANY = refused(429, 'Rate limit exceeded. Retry after 12 seconds.');
const AWAY = refused(503);

/** The demo's own key of client 1. */
export const login: RouteExamples = {
  request: {
    key: {
      summary: 'Key and secret',
      value: {
        username: 'tgk_sandbox_1_00000000000000d1',
        password: 'tgs_sandbox_c499944b087d241a082ef216a97b292246e1d5c90b5e279d6a8e492b',
      },
    },
  },
  answers: {
    200: TOKENS,
    400: refused(400, 'Username and password are required'),
    401: refused(401, 'Invalid credentials'),
    403: ELSEWHERE,
    429: TOO_MANY,
    503: AWAY,
  },
};

export const refresh: RouteExamples = {
  request: { token: { summary: 'The youngest one', value: { refresh_token: TOKEN } } },
  answers: {
    200: TOKENS,
    400: refused(400, 'Refresh token is required'),
    401: refused(401, 'Invalid or expired token'),
    403: ELSEWHERE,
    429: TOO_MANY,
    503: AWAY,
  },
};

export const logout: RouteExamples = {
  answers: { 200: { ended: { summary: 'Logged out', value: { success: true, data: {} } } } },
};
