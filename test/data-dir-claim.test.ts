import { once } from 'node:events';
import {
  existsSync, linkSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { claimDataDir, claimWithin, DataDirInUse } from '../src/demo/data-dir-claim.ts';

let dataDir = '';
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'topup-claim-'));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

const within = (): string => join(dataDir, '.claim.sock');

/** As a program of another container holds the directory: no other name of it is seen here. */
async function holdFromElsewhere(): Promise<Server> {
  const server = createServer((socket) => socket.end('process 7')).listen(within());
  await once(server, 'listening');
  return server;
}

async function leaveSocket(): Promise<void> {
  const server = await holdFromElsewhere();
  const left = `${within()}-left`;
  // A socket that is closed removes the file by the name it was made under.
  linkSync(within(), left);
  server.close();
  await once(server, 'close');
  renameSync(left, within());
}

it('is refused while another program has the directory', async () => {
  const claim = await claimDataDir(dataDir);
  await expect(claimDataDir(dataDir)).rejects.toThrow(DataDirInUse);
  claim.release();
  (await claimDataDir(dataDir)).release();
  expect(readdirSync(dataDir)).toEqual([]);
});

it('is refused while a program of another container has it', async () => {
  const server = await holdFromElsewhere();
  await expect(claimDataDir(dataDir)).rejects.toThrow(/in use .*process 7/);
  // Refused again: the other's claim is left as it was.
  await expect(claimDataDir(dataDir)).rejects.toThrow(DataDirInUse);
  server.close();
  await once(server, 'close');
  (await claimDataDir(dataDir)).release();
});

it('takes over what a killed program left', async () => {
  await leaveSocket();
  mkdirSync(`${within()}.lock`);
  const claim = await claimDataDir(dataDir);
  expect(existsSync(within())).toBe(true);
  await expect(claimDataDir(dataDir)).rejects.toThrow(DataDirInUse);
  claim.release();
  expect(readdirSync(dataDir)).toEqual([]);
});

it('is given to one of many that find what a killed program left', async () => {
  await leaveSocket();
  // Each as in a container of its own, where the name of the network tells nothing.
  const servers = await Promise.allSettled(Array.from({ length: 12 }, () => claimWithin(dataDir)));
  const held = servers.filter(({ status }) => status === 'fulfilled');
  expect(held).toHaveLength(1);
  for (const { reason } of servers.filter((each) => each.status === 'rejected')) {
    expect(reason).toBeInstanceOf(DataDirInUse);
  }
  for (const each of held) if (each.status === 'fulfilled') each.value?.close();
});

it('does without where the path is too long for a socket', async () => {
  dataDir = join(dataDir, 'x'.repeat(100));
  mkdirSync(dataDir);
  const claim = await claimDataDir(dataDir);
  expect(readdirSync(dataDir)).toEqual([]);
  await expect(claimDataDir(dataDir)).rejects.toThrow(DataDirInUse);
  claim.release();
});
