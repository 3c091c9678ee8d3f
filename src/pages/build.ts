import { existsSync, rmSync } from 'node:fs';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { configFromEnvironment, type Config } from '../config.ts';
import { stampOfSources } from '../source-stamp.ts';

const SOURCES = import.meta.dirname;
const ROOT = resolve(SOURCES, '../..');
const BUILT = join(ROOT, 'dist/pages');
/** Beside the pages and not among them, because everything in there is served. */
const STAMP = join(ROOT, 'dist/.pages-stamp');
const PAGES = ['index', 'explorer', 'watch'];
/** The editor of the explorer comes in one piece, and from the same machine. */
const CHUNK_KILOBYTES_MAX = 5_000;

/**
 * Builds what the gateway serves to browsers into dist/pages. Does nothing where that is up to
 * date or, unless --always is said, where this environment serves no pages.
 */
async function buildPages(isAlways: boolean): Promise<void> {
  if (!isAlways && !isServing()) return;
  // With every file that goes into a page, and with the packages.
  const stamp = await stampOfSources(SOURCES, [join(ROOT, 'package-lock.json')]);
  const isBuilt = existsSync(BUILT) && existsSync(STAMP);
  if (isBuilt && await readFile(STAMP, 'utf8') === stamp) return;
  if (/[#?]/.test(ROOT)) {
    // The bundler takes what follows for a part of an address.
    process.stderr.write('The pages cannot be built in a folder whose path has # or ?: move the'
      + ` clone, or start with PAGES=0. It is ${ROOT}\n`);
    process.exitCode = 1;
    return;
  }
  // Two programs may be started at once over one clone: each builds on its own, one moves in.
  const fresh = `${BUILT}-${process.pid}`;
  process.once('exit', () => rmSync(fresh, { recursive: true, force: true }));
  await bundle(fresh);
  await rm(BUILT, { recursive: true, force: true });
  await rename(fresh, BUILT).catch(() => rm(fresh, { recursive: true, force: true }));
  await writeFile(STAMP, stamp);
}

/** A faulty environment is told by the program itself, which starts next. */
function isServing(): boolean {
  let config: Config;
  try {
    config = configFromEnvironment(true);
  } catch {
    return false;
  }
  return config.arePagesServed && config.role !== 'worker';
}

async function bundle(outDir: string): Promise<void> {
  // Loaded only where there is something to build: the stamp is looked at before every start.
  const { build } = await import('vite');
  await build({
    root: SOURCES,
    base: '/pages/',
    configFile: false,
    envDir: false,
    publicDir: false,
    // Below are warnings about markers for other frameworks in the explorer's packages.
    logLevel: 'error',
    build: {
      outDir,
      emptyOutDir: true,
      // What loads ahead would need a script inside the page, which its policy forbids.
      modulePreload: { polyfill: false },
      // A picture or font inside a style sheet would need data: in every policy.
      assetsInlineLimit: 0,
      chunkSizeWarningLimit: CHUNK_KILOBYTES_MAX,
      rolldownOptions: { input: PAGES.map((page) => join(SOURCES, `${page}.html`)) },
    },
  });
}

await buildPages(process.argv.includes('--always'));
