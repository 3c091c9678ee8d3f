import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Pool } from 'pg';
import { SMTPServer, type SMTPServerDataStream } from 'smtp-server';
import { createMailPages, type CaughtMail } from './mail-pages.ts';

export interface MailCatcherOptions {
  readonly host: string;
  /** As a role that createSandboxSchema has granted the schema to. */
  readonly databaseUrl: string;
  readonly log: (message: string) => void;
}

/** A running mail server that delivers nothing, and a page that shows what it took. */
export interface MailCatcher {
  /** For whoever sends mail: 'smtp://127.0.0.1:40125'. */
  readonly smtpUrl: string;
  /** The page: 'http://127.0.0.1:40126'. */
  readonly url: string;
  /** Idempotent. */
  close(): Promise<void>;
}

/** Older mails are dropped. */
const MAIL_COUNT_MAX = 200;
const MAIL_BYTES_MAX = 1_000_000;
const POOL_SIZE = 2;
const CLOSE_GRACE_MS = 500;
const SILENCE_MS_MAX = 60_000;

/**
 * Catches mail on free ports. What was caught lies in the sandbox schema, so that the pages of all
 * processes over one database show the same mails.
 */
export async function startMailCatcher(options: MailCatcherOptions): Promise<MailCatcher> {
  const { host, log } = options;
  const pool = new Pool({
    connectionString: options.databaseUrl,
    max: POOL_SIZE,
    application_name: 'mail-catcher',
    statement_timeout: 5_000,
    connectionTimeoutMillis: 5_000,
  });
  // An idle connection that is lost is replaced; without a listener it would end the program.
  pool.on('error', (error) => log(`The mail catcher lost a connection: ${error}`));
  const smtp = new SMTPServer({
    disabledCommands: ['AUTH', 'STARTTLS'],
    authOptional: true,
    disableReverseLookup: true,
    // Otherwise an address of 254 characters, which is the longest that there is, is refused.
    lenientAddressParsing: true,
    size: MAIL_BYTES_MAX,
    socketTimeout: SILENCE_MS_MAX,
    closeTimeout: CLOSE_GRACE_MS,
    onData(stream, session, done) {
      const to = session.envelope.rcptTo.map(({ address }) => address).join(', ');
      keepMail(pool, stream, to).then(() => done(), done);
    },
  });
  // A sender that goes away in the middle is no fault of ours.
  smtp.on('error', () => {});
  const pages = createServer(createMailPages({ readMails: () => readMails(pool), log }));
  try {
    smtp.listen(0, host);
    pages.listen(0, host);
    await Promise.all([once(smtp.server, 'listening'), once(pages, 'listening')]);
  } catch (error) {
    await pool.end();
    throw error;
  }
  const close = async (): Promise<void> => {
    await Promise.all([new Promise<void>((resolve) => smtp.close(resolve)), closePages(pages)]);
    await pool.end();
  };
  let closed: Promise<void> | undefined;
  return {
    smtpUrl: `smtp://${host}:${(smtp.server.address() as AddressInfo).port}`,
    url: `http://${host}:${(pages.address() as AddressInfo).port}`,
    close: () => (closed ??= close()),
  };
}

async function closePages(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeAllConnections();
  await closed;
}

async function keepMail(pool: Pool, stream: SMTPServerDataStream, to: string): Promise<void> {
  const raw = await readMail(stream);
  if (raw === null) {
    throw Object.assign(new Error('Message exceeds the size limit'), { responseCode: 552 });
  }
  // Loaded with the first mail: reading MIME takes more code than the rest of the catcher.
  const { simpleParser } = await import('mailparser');
  const mail = await simpleParser(raw);
  await pool.query(`
    with caught as (
      insert into sandbox.mail (recipient, subject, body_text, body_html, message_id)
        values ($1, $2, $3, $4, $5) returning id
    )
    delete from sandbox.mail where id <= (select id from caught) - $6`,
  [
    to, mail.subject ?? '', mail.text ?? '', mail.html === false ? '' : mail.html ?? '',
    mail.messageId ?? '', MAIL_COUNT_MAX,
  ].map((value) => typeof value === 'string' ? value.replaceAll('\0', '') : value));
}

/** Null for one that is too long, which is heard to its end and not kept. */
async function readMail(stream: SMTPServerDataStream): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) {
    if (stream.sizeExceeded) chunks.length = 0;
    else chunks.push(chunk as Buffer);
  }
  return stream.sizeExceeded ? null : Buffer.concat(chunks);
}

/** The youngest first. */
async function readMails(pool: Pool): Promise<readonly CaughtMail[]> {
  const { rows } = await pool.query<CaughtMail>(`
    select id, caught_at as at, recipient as to, subject, body_text as text, body_html as html,
        message_id as "messageId"
      from sandbox.mail order by id desc limit $1`, [MAIL_COUNT_MAX]);
  return rows;
}
