import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
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
