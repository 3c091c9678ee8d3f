import { expect, test } from 'vitest';
import { shareAnswer } from '../../src/rest/share-answer.ts';

test('whoever asks while a question is under way gets its answer, the next a new one', async () => {
  const questions: PromiseWithResolvers<number>[] = [];
  const ask = shareAnswer(() => {
    const question = Promise.withResolvers<number>();
    questions.push(question);
    return question.promise;
  });
  const first = [ask(), ask(), ask()];
  expect(questions).toHaveLength(1);
  questions[0]?.resolve(1);
  expect(await Promise.all(first)).toEqual([1, 1, 1]);
  const failed = [ask(), ask()];
  questions[1]?.reject(new Error('away'));
  expect(await Promise.allSettled(failed)).toMatchObject([
    { reason: { message: 'away' } }, { reason: { message: 'away' } },
  ]);
  const last = ask();
  questions[2]?.resolve(3);
  expect(await last).toBe(3);
  expect(questions).toHaveLength(3);
});
