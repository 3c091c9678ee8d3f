import { once } from 'node:events';
import { createServer } from 'node:net';

// Above the ports that Linux gives to whoever names none: a program takes its own a second or more
// after it was looked for, and a listener of its own without a number could have it by then.
const PORT_MIN = 61_000;
/** The workers of a test run, each with ports of its own. */
const SLICE_COUNT = 8;
const SLICE_SIZE = 560;

let nextAt = Math.trunc(Math.random() * SLICE_SIZE);

/** A port that was free a moment ago, and the one behind it for the sandbox supplier. */
export async function freePort(): Promise<number> {
  const slice = Number(process.env['VITEST_POOL_ID'] ?? '0') % SLICE_COUNT;
  for (let count = 0; count < SLICE_SIZE; count += 2) {
    nextAt = (nextAt + 2) % SLICE_SIZE;
    const port = PORT_MIN + slice * SLICE_SIZE + nextAt;
    if (await isFree(port) && await isFree(port + 1)) return port;
  }
  throw new Error('None of the ports for tests is free');
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
