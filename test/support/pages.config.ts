import { resolve } from 'node:path';

import { defineConfig } from 'vitest/config';

/** The pages in Chromium, against the program as it is started by hand. */
export default defineConfig({
  root: resolve(import.meta.dirname, '../..'),
  test: {
    include: ['test/pages/*.pages.ts'],
    pool: 'forks',
    // Half of the time of one is waiting; two cores carry no more than two.
    maxWorkers: 2,
    testTimeout: 180_000,
    hookTimeout: 90_000,
    teardownTimeout: 30_000,
    expect: { poll: { timeout: 60_000 } },
    reporters: ['verbose'],
  },
});
