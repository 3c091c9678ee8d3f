import { mkdtempSync, promises, readdirSync, rmSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, expect, it } from 'vitest';

import {
  readDemoFile, writeDemoFile, writeDemoFileIfAbsent, type DemoFacts,
} from '../src/demo/demo-file.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'demo-file-'));
afterAll(() => rmSync(dataDir, { recursive: true }));

const factsOf = (baseUrl: string) => ({ baseUrl }) as DemoFacts;

it('is the gateway\'s, however a worker of the same folder starts beside it', async () => {
  for (let round = 0; round < 200; round += 1) {
    await Promise.all([
      writeDemoFile(dataDir, factsOf('gateway')),
      writeDemoFileIfAbsent(dataDir, factsOf('')),
    ]);
    expect(await readDemoFile(dataDir)).toEqual(factsOf('gateway'));
    rmSync(join(dataDir, 'demo.json'));
  }
});

it('is the first worker\'s where several start at once, and nothing else is left', async () => {
  const names = ['one', 'two', 'three', 'four'];
  const written = await Promise.all(
    names.map((name) => writeDemoFileIfAbsent(dataDir, factsOf(name))),
  );
  expect(written.filter(Boolean)).toHaveLength(1);
  expect(await readDemoFile(dataDir)).toEqual(factsOf(names[written.indexOf(true)] ?? ''));
  expect(readdirSync(dataDir)).toEqual(['demo.json']);
});

it('is written, and left to who was first, where no file has a second name', async () => {
  const { link } = promises;
  promises.link = () => Promise.reject(Object.assign(new Error('No links'), { code: 'EPERM' }));
  syncBuiltinESMExports();
  try {
    rmSync(join(dataDir, 'demo.json'), { force: true });
    expect(await writeDemoFileIfAbsent(dataDir, factsOf('one'))).toBe(true);
    expect(await writeDemoFileIfAbsent(dataDir, factsOf('two'))).toBe(false);
    expect(await readDemoFile(dataDir)).toEqual(factsOf('one'));
    expect(readdirSync(dataDir)).toEqual(['demo.json']);
  } finally {
    promises.link = link;
    syncBuiltinESMExports();
  }
});
