import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync, closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach } from 'vitest';
import type { DemoFacts } from '../../src/demo/demo-file.ts';
import { freePort } from './free-port.ts';

/** The program as it is started by hand, from the built files, in a folder of its own. */
export interface Program {
  readonly process: ChildProcess;
  /** What it wrote to demo.json; resolves when it is ready. */
  readonly ready: Promise<DemoFacts>;
  readonly exited: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  output(): string;
}

const ROOT = new URL('../..', import.meta.url).pathname;
const MAIN = new URL('../../dist/main.js', import.meta.url).pathname;
const READY_MS_MAX = 60_000;
const STOPPED_MS_MAX = 30_000;

export function makeDataDir(): string {
  const directory = mkdtempSync(join(tmpdir(), 'topup-program-'));
  chmodSync(directory, 0o700);
  return directory;
}

export function removeDataDir(directory: string): void {
  rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
}

export function startProgram(
  env: Readonly<Record<string, string>>,
  args: readonly string[] = [],
  nodeFlags: readonly string[] = [],
  logPath: string | null = null,
): Program {
  const words = ['--disable-proto=delete', ...nodeFlags, MAIN, ...args];
  return run(process.execPath, words, env, logPath);
}

/** As somebody at a terminal starts it, with npm and all that comes before the program. */
export function npmStart(env: Readonly<Record<string, string>>): Program {
  return run('npm', ['start'], env, null);
}

function run(
  file: string, words: readonly string[], env: Readonly<Record<string, string>>,
  logPath: string | null,
): Program {
  // A pipe with a name is opened for both ends: opened for one, it would wait for the other.
  const log = logPath === null ? null : openSync(logPath, 'r+');
  const child = spawn(file, words, {
    cwd: ROOT,
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['ignore', 'pipe', log ?? 'pipe'],
  });
  if (log !== null) closeSync(log);
  let text = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const exited = once(child, 'exit').then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as string | null,
  }));
  const path = join(env['DATA_DIR'] ?? '.data', 'demo.json');
  const isOver = { current: false };
  void exited.then(() => {
    isOver.current = true;
  });
  const ready = (async () => {
    const deadline = performance.now() + READY_MS_MAX;
    // A file left by a killed program is not this one's: it is removed at start.
    await delay(100);
    for (;;) {
      // A worker has no card to print; its folder is its own.
      if (existsSync(path) && (env['ROLE'] === 'worker' || text.includes('curl'))) {
        return JSON.parse(readFileSync(path, 'utf8')) as DemoFacts;
      }
      if (isOver.current) throw new Error(`The program ended:\n${text}`);
      if (performance.now() > deadline) throw new Error(`The program is not ready:\n${text}`);
      await delay(20);
    }
  })();
  ready.catch(() => undefined);
  return { process: child, ready, exited, output: () => text };
}

/** Stopped, so that it leaves no PostgreSQL behind in a folder that goes; or else killed. */
async function end({ process: program, exited }: Program): Promise<void> {
  program.kill('SIGTERM');
  const timer = setTimeout(() => program.kill('SIGKILL'), STOPPED_MS_MAX);
  await exited;
  clearTimeout(timer);
}

/** Programs of one test file, ended after each test with their folders. */
export interface Programs {
  /** In a folder and at a port of its own, unless `env` names others. */
  (
    env: Readonly<Record<string, string>>, args?: readonly string[], nodeFlags?: readonly string[],
    logPath?: string,
  ): Promise<Program>;
  newFolder(): string;
}

export function usePrograms(): Programs {
  const started: Program[] = [];
  const folders: string[] = [];
  afterEach(async () => {
    await Promise.all(started.splice(0).map(end));
    for (const folder of folders.splice(0)) removeDataDir(folder);
  });
  const newFolder = (): string => {
    const folder = makeDataDir();
    folders.push(folder);
    return folder;
  };
  const start = async (
    env: Readonly<Record<string, string>>,
    args: readonly string[] = [],
    nodeFlags: readonly string[] = [],
    logPath?: string,
  ): Promise<Program> => {
    const own = { PORT: String(await freePort()), DATA_DIR: newFolder() };
    const program = startProgram({ ...own, ...env }, args, nodeFlags, logPath);
    started.push(program);
    return program;
  };
  return Object.assign(start, { newFolder });
}
