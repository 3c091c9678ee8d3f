import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** A line between a client and the gateway that a test cuts. */
export interface CuttingProxy {
  readonly url: string;
  /** Ends every connection at once, without a word. */
  cutAll(): void;
  /** From now on nothing passes the connections that are open; new ones work. */
  silenceAll(): void;
  /** From now on nothing passes new connections, or again everything. */
  silenceNew(isSilent: boolean): void;
  /** From now on connections lead there. */
  leadTo(url: string): void;
  /** The next answer is lost: its connection is cut when the first byte of it arrives. */
  loseNextAnswer(): void;
  close(): Promise<void>;
}

export async function startCuttingProxy(targetUrl: string): Promise<CuttingProxy> {
  const open = new Set<Socket>();
  const silent = new Set<Socket>();
  let target = new URL(targetUrl);
  let isAnswerLost = false;
  let isNewSilent = false;
  const server = createServer((near) => {
    const far = connect({ host: target.hostname, port: Number(target.port) });
    for (const socket of [near, far]) {
      open.add(socket);
      if (isNewSilent) silent.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        open.delete(socket);
        silent.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    near.on('data', (chunk: Buffer) => {
      if (!silent.has(near)) far.write(chunk);
    });
    far.on('data', (chunk: Buffer) => {
      if (silent.has(far)) return;
      if (isAnswerLost) {
        isAnswerLost = false;
        near.destroy();
      } else {
        near.write(chunk);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const cutAll = (): void => {
    for (const socket of open) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${port}`,
    cutAll,
    silenceAll() {
      for (const socket of open) silent.add(socket);
    },
    silenceNew(isSilent) {
      isNewSilent = isSilent;
    },
    leadTo: (url) => {
      target = new URL(url);
    },
    loseNextAnswer: () => {
      isAnswerLost = true;
    },
    async close() {
      cutAll();
      server.close();
      await once(server, 'close');
    },
  };
}
