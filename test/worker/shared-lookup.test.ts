import { expect, it } from 'vitest';
import { createSharedLookup } from '../../src/outbound/shared-lookup.ts';

it('asks for a name once at a time, and for others meanwhile', () => {
  const asked: string[] = [];
  const answers: (() => void)[] = [];
  const told: unknown[] = [];
  const lookup = createSharedLookup((name, _options, callback) => {
    asked.push(name);
    answers.push(() => callback(null, [{ address: '192.0.2.1', family: 4 }]));
  });
  const ask = (name: string, family = 0): void => {
    lookup(name, { all: true, family }, (error, addresses) => told.push([name, error, addresses]));
  };
  for (let count = 0; count < 8; count += 1) ask('dead.example');
  ask('good.example');
  ask('dead.example', 6);
  // Whoever wants one address is told of no list.
  lookup('dead.example', { family: 0 }, () => undefined);
  expect(asked).toEqual(['dead.example', 'good.example', 'dead.example', 'dead.example']);
  answers[1]?.();
  expect(told).toEqual([['good.example', null, [{ address: '192.0.2.1', family: 4 }]]]);
  answers[0]?.();
  expect(told).toHaveLength(9);
  ask('dead.example');
  expect(asked).toHaveLength(5);
});

it('tells all who wait that there is no such name', () => {
  const fault = Object.assign(new Error('queryA ENOTFOUND'), { code: 'ENOTFOUND' });
  const told: unknown[] = [];
  let answer = (): void => undefined;
  const lookup = createSharedLookup((_name, _options, callback) => {
    answer = () => callback(fault, []);
  });
  for (let count = 0; count < 2; count += 1) {
    lookup('nowhere.example', { all: true }, (error) => told.push(error));
  }
  answer();
  expect(told).toEqual([fault, fault]);
});

it('tells whoever asks for what cannot be asked, each time', () => {
  const fault = new TypeError('no such family');
  const told: unknown[] = [];
  const lookup = createSharedLookup(() => { throw fault; });
  for (let count = 0; count < 2; count += 1) {
    lookup('good.example', { family: 5 }, (error) => told.push(error));
  }
  expect(told).toEqual([fault, fault]);
});
