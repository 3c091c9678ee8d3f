import { resolve } from 'node:path';

import { defineConfig } from 'vitest/config';

/** The pages in Chromium, against the program as it is started by hand. */
export default defineConfig({
  root: resolve(import.meta.dirname, '../..'),
  test: {
    include: ['test/pages/*.pages.ts'],
    pool: 'forks',
    // One browser and one program at a time: two cores carry no more.
    maxWorkers: 1,
    fileParallelism: false,
    testTimeout: 90_000,
    hookTimeout: 90_000,
    teardownTimeout: 30_000,
    reporters: ['verbose'],
  },
});
