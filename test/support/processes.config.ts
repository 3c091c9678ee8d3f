import daily from './vitest.config.ts';

/** The program as it is started, killed and started again, and several of it at once. */
export default {
  ...daily,
  test: {
    ...daily.test,
    include: ['test/processes/*.processes.ts'],
    // Some start ten programs, each of which takes seconds; a slow machine takes three times that.
    testTimeout: 180_000,
    reporters: ['verbose'],
  },
};
