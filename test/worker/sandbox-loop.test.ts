import { expect, test } from 'vitest';
import { startSandboxLoop } from '../../src/demo/sandbox-loop.ts';

test('a fault of every round is told once, until a round gets through', async () => {
  const away = new Error('away');
  const rounds = [away, away, new Error('refused'), away, null, away, away];
  const lines: string[] = [];
  const ended = Promise.withResolvers<void>();
  const loop = startSandboxLoop({
    delayScale: 0,
    log: (line) => void lines.push(line),
    runOnce: async () => {
      await Promise.resolve();
      const fault = rounds.shift();
      if (fault === undefined) ended.resolve();
      loop.wake();
      if (fault instanceof Error) throw fault;
      return 0;
    },
  });
  await ended.promise;
  await loop.stop();
  expect(lines).toEqual(['away', 'refused', 'away', 'away'].map(
    (fault) => `A round of the sandbox supplier failed: Error: ${fault}`,
  ));
});
