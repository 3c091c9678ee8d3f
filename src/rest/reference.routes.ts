import Fastify, { type FastifyInstance } from 'fastify';
import { escapeHtml } from '../domain/html.ts';

/** A browser asks for the 5 MB of script once a day. */
const SCRIPT_MAX_AGE_SECONDS = 86_400;

/** Whatever would call somebody else, or offer to, is off. */
const SETTINGS = {
  withDefaultFonts: false,
  telemetry: false,
  hideClientButton: true,
  showDeveloperTools: 'never',
  agent: { disabled: true },
  mcp: { disabled: true },
} as const;

/**
 * The reference page of the REST API, at /docs: everything on it comes from this gateway.
 * `demoToken` signs the token that stands in its forms; null outside the demo.
 */
export function referenceRoutes(
  app: FastifyInstance,
  demoToken: (() => Promise<string>) | null,
): void {
  const hidden = { schema: { hide: true } };
  app.get('/docs', hidden, async (request, reply) => {
    const token = demoToken === null ? null : await demoToken();
    reply.headers({
      'content-security-policy': POLICY,
      'referrer-policy': 'no-referrer',
      'content-type': 'text/html; charset=utf-8',
    });
    return page({ token, server: `${request.protocol}://${request.host}` });
  });
  let script: Promise<Buffer> | null = null;
  app.get('/docs/reference.js', hidden, async (_request, reply) => {
    script ??= readScript();
    reply.headers({
      'content-type': 'text/javascript; charset=utf-8',
      'cache-control': `private, max-age=${SCRIPT_MAX_AGE_SECONDS}`,
    });
    return script;
  });
}

/** Nothing but this gateway: no script inside a page, no frame, no form, no other address. */
export const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
];
// The script writes styles into the page and takes no nonce for half of them.
const POLICY = [...PAGE_POLICY, "style-src 'unsafe-inline'", "font-src data:"].join('; ');

function page({ token, server }: {
  readonly token: string | null; readonly server: string;
}): string {
  const authentication = token === null ? {} : {
    authentication: {
      preferredSecurityScheme: 'bearer', securitySchemes: { bearer: { token } },
    },
  };
  const servers = [{ url: server }];
  const configuration = escapeHtml(JSON.stringify({ ...SETTINGS, servers, ...authentication }));
  return `<!doctype html>
<html lang="en">
  <head>
    <title>Top-up gateway: REST reference</title>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <link rel="icon" href="data:,">
  </head>
  <body>
    <noscript>
      The reference needs JavaScript. It is made from <a href="/openapi.json">openapi.json</a>.
    </noscript>
    <script id="api-reference" type="application/json" data-url="/openapi.json"
      data-configuration="${configuration}"></script>
    <script src="/docs/reference.js"></script>
  </body>
</html>
`;
}

/** Where a browser blocks the data of sites, Scalar would show nothing at all. */
const STORAGE_IN_MEMORY = `try { localStorage.length; } catch {
  const values = new Map();
  Object.defineProperty(window, 'localStorage', { value: {
    getItem: (key) => values.get(key) ?? null,
    setItem: (key, value) => void values.set(key, value),
    removeItem: (key) => void values.delete(key),
  } });
}
`;

/**
 * Scalar's script lies inside a plugin of Fastify, which is loaded when the first reader comes: it
 * costs 0.3 s and 20 MB. Its own page is not used, because its script would stand in the page.
 */
async function readScript(): Promise<Buffer> {
  const { default: scalar } = await import('@scalar/fastify-api-reference');
  const plugin = Fastify();
  await plugin.register(scalar, { routePrefix: '/docs', configuration: { url: '/openapi.json' } });
  const { rawPayload } = await plugin.inject('/docs/js/scalar.js');
  await plugin.close();
  return Buffer.concat([Buffer.from(STORAGE_IN_MEMORY), rawPayload]);
}
