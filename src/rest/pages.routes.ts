import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance, FastifyPluginAsync, FastifyReply } from 'fastify';
import { PAGE_POLICY, referenceRoutes } from './reference.routes.ts';

/** Where the built pages lie, and what they may show. */
export interface PageSource {
  readonly folder: string;
  /** A fresh token of the demo's client; null outside the demo. */
  readonly demoToken: (() => Promise<string>) | null;
}

export interface Pages {
  /** What the pages are made of, the front page, /docs, and /watch in the demo. */
  readonly routes: FastifyPluginAsync;
  /** The explorer, for whoever opens the GraphQL endpoint in a browser. */
  readonly answerExplorer: (reply: FastifyReply) => Promise<FastifyReply>;
}

const ASSETS = '/pages/assets/';
/** Names carry a hash of the content, so nothing behind a name ever changes. */
const ASSET_MAX_AGE = '365d';

const PRECONDITIONS = ['range', 'if-range', 'if-match', 'if-unmodified-since'];

const STRICT_POLICY = [...PAGE_POLICY, "style-src 'self'"].join('; ');
// The editor in the explorer writes the place of each line and its themes into the page as styles,
// and takes no nonce for them. Its fonts come inside its style sheet, its workers from here.
const EXPLORER_POLICY = [
  ...PAGE_POLICY, "style-src 'self' 'unsafe-inline'", "font-src 'self' data:", "worker-src 'self'",
].join('; ');

const SAFE_HEADERS = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
};

/** Reads the pages; null where nobody has built them. */
export async function openPages({ folder, demoToken }: PageSource): Promise<Pages | null> {
  const explorer = await readPage(folder, 'explorer.html');
  const watch = await readPage(folder, 'watch.html');
  const front = await readPage(folder, 'index.html');
  if (explorer === null || watch === null || front === null) return null;
  const frontHere = demoToken === null ? withoutDemo(front) : front;
  const answer = async (reply: FastifyReply, html: string, policy: string) => {
    const session = demoToken === null ? {} : { token: await demoToken() };
    return send(reply, withSession(html, session), policy);
  };
  return {
    answerExplorer: (reply) => answer(reply, explorer, EXPLORER_POLICY),
    routes: async (app) => {
      await app.register((assets) => assetRoutes(assets, join(folder, 'assets')));
      app.get('/', (request, reply) => {
        // Only for browsers: to a program, nothing is here.
        if (!(request.headers.accept ?? '').includes('text/html')) return reply.callNotFound();
        return send(reply, frontHere, STRICT_POLICY);
      });
      referenceRoutes(app, demoToken);
      app.get('/docs/', (_request, reply) => reply.redirect('/docs', 308));
      if (demoToken === null) return;
      app.get('/watch', (_request, reply) => answer(reply, watch, STRICT_POLICY));
      app.get('/watch/', (_request, reply) => reply.redirect('/watch', 308));
    },
  };
}

async function assetRoutes(app: FastifyInstance, root: string): Promise<void> {
  app.addHook('onRequest', (request, _reply, done) => {
    // Files are small and never change. What asks for a part of one, or for one that has not
    // changed, is answered with all of it; the library knows faults of its own for these.
    for (const name of PRECONDITIONS) delete request.headers[name];
    done();
  });
  await app.register(fastifyStatic, {
    root,
    prefix: ASSETS,
    // One route for each file that is there now: no folder is listed, no path is resolved.
    wildcard: false,
    decorateReply: false,
    acceptRanges: false,
    immutable: true,
    maxAge: ASSET_MAX_AGE,
    setHeaders: (reply) => void reply.headers(SAFE_HEADERS),
  });
}

function send(reply: FastifyReply, html: string, policy: string): FastifyReply {
  return reply
    .headers({ ...SAFE_HEADERS, 'content-security-policy': policy, 'cache-control': 'no-store' })
    .type('text/html; charset=utf-8')
    .send(html);
}

async function readPage(folder: string, name: string): Promise<string | null> {
  try {
    return await readFile(join(folder, name), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** Without the entries of what is there in the demo alone. */
function withoutDemo(html: string): string {
  return html.replace(/<li data-demo>.*?<\/li>/s, '');
}

/** Into the element that the page reads; a `<` could end it. */
function withSession(html: string, session: object): string {
  const text = JSON.stringify(session).replaceAll('<', '\\u003c');
  return html.replace(/(<script [^>]*id="session">)[^<]*/, (_, start: string) => start + text);
}
