import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import type { DemoFacts } from '../../src/demo/demo-file.ts';
import { freePort } from './free-port.ts';
import { makeDataDir, removeDataDir, startProgram, type Program } from './program.ts';
import { ROOT } from './sources.ts';

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
/** This machine under the name of another: over plain HTTP, browsers trust it less. */
const OTHER_HOST = 'demo.lan';
/** As Chromium has it where the data of sites is blocked. */
const BLOCK_STORAGE = `for (const name of ['localStorage', 'sessionStorage']) {
  Object.defineProperty(window, name, { configurable: true, get() {
    throw new DOMException('Access is denied for this document.', 'SecurityError');
  } });
}`;
/** Not kept by git: for people to look at. */
const PICTURES = join(ROOT, 'dist/screenshots');

/** The page, the program and its database share two cores with those of another file. */
const WAIT_MS_MAX = 60_000;

/** A refused font quotes itself, a hundred kilobytes of it. */
const MESSAGE_LENGTH_MAX = 300;

/** The demo, started by hand, and a browser before it. */
export interface Stage {
  readonly facts: DemoFacts;
  /** The same place, for somebody at another machine. */
  elsewhere(url: string): string;
  /** A page of a window of its own; whatever goes wrong in it fails the test. */
  openPage(options?: PageOptions): Promise<Page>;
  picture(page: Page, name: string): Promise<void>;
  /** Stops the program and starts it again over the same data, at the same address. */
  restart(whileAway?: () => Promise<void>, settings?: Settings): Promise<void>;
  /** The same, with the data of a first start. */
  startAnew(): Promise<void>;
}

type Settings = Readonly<Record<string, string>>;

export interface PageOptions {
  readonly colorScheme?: 'light' | 'dark';
  readonly forcedColors?: 'active';
  readonly viewport?: { readonly width: number; readonly height: number };
  readonly javaScriptEnabled?: boolean;
  readonly isStorageBlocked?: boolean;
}

/** One program and one browser for a file. */
export function useStage(): () => Stage {
  const env = { PORT: '0', DATA_DIR: '', LOG_LEVEL: 'warn' };
  let browser: Browser;
  let program: Program;
  let facts: DemoFacts;
  const watched: PageWatch[] = [];

  beforeAll(async () => {
    env.PORT = String(await freePort());
    env.DATA_DIR = makeDataDir();
    browser = await launch();
    program = startProgram(env);
    facts = await program.ready;
  });
  afterEach(async () => {
    for (const watch of watched.splice(0)) await watch.end();
  });
  afterAll(async () => {
    await browser?.close();
    await stop(program);
    removeDataDir(env.DATA_DIR);
  });

  const restart: Stage['restart'] = async (whileAway, settings) => {
    for (const watch of watched) watch.expectCuts();
    await stop(program);
    await whileAway?.();
    program = startProgram({ ...env, ...settings });
    facts = await program.ready;
  };
  const openPage = async (
    { isStorageBlocked = false, ...options }: PageOptions = {},
  ): Promise<Page> => {
    const context = await browser.newContext({
      viewport: { width: 1280, height: 800 }, reducedMotion: 'reduce', ...options,
    });
    const page = await context.newPage();
    page.setDefaultTimeout(WAIT_MS_MAX);
    if (isStorageBlocked) await page.addInitScript(BLOCK_STORAGE);
    watched.push(new PageWatch(page, [
      facts.baseUrl, facts.mailUrl, elsewhere(facts.baseUrl),
    ]));
    return page;
  };
  const startAnew = (): Promise<void> => restart(async () => removeDataDir(env.DATA_DIR));
  return () => ({ facts, elsewhere, openPage, picture, restart, startAnew });
}

function elsewhere(url: string): string {
  return url.replace(new URL(url).hostname, OTHER_HOST);
}

async function launch(): Promise<Browser> {
  const executablePath = CHROMIUM.find((path) => existsSync(path));
  if (executablePath === undefined) throw new Error('Chromium is missing: .ci/run installs it');
  return chromium.launch({
    executablePath,
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync',
      `--host-resolver-rules=MAP ${OTHER_HOST} 127.0.0.1`,
    ],
  });
}

async function stop(program: Program | undefined): Promise<void> {
  program?.process.kill('SIGTERM');
  await program?.exited;
}

async function picture(page: Page, name: string): Promise<void> {
  mkdirSync(PICTURES, { recursive: true });
  await page.screenshot({ path: join(PICTURES, `${name}.png`) });
}

/** Everything a page must not do: errors, refused content, requests to anywhere else. */
class PageWatch {
  readonly #page: Page;
  readonly #faults: string[] = [];
  #areCutsExpected = false;

  constructor(page: Page, origins: readonly string[]) {
    this.#page = page;
    page.on('console', (message) => {
      // Refusals by the content security policy arrive here too.
      if (!['error', 'warning'].includes(message.type())) return;
      if (this.#areCutsExpected && /WebSocket|ERR_CONNECTION/.test(message.text())) return;
      const text = message.text().slice(0, MESSAGE_LENGTH_MAX);
      this.#faults.push(`${message.type()}: ${text} ${message.location().url}`);
    });
    page.on('pageerror', (error) => this.#faults.push(`thrown: ${error.stack ?? error.message}`));
    page.on('request', (request) => {
      const { origin, protocol } = new URL(request.url());
      const isOwn = origins.includes(origin) || ['data:', 'blob:'].includes(protocol);
      if (!isOwn) this.#faults.push(`request: ${request.url()}`);
    });
    page.on('websocket', (socket) => {
      const isOwn = origins.includes(new URL(socket.url()).origin.replace(/^ws/, 'http'));
      if (!isOwn) this.#faults.push(`socket: ${socket.url()}`);
    });
  }

  /** From here on the gateway goes away for a while, and the browser says so. */
  expectCuts(): void {
    this.#areCutsExpected = true;
  }

  async end(): Promise<void> {
    await this.#page.context().close();
    expect(this.#faults).toEqual([]);
  }
}
