import { spawnSync } from 'node:child_process';
import {
  copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ROOT } from '../support/sources.ts';

/** The real ones would compile the script that is tried as well. */
const SETTINGS = {
  compilerOptions: {
    target: 'es2024', lib: ['es5'], module: 'nodenext', types: [], strict: true,
    rootDir: 'src', outDir: 'dist', incremental: true, tsBuildInfoFile: 'dist/.tsbuildinfo',
  },
  files: ['src/told.ts'],
};

/** The build of another, very small program, in a folder of its own. */
describe('what is built before a start', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'topup-build-'));
    mkdirSync(join(folder, 'src'));
    const copied = [
      'src/build-program.ts', 'src/source-stamp.ts', 'package.json', 'package-lock.json',
    ];
    for (const path of copied) copyFileSync(join(ROOT, path), join(folder, path));
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(SETTINGS));
    install();
    write('first');
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  test('is compiled where something changed, and by no compiler where nothing did', () => {
    expect(build()).toBe(0);
    expect(built()).toBe('first');
    uninstall();
    expect(build()).toBe(0);
    write('second');
    expect(build()).not.toBe(0);
    // What could not be built is not taken for built, whatever else comes back.
    write('first');
    expect(build()).not.toBe(0);
    install();
    write('second');
    expect(build()).toBe(0);
    expect(built()).toBe('second');
  });

  test('is compiled anew after somebody else has compiled other sources', () => {
    expect(build()).toBe(0);
    write('second');
    expect(compile()).toBe(0);
    expect(built()).toBe('second');
    write('first');
    expect(build()).toBe(0);
    expect(built()).toBe('first');
  });

  test('is not taken for built where a source changes while the compiler reads', () => {
    uninstall();
    const compiler = join(folder, 'node_modules/typescript/bin');
    mkdirSync(compiler, { recursive: true });
    writeFileSync(join(compiler, 'tsc'), `
      require('node:fs').appendFileSync('src/told.ts', '// Changed.\\n');
      require(${JSON.stringify(join(ROOT, 'node_modules/typescript/lib/tsc.js'))});`);
    expect(build()).toBe(0);
    rmSync(join(folder, 'node_modules'), { recursive: true });
    write('first');
    expect(build()).not.toBe(0);
  });

  test('is whole again after a build that was cut off, and when it is asked for', () => {
    const stamp = join(folder, 'dist/.program-stamp');
    const file = join(folder, 'dist/told.js');
    for (const words of [[], ['--always']]) {
      expect(build()).toBe(0);
      writeFileSync(file, '');
      if (words.length === 0) rmSync(stamp);
      expect(build(...words)).toBe(0);
      expect(built()).toBe('first');
    }
  });

  test('is not started with an error of types, neither the first time nor again', () => {
    writeFileSync(join(folder, 'src/told.ts'), 'export const told: number = "first";\n');
    expect(build()).not.toBe(0);
    expect(build()).not.toBe(0);
  });

  test('is told of in a sentence where the compiler is killed, or dist cannot be written', () => {
    symlinkSync('/proc', join(folder, 'dist'));
    const unwritable = tell();
    expect(unwritable.status).not.toBe(0);
    expect(unwritable.told).toContain('dist cannot be written');
    expect(unwritable.told.split('error TS5033')).toHaveLength(2);
    rmSync(join(folder, 'dist'));
    uninstall();
    const compiler = join(folder, 'node_modules/typescript/bin');
    mkdirSync(compiler, { recursive: true });
    writeFileSync(join(compiler, 'tsc'), "process.kill(process.pid, 'SIGKILL');");
    const killed = tell();
    expect(killed.status).toBe(1);
    expect(killed.told).toContain('(SIGKILL), as happens where memory is short');
    rmSync(join(folder, 'node_modules'), { recursive: true });
    install();
    writeFileSync(join(folder, 'src/told.ts'), 'export const told: number = "first";\n');
    expect(tell().told).toContain('error TS2322');
  });

  test('is told of in a sentence where the compiler cannot be started', () => {
    const nobodysProgram = 'data:text/javascript,process.execPath="/nobodys/program"';
    expect(tell('--import', nobodysProgram)).toEqual({
      status: 1,
      told: 'The compiler could not be started: spawn /nobodys/program ENOENT\n',
    });
  });

  test('is compiled anew with other settings and other packages', () => {
    expect(build()).toBe(0);
    uninstall();
    for (const path of ['tsconfig.json', 'package-lock.json']) {
      const text = readFileSync(join(folder, path), 'utf8');
      writeFileSync(join(folder, path), `${text}\n`);
      expect(build()).not.toBe(0);
      writeFileSync(join(folder, path), text);
      install();
      expect(build()).toBe(0);
      uninstall();
    }
  });

  function write(text: string): void {
    writeFileSync(join(folder, 'src/told.ts'), `export const told = '${text}';\n`);
  }

  function built(): string | undefined {
    return /told = '(\w+)'/.exec(readFileSync(join(folder, 'dist/told.js'), 'utf8'))?.[1];
  }

  function install(): void {
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  }

  function uninstall(): void {
    rmSync(join(folder, 'node_modules'));
    expect(existsSync(join(folder, 'node_modules'))).toBe(false);
  }

  function build(...words: readonly string[]): number | null {
    return run(join(folder, 'src/build-program.ts'), words);
  }

  function tell(
    ...options: readonly string[]
  ): { readonly status: number | null; readonly told: string } {
    const script = join(folder, 'src/build-program.ts');
    const { status, stderr } = spawnSync(process.execPath, [...options, script], {
      cwd: folder, encoding: 'utf8',
    });
    return { status, told: stderr };
  }

  function compile(): number | null {
    return run(join(ROOT, 'node_modules/typescript/bin/tsc'));
  }

  function run(script: string, words: readonly string[] = []): number | null {
    return spawnSync(process.execPath, [script, ...words], { cwd: folder, stdio: 'ignore' }).status;
  }
});
