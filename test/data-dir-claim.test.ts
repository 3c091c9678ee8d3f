import { once } from 'node:events';
import {
  existsSync, linkSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { claimDataDir, claimWithin, DataDirInUse } from '../src/demo/data-dir-claim.ts';

let madeDir = '';
let dataDir = '';
beforeEach(() => {
  madeDir = mkdtempSync(join(tmpdir(), 'topup-claim-'));
  dataDir = madeDir;
});
afterEach(() => rmSync(madeDir, { recursive: true, force: true }));

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

/** One after another, some turns of the loop apart, each as in a container of its own. */
async function claimByMany(count: number): Promise<readonly PromiseSettledResult<Server | null>[]> {
  return Promise.allSettled(Array.from({ length: count }, async (_, nth) => {
    for (let turn = 0; turn < nth * 3; turn += 1) await setImmediate();
    return claimWithin(dataDir);
  }));
}

// Without the lock around a removal one of six rounds has two holders, or none.
it('is given to one of many that find what a killed program left', async () => {
  for (let round = 0; round < 30; round += 1) {
    await leaveSocket();
    const claims = await claimByMany(12);
    const held = claims.filter((each) => each.status === 'fulfilled');
    expect(held).toHaveLength(1);
    for (const each of claims) {
      if (each.status === 'rejected') expect(each.reason).toBeInstanceOf(DataDirInUse);
    }
    for (const { value } of held) if (value !== null) await once(value.close(), 'close');
  }
});

it('does without where the path is too long for a socket', async () => {
  dataDir = join(dataDir, 'x'.repeat(100));
  mkdirSync(dataDir);
  const claim = await claimDataDir(dataDir);
  expect(readdirSync(dataDir)).toEqual([]);
  await expect(claimDataDir(dataDir)).rejects.toThrow(DataDirInUse);
  claim.release();
});
