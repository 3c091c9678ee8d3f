import type { Transporter } from 'nodemailer';
import { MailFault, type Mail, type Mailer } from '../domain/mail.ts';

/** Connections to the mail server at a time; no more mails are in hand. */
const CONNECTION_COUNT_MAX = 5;
/** A server that is there answers within this; milliseconds. */
const CONNECT_TIMEOUT_MS = 10_000;
/** Silence in the middle of a dialogue; milliseconds. */
const SOCKET_TIMEOUT_MS = 20_000;
/** A server that says a word now and then must not hold a mail for ever; milliseconds. */
const SEND_TIMEOUT_MS = 60_000;

/** RFC 3463: the address is bad, or has moved, or its mailbox is closed. */
const NO_SUCH_RECIPIENT = /^5\d\d[ -]5\.(?:1\.(?:[1-6]|10)|2\.1)\b/;
/** Said without such a code: in words about the recipient, and none about us. */
const SAYS_SO = /^(?:501|55[013])(?![ -]5\.\d).*(?:user|recipient|mailbox|account|alias|address)/i;
const IS_ABOUT_US =
  /relay|sender|auth|verif|block|black|\b(?:rbl|ip|dns|helo|ehlo|host)\b|spam|polic|den[iy]|#5\.7/i;

/**
 * Whether a server's answer to RCPT is about the recipient, for good. Others refuse us, not the
 * recipient: by a list, by their rules, for now.
 */
export function isNoSuchRecipient(response: string): boolean {
  return NO_SUCH_RECIPIENT.test(response)
    || (SAYS_SO.test(response) && !IS_ABOUT_US.test(response));
}

export interface MailServer {
  /** 'smtp://user:password@host:587', or smtps:// for TLS from the first byte. */
  readonly url: string;
  /** 'name@host' or 'Name <name@host>'. */
  readonly from: string;
}

/** Mail over SMTP through a bounded pool of connections. The library is loaded with the first. */
export function createMailer(
  { url, from }: MailServer,
  timeouts: { readonly socketMs?: number; readonly sendMs?: number } = {},
): Mailer & { close(): void } {
  const domain = /@([^>]+)>?$/.exec(from)?.[1] ?? 'localhost';
  let opening: Promise<Transporter> | null = null;
  const open = (): Promise<Transporter> => {
    opening ??= openTransport(url, timeouts.socketMs ?? SOCKET_TIMEOUT_MS).catch((fault) => {
      opening = null;
      throw fault;
    });
    return opening;
  };
  return {
    async send(mail) {
      const transport = await open();
      // Frees the connection, or the place in the library's queue, as well as the caller.
      const signal = AbortSignal.timeout(timeouts.sendMs ?? SEND_TIMEOUT_MS);
      return sendOver(transport, { mail, from, domain, signal });
    },
    close() {
      // What was never opened needs no closing; who asked for it was told why.
      void opening?.then((transport) => transport.close(), () => {});
    },
  };
}

async function openTransport(url: string, socketTimeoutMs: number): Promise<Transporter> {
  const { createTransport } = await import('nodemailer');
  const transport = createTransport({
    url,
    pool: true,
    maxConnections: CONNECTION_COUNT_MAX,
    connectionTimeout: CONNECT_TIMEOUT_MS,
    greetingTimeout: CONNECT_TIMEOUT_MS,
    dnsTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: socketTimeoutMs,
    // What a mail consists of is given here; nothing is to be fetched for it.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  // What goes wrong while a mail is sent is told to its sender; the rest concerns idle connections.
  transport.on('error', () => undefined);
  return transport;
}

async function sendOver(
  transport: Transporter,
  { mail, from, domain, signal }: {
    readonly mail: Mail;
    readonly from: string;
    readonly domain: string;
    readonly signal: AbortSignal;
  },
): Promise<'SENT' | 'REFUSED'> {
  try {
    await transport.sendMail({
      from,
      // An object, not a text: nothing in the address is read as a list or a name.
      to: { name: '', address: mail.to },
      subject: mail.subject,
      text: mail.text,
      html: mail.html,
      messageId: `<${mail.key}@${domain}>`,
      // Out-of-office replies are for people (RFC 3834).
      headers: { 'Auto-Submitted': 'auto-generated' },
      signal,
    });
    return 'SENT';
  } catch (error) {
    if (signal.aborted) throw new MailFault('SMTP took too long');
    const { command, response = '', responseCode = 0, code } = error as {
      command?: string; response?: string; responseCode?: number; code?: string;
    };
    if (command === 'RCPT TO' && isNoSuchRecipient(response)) return 'REFUSED';
    // The server's own words may quote the address: the codes have to do.
    const told = [code, command, responseCode === 0 ? undefined : responseCode];
    throw new MailFault(`SMTP ${told.filter((each) => each !== undefined).join(' ')}`);
  }
}
