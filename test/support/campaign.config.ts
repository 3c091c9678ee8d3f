import { mergeConfig } from 'vitest/config';
import daily from './vitest.config.ts';

/** The long run: every crash cell several times, random crashes, thousands of interleavings. */
const merged: typeof daily = mergeConfig(daily, {
  // Each in a process of its own: some of them measure theirs.
  test: { isolate: true, testTimeout: 3_600_000, reporters: ['verbose'] },
});

export default { ...merged, test: { ...merged.test, include: ['test/campaign/*.campaign.ts'] } };
