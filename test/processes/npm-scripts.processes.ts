import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync,
  symlinkSync, writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ROOT } from '../support/sources.ts';

const SOON = { timeout: 60_000 };
/** Compilers and programs note here what they are, in the folder that they run in. */
const noteAs = (name: string): string =>
  `require('node:fs').writeFileSync('${name}', JSON.stringify({`
  + ' pid: process.pid, parent: process.ppid, words: process.argv.slice(2),'
  + ' flags: process.execArgv, mode: process.env.NODE_ENV }));';
const WAIT = 'setInterval(() => {}, 1000);';

interface Note {
  readonly pid: number;
  readonly parent: number;
}

/** The scripts of package.json over another compiler and another program. */
describe('npm', () => {
  let folder: string;
  const children: ChildProcess[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'topup-scripts-'));
    cpSync(join(ROOT, 'src'), join(folder, 'src'), { recursive: true });
    for (const name of ['package.json', 'package-lock.json', 'tsconfig.json']) {
      copyFileSync(join(ROOT, name), join(folder, name));
    }
    mkdirSync(join(folder, 'node_modules'));
    for (const name of readdirSync(join(ROOT, 'node_modules'))) {
      if (name === 'typescript') continue;
      symlinkSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name));
    }
  });

  afterEach(async () => {
    for (const child of children.splice(0)) {
      const hasEnded = child.exitCode !== null || child.signalCode !== null;
      try {
        process.kill(-(child.pid ?? 0), 'SIGKILL');
      } catch {
        // Nobody of it is left, as it should be.
      }
      if (!hasEnded) await once(child, 'exit');
    }
    rmSync(folder, { recursive: true, force: true });
  });

  it.each(['start', 'run dev'])('%s ends at a signal while a compiler works', async (script) => {
    write('node_modules/typescript/bin/tsc', `${noteAs('compiler')} ${WAIT}`);
    const npm = run(script);
    const compiler = await noteOf('compiler');
    npm.kill('SIGTERM');
    expect(await once(npm, 'exit')).toEqual([0, null]);
    await expectGone(compiler);
  });

  it('start loses no signal that comes while it keeps what was compiled', async () => {
    write('node_modules/typescript/bin/tsc', noteAs('compiler'));
    write('dist/main.js', WAIT);
    const npm = run('start');
    const exited = once(npm, 'exit');
    const { parent } = await noteOf('compiler');
    const cache = join(folder, 'dist/.compile-cache');
    while (!existsSync(cache) || readdirSync(cache, { recursive: true }).length < 2) await turn();
    process.kill(parent, 'SIGTERM');
    // By itself, or as the program, which knows no signals here.
    await exited;
  });

  it('start becomes the program, which has its words and flags', async () => {
    write('node_modules/typescript/bin/tsc', noteAs('compiler'));
    write('dist/main.js', `const require = process.getBuiltinModule('module')
      .createRequire(import.meta.url); ${noteAs('program')}`);
    expect(await once(run('start', '--', '--a-word'), 'exit')).toEqual([0, null]);
    expect(await noteOf('program')).toEqual({
      pid: (await noteOf('compiler')).parent,
      parent: expect.any(Number),
      words: ['--a-word'],
      flags: ['--disable-proto=delete', '--enable-source-maps'],
      mode: 'production',
    });
  });

  it('run dev ends with its program, and leaves no compiler', async () => {
    write('node_modules/typescript/bin/tsc',
      `if (process.argv.includes('--watch')) { ${noteAs('watcher')} ${WAIT} }`);
    write('dist/main.js', `const require = process.getBuiltinModule('module')
      .createRequire(import.meta.url);
      process.on('SIGTERM', () => { ${noteAs('stopped')} process.exit(0); });
      ${noteAs('program')} ${WAIT}`);
    const npm = run('run dev');
    const [watcher, program] = [await noteOf('watcher'), await noteOf('program')];
    expect(program).toMatchObject({ mode: 'production' });
    npm.kill('SIGTERM');
    expect(await once(npm, 'exit')).toEqual([0, null]);
    expect(existsSync(join(folder, 'stopped'))).toBe(true);
    await expectGone(watcher);
    await expectGone(program);
  });

  function write(path: string, text: string): void {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), text);
  }

  function run(...words: readonly string[]): ChildProcess {
    const child = spawn('npm', words.flatMap((word) => word.split(' ')), {
      cwd: folder,
      // As the head of a group, all of which can be ended where a test fails.
      detached: true,
      env: { PATH: process.env['PATH'] ?? '', DATA_DIR: join(folder, 'data'), PAGES: '0' },
      stdio: 'ignore',
    });
    children.push(child);
    return child;
  }

  async function noteOf(name: string): Promise<Note> {
    const read = (): Note | null => {
      try {
        return JSON.parse(readFileSync(join(folder, name), 'utf8')) as Note;
      } catch {
        return null;
      }
    };
    await expect.poll(read, SOON).not.toBeNull();
    return read() as Note;
  }
});

/** No such process, or nobody has asked yet how it ended. */
async function expectGone({ pid }: Note): Promise<void> {
  await expect.poll(() => {
    try {
      return / [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    } catch {
      return true;
    }
  }, SOON).toBe(true);
}
