import { connect } from 'node:net';
import process from 'node:process';

/**
 * Clients that ask again as soon as they are answered, in a process of their own. They begin when
 * they are sent a message: to be connected is not to be accepted.
 */
export interface GreedyClients {
  readonly port: number;
  readonly count: number;
  /** The process ends after so many answers. */
  readonly answers: number;
}

const { port, count, answers } = JSON.parse(process.argv[2] ?? '') as GreedyClients;
const REQUEST = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
const END = '\r\n\r\ndone';

let answered = 0;
const sockets = Array.from({ length: count }, () => {
  const socket = connect({ port, host: '127.0.0.1' });
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
    if (!text.endsWith(END)) return;
    text = '';
    answered += 1;
    if (answered === answers) process.exit(0);
    socket.write(REQUEST);
  });
  return socket;
});
process.once('message', () => {
  for (const socket of sockets) socket.write(REQUEST);
});
