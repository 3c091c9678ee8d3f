import { RATE_WINDOW_MS } from '../domain/rate-limits.ts';

const text = (description: string) => ({ description, schema: { type: 'string' } });
const count = (description: string) => ({ description, schema: { type: 'integer', minimum: 0 } });
const always = (header: object) => ({ ...header, required: true });

/** The headers of answers. Those that are required are on every answer that names them. */
export const HEADERS = {
  'X-Request-Id': always({
    description: 'The id of this request, as in our log.',
    schema: { type: 'string', format: 'uuid' },
  }),
  'Retry-After': {
    description: 'Seconds until it is worth trying again.',
    schema: { type: 'integer', minimum: 1 },
  },
  'WWW-Authenticate': always(text('How to say who you are: `Bearer`, with an access token.')),
  'Cache-Control': always(text('How long to keep it without asking again; for nobody else.')),
  ETag: always(text('Stands for what was answered; see `If-None-Match`.')),
  Vary: always(text('What the answer depends on beside its URL: who asks, from where.')),
  'RateLimit-Policy': text('The class, its requests `q` and in how many seconds `w`; '
    + 'draft-ietf-httpapi-ratelimit-headers-10. Absent where you have no limit.'),
  RateLimit: text('What is left of the class `r`, and the seconds until all of it is there `t`; '
    + 'on a 429, as `Retry-After`.'),
  'X-RateLimit-Limit': count(`Requests of this class in any ${RATE_WINDOW_MS / 1000} seconds.`),
  'X-RateLimit-Remaining': count('How many of them are left.'),
  'X-RateLimit-Reset': count('Seconds until all of them are there, if none is made meanwhile.'),
} as const;

/** The request's half of `ETag`. */
export const IF_NONE_MATCH = {
  name: 'If-None-Match',
  in: 'header',
  required: false,
  description: 'The `ETag` of the answer that you have: 304 says that it is still right.',
  schema: { type: 'string' },
  example: '"2jmj7l5rSw0yVb_vlWAYkK_YBwk4Pz2GjH8hY5b2wXo"',
};

export type Headers = Readonly<Record<string, object>>;

const REQUEST_ID = references('X-Request-Id');
const RETRY_AFTER = references('Retry-After');
const AUTHENTICATE = references('WWW-Authenticate');
const CACHED = references('Cache-Control', 'ETag', 'Vary');
const RATES = references(
  'RateLimit', 'RateLimit-Policy', 'X-RateLimit-Limit', 'X-RateLimit-Remaining',
  'X-RateLimit-Reset',
);

/** The headers of an answer, by what its operation is; `ofRoute` is on whatever it answers well. */
export function headersOf(status: string, operation: {
  readonly hasToken: boolean;
  readonly isCounted: boolean;
  readonly isCached: boolean;
  readonly ofRoute: Headers | undefined;
}): Headers {
  const isWell = status === '200' || status === '304';
  return {
    ...REQUEST_ID,
    ...(status === '429' || status === '503' ? RETRY_AFTER : {}),
    ...(status === '401' && operation.hasToken ? AUTHENTICATE : {}),
    ...(isWell && operation.isCached ? CACHED : {}),
    // Refusals have them too where they were counted, which no status says.
    ...((isWell || status === '429') && operation.isCounted ? RATES : {}),
    ...(isWell ? operation.ofRoute : {}),
  };
}

function references(...names: readonly (keyof typeof HEADERS)[]): Headers {
  return Object.fromEntries(names.map((name) => (
    [name, { $ref: `#/components/headers/${name}` }]
  )));
}
