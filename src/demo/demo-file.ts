import { randomUUID } from 'node:crypto';
import { link, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { makeDataDir } from './data-dir.ts';

/** What scripts read from `<dataDir>/demo.json`; a field is empty while its part does not exist. */
export interface DemoFacts {
  readonly baseUrl: string;
  readonly graphqlUrl: string;
  readonly wsUrl: string;
  /** For browsers; empty where no pages are served. */
  readonly explorerUrl: string;
  readonly watchUrl: string;
  readonly docsUrl: string;
  readonly supplierUrl: string;
  readonly mailUrl: string;
  readonly databaseUrl: string;
  readonly ownerDatabaseUrl: string;
  readonly clients: readonly {
    readonly id: number;
    readonly name: string;
    readonly apiKey: string;
    readonly apiSecret: string;
    readonly token: string;
  }[];
  readonly adminToken: string;
}

/** What file systems say that know no second name of a file. */
const WITHOUT_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);

/** Writes the file in one step, readable by its owner only: it holds tokens and passwords. */
export async function writeDemoFile(dataDir: string, facts: DemoFacts): Promise<void> {
  await placeDemoFile(dataDir, facts, rename);
}

/** Writes the file unless there is one, also one of that moment; answers whether it did. */
export async function writeDemoFileIfAbsent(dataDir: string, facts: DemoFacts): Promise<boolean> {
  try {
    await placeDemoFile(dataDir, facts, link);
    return true;
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    if (!WITHOUT_LINKS.has(code)) throw error;
    // One of that very moment is written over there.
    if (await readDemoFile(dataDir) !== null) return false;
    await writeDemoFile(dataDir, facts);
    return true;
  }
}

/** Readers see the whole file or none: it is written beside its place and put there by `place`. */
async function placeDemoFile(
  dataDir: string,
  facts: DemoFacts,
  place: (from: string, to: string) => Promise<void>,
): Promise<void> {
  await makeDataDir(dataDir);
  const path = demoFilePath(dataDir);
  const temporaryPath = `${path}.${randomUUID()}`;
  try {
    const file = await open(temporaryPath, 'wx', 0o600);
    await file.writeFile(textOf(facts)).finally(() => file.close());
    await place(temporaryPath, path);
  } finally {
    await rm(temporaryPath, { force: true });
  }
}

/**
 * What the demo that runs says of itself; null where none does.
 * @throws Error where there is a file that cannot be read
 */
export async function readDemoFile(dataDir: string): Promise<DemoFacts | null> {
  const text = await readFile(demoFilePath(dataDir), 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  });
  return text === null ? null : JSON.parse(text) as DemoFacts;
}

/**
 * Removes the file, so that nobody takes a stopped program for a running one; to be called by who
 * has claimed the directory.
 */
export async function removeDemoFile(dataDir: string): Promise<void> {
  await rm(demoFilePath(dataDir), { force: true });
}

/** Removes the file unless somebody else has written over it. */
export async function removeDemoFileOf(dataDir: string, facts: DemoFacts): Promise<void> {
  const text = await readFile(demoFilePath(dataDir), 'utf8').catch(() => null);
  if (text === textOf(facts)) await removeDemoFile(dataDir);
}

function textOf(facts: DemoFacts): string {
  return `${JSON.stringify(facts, null, 2)}\n`;
}

function demoFilePath(dataDir: string): string {
  return join(dataDir, 'demo.json');
}
