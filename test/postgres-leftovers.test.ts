import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { stopLeftovers } from '../src/demo/postgres-leftovers.ts';

// Where a process works and what it is called is read from /proc.
test.runIf(process.platform === 'linux')(
  'what a killed program left is ended, whatever its directory is called by now, and nothing else',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'topup-leftovers-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const [cluster, otherCluster] = [join(folder, 'cluster'), join(folder, 'other')];
    await Promise.all([cluster, otherCluster].map((path) => mkdir(path)));
    await copyFile('/bin/sleep', join(folder, 'postgres'));
    const [left, other] = await Promise.all([cluster, otherCluster].map(async (cwd) => {
      const child = spawn(join(folder, 'postgres'), ['60'], { cwd, stdio: 'ignore' });
      onTestFinished(() => void child.kill('SIGKILL'));
      await once(child, 'spawn');
      return child;
    }));
    if (left === undefined || other === undefined) expect.fail('Nothing was started');
    const ended = once(left, 'exit');
    const renamed = join(folder, 'renamed');
    await symlink(cluster, renamed);
    await stopLeftovers(renamed, () => undefined);
    expect(await ended).toEqual([null, 'SIGQUIT']);
    expect([other.exitCode, other.signalCode]).toEqual([null, null]);
  },
);
