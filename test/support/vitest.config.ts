import { resolve } from 'node:path';

import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { defineConfig } from 'vitest/config';

const root = resolve(import.meta.dirname, '../..');

/**
 * Files that mostly wait, for leases that end or processes that start: first, and the longest of
 * them first, so that none of them runs on alone at the end. The others come by their size.
 */
const BEGUN_FIRST = [
  'worker/mail.test.ts', 'db/migrate.test.ts', 'api/open-api.test.ts',
  'api/load-shedder.test.ts', 'worker/interleavings.test.ts', 'db/after-restore.test.ts',
  'processes/start.processes.ts', 'processes/program.processes.ts',
  'processes/several.processes.ts', 'processes/crash-matrix.processes.ts',
  'processes/build-program.processes.ts',
].map((name) => resolve(root, 'test', name));

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rankOf = ({ moduleId }: TestSpecification) => {
      const index = BEGUN_FIRST.indexOf(moduleId);
      return index < 0 ? BEGUN_FIRST.length : index;
    };
    const sorted = await super.sort(files);
    return sorted.sort((one, other) => rankOf(one) - rankOf(other));
  }
}

export default defineConfig({
  root,
  resolve: {
    // Node gives graphql's CommonJS build to type-graphql and Apollo; the bundler would give its
    // ES build to our own files, and a type of the one is no type of the other.
    alias: [{ find: /^graphql$/, replacement: resolve(root, 'node_modules/graphql/index.js') }],
  },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: 'test/support/global-setup.ts',
    pool: 'forks',
    // As the program is started: without __proto__ nobody's prototype is changed through it.
    execArgv: ['--disable-proto=delete'],
    // A worker loads the program once for all its files: a third of the suite's time. So no file
    // may leave anything behind in a module, in the environment or in a global.
    isolate: false,
    restoreMocks: true,
    // The machines that run this have two cores; the longest files wait for a third of their time.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    testTimeout: 120_000,
    hookTimeout: 120_000,
    teardownTimeout: 20_000,
    // What is waited for comes by a poll of a second or so where its wake-up is lost.
    expect: { poll: { timeout: 60_000 } },
    // A contract file that is missing is a failure, not one more file to write: only
    // `npm run schema`, which says -u, writes.
    update: 'none',
  },
});
