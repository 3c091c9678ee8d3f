import daily from './vitest.config.ts';

/** The program as it is started, killed and started again, and several of it at once. */
export default {
  ...daily,
  test: { ...daily.test, include: ['test/processes/*.processes.ts'], reporters: ['verbose'] },
};
