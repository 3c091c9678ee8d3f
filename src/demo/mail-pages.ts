import { createHash } from 'node:crypto';
import type { RequestListener, ServerResponse } from 'node:http';
import { escapeHtml } from '../domain/html.ts';

/** A mail as it was caught. */
export interface CaughtMail {
  readonly id: string;
  readonly at: Date;
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
  readonly messageId: string;
}

const STYLE = ':root{color-scheme:light dark}'
  + 'body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;'
  + 'padding:0 1rem}table{border-collapse:collapse;width:100%}'
  + 'th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #8886}'
  + 'td{overflow-wrap:anywhere}'
  + 'pre{background:#8882;padding:1rem;white-space:pre-wrap;overflow-wrap:anywhere}';
const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64');

/** Nothing but this page's own style; no script, no form, no frame, no other address. */
const PAGE_POLICY = `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; img-src data:; `
  + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/** A mail as its reader sees it: whatever stands in it runs nowhere and loads nothing. */
const MAIL_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'";

/**
 * The pages of the mail catcher: / lists, /messages/<id> shows one, /messages/<id>/html as HTML;
 * /messages.json is `[{to, subject, text, messageId}]`. The youngest first.
 */
export function createMailPages(options: {
  readonly readMails: () => Promise<readonly CaughtMail[]>;
  readonly log: (message: string) => void;
}): RequestListener {
  return (request, response) => {
    response.on('error', () => {});
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      send(response, { status: 405, type: 'text/plain', body: 'Method not allowed\n' });
      return;
    }
    options.readMails()
      .then((mails) => send(response, answer(request.url ?? '/', mails)))
      .catch((error: unknown) => {
        options.log(`The mail page failed: ${String(error)}`);
        send(response, { status: 500, type: 'text/plain', body: 'The mails cannot be read\n' });
      });
  };
}

interface Answer {
  readonly status: number;
  readonly type: 'text/plain' | 'text/html' | 'application/json';
  readonly body: string;
  readonly policy?: string;
}

function answer(url: string, mails: readonly CaughtMail[]): Answer {
  const path = url.split('?')[0] ?? '/';
  if (path === '/') return page('Caught mail', renderList(mails));
  if (path === '/messages.json') {
    const told = mails.map(
      ({ to, subject, text, messageId }) => ({ to, subject, text, messageId }),
    );
    return { status: 200, type: 'application/json', body: `${JSON.stringify(told)}\n` };
  }
  const [, id, form] = /^\/messages\/([0-9]{1,18})(\/html)?$/.exec(path) ?? [];
  const mail = mails.find((each) => each.id === id);
  if (mail === undefined) return { status: 404, type: 'text/plain', body: 'Not found\n' };
  if (form === undefined) return page(mail.subject, renderMail(mail));
  return { status: 200, type: 'text/html', body: mail.html, policy: MAIL_POLICY };
}

function send(response: ServerResponse, { status, type, body, policy }: Answer): void {
  response.writeHead(status, {
    'content-type': `${type}; charset=utf-8`,
    'content-security-policy': policy ?? PAGE_POLICY,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-store',
  });
  response.end(body);
}

function page(title: string, content: string): Answer {
  const body = '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    + '<meta name="viewport" content="width=device-width">'
    // None: without it a browser asks for /favicon.ico, and shows the 404 as an error.
    + '<link rel="icon" href="data:,">'
    + `<title>${escapeHtml(title)}</title><style>${STYLE}</style></head>\n`
    + `<body><main>\n${content}\n</main></body></html>\n`;
  return { status: 200, type: 'text/html', body };
}

function renderList(mails: readonly CaughtMail[]): string {
  if (mails.length === 0) {
    return '<h1>Caught mail</h1>\n<p>None yet. Set the notification e-mail of an order.</p>';
  }
  const rows = mails.map(({ id, at, to, subject }) => `<tr><td>${renderTime(at)}</td>`
    + `<td>${escapeHtml(to)}</td>`
    + `<td><a href="/messages/${id}">${escapeHtml(subject) || '(no subject)'}</a></td></tr>`);
  return '<h1>Caught mail</h1>\n<table>\n<thead><tr><th scope="col">Time</th>'
    + '<th scope="col">To</th><th scope="col">Subject</th></tr></thead>\n<tbody>\n'
    + `${rows.join('\n')}\n</tbody>\n</table>`;
}

function renderMail({ id, at, to, subject, text, html, messageId }: CaughtMail): string {
  const facts = [['Time', renderTime(at)], ['To', escapeHtml(to)],
    ['Message-ID', escapeHtml(messageId)]]
    .map(([label, value]) => `<tr><th scope="row">${label}</th><td>${value}</td></tr>`);
  const link = html === '' ? '' : `\n<p><a href="/messages/${id}/html">As HTML</a></p>`;
  return `<p><a href="/">All mail</a></p>\n<h1>${escapeHtml(subject)}</h1>\n`
    + `<table>\n${facts.join('\n')}\n</table>\n<pre>${escapeHtml(text)}</pre>${link}`;
}

function renderTime(at: Date): string {
  const text = at.toISOString();
  return `<time datetime="${text}">${text.slice(0, 10)} ${text.slice(11, 19)} UTC</time>`;
}

