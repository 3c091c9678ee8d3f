import { join } from 'node:path';
import { freePort } from '../support/free-port.ts';
import { npmStart } from '../support/program.ts';
import type { BenchWorld } from './bench-world.ts';
import { rowAlone, type Row, type Sizes } from './rows.ts';

/** How long the whole demo takes from `npm start`, after the build, until everything answers. */
export async function startRows(world: BenchWorld, sizes: Sizes): Promise<readonly Row[]> {
  const first: number[] = [];
  const second: number[] = [];
  for (let round = 0; round < sizes.rounds; round += 1) {
    const env = {
      PORT: String(await freePort()),
      DATA_DIR: join(world.directory, `demo-${round}`),
      LOG_LEVEL: 'warn',
    };
    first.push(await startOnce(env));
    second.push(await startOnce(env));
  }
  return [
    rowAlone({ name: 'start-first', unit: 's', target: '<= 10 s' }, first),
    rowAlone({ name: 'start-second', unit: 's', target: '<= 3 s' }, second),
  ];
}

async function startOnce(env: Readonly<Record<string, string>>): Promise<number> {
  const startedMs = performance.now();
  const program = npmStart(env);
  await program.ready;
  const tookSeconds = (performance.now() - startedMs) / 1000;
  program.process.kill('SIGTERM');
  const { code } = await program.exited;
  if (code !== 0) throw new Error(`The program did not end well:\n${program.output()}`);
  return tookSeconds;
}
