import { expect, test } from 'vitest';
import { Undo } from '../src/undo.ts';

test('what was done is undone in reverse, each after the last, whatever fails', async () => {
  const undo = new Undo();
  const done: string[] = [];
  undo.push(() => done.push('first'));
  undo.push(() => Promise.reject(new Error('a fault')));
  undo.push(async () => {
    await new Promise((resolve) => setImmediate(resolve));
    done.push('last');
  });
  await undo.run((error) => done.push(String(error)));
  expect(done).toEqual(['last', 'Error: a fault', 'first']);
  await undo.run(() => expect.fail('undone twice'));
  expect(done).toHaveLength(3);
});
