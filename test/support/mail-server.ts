import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { simpleParser } from 'mailparser';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';

/** What the server does with the next mails, in this order; then it takes every one. */
export type Behaviour =
  | 'TAKE' | 'HANG' | 'DRIP' | 'DROP_AFTER_DATA' | 'TRY_LATER'
  | 'REFUSE_SENDER' | 'REFUSE_RECIPIENT' | 'BLOCK_CLIENT' | 'REFUSE_MAIL';

/** Pause between two lines of an answer that never ends; milliseconds. */
const DRIP_MS = 20;

export interface ReceivedMail {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
  readonly messageId: string;
  readonly headers: string;
}

/** A real SMTP server that keeps what it gets, also what it then pretends not to have got. */
export interface MailServer {
  readonly port: number;
  readonly url: string;
  readonly received: ReceivedMail[];
  readonly next: Behaviour[];
  to(address: string): readonly ReceivedMail[];
  close(): Promise<void>;
}

export async function startMailServer(port = 0): Promise<MailServer> {
  const received: ReceivedMail[] = [];
  const next: Behaviour[] = [];
  const onData: SMTPServerOptions['onData'] = (stream, session, done) => {
    const behaviour = next[0] === 'REFUSE_RECIPIENT' ? undefined : next.shift();
    buffer(stream).then(async (raw) => {
      if (behaviour === 'HANG') return;
      if (behaviour === 'DRIP') {
        for (const connection of connections(server)) {
          if (connection.id === session.id) drip(connection._socket);
        }
        return;
      }
      const mail = await simpleParser(raw);
      received.push({
        to: session.envelope.rcptTo.map(({ address }) => address).join(', '),
        subject: mail.subject ?? '',
        text: mail.text ?? '',
        html: mail.html === false ? '' : mail.html ?? '',
        messageId: mail.messageId ?? '',
        headers: raw.toString().split('\r\n\r\n')[0] ?? '',
      });
      if (behaviour === 'DROP_AFTER_DATA') {
        for (const connection of connections(server)) connection._socket.destroy();
      } else if (behaviour === 'TRY_LATER' || behaviour === 'REFUSE_MAIL') {
        done(refusal(behaviour === 'TRY_LATER' ? 451 : 550));
      } else {
        done();
      }
    }, () => undefined /* Cut before its end: the sender gave up. */);
  };
  const server = new SMTPServer({
    disabledCommands: ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    closeTimeout: 10,
    onData,
    onMailFrom(_address, _session, done) {
      if (next[0] !== 'REFUSE_SENDER') return done();
      next.shift();
      done(refusal(550));
    },
    onRcptTo(_address, _session, done) {
      if (next[0] !== 'REFUSE_RECIPIENT' && next[0] !== 'BLOCK_CLIENT') return done();
      done(next.shift() === 'BLOCK_CLIENT'
        ? refusal(554, '5.7.1 Client host blocked, try later') : refusal(550));
    },
  });
  server.on('error', () => undefined);
  server.listen(port, '127.0.0.1');
  await once(server.server, 'listening');
  const taken = (server.server.address() as AddressInfo).port;
  return {
    port: taken,
    url: `smtp://127.0.0.1:${taken}`,
    received,
    next,
    to: (address) => received.filter((mail) => mail.to === address),
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}

const refusal = (responseCode: number, words = 'No such user here'): Error =>
  Object.assign(new Error(words), { responseCode });

interface Connection {
  readonly id: string;
  readonly _socket: Socket;
}

/** An answer of ever more lines: no silence, and no end. */
function drip(socket: Socket): void {
  const dripping = setInterval(() => socket.write('250-Just a moment\r\n'), DRIP_MS);
  socket.once('close', () => clearInterval(dripping));
}

function connections(server: SMTPServer): Iterable<Connection> {
  return (server as unknown as { connections: Set<Connection> }).connections;
}
