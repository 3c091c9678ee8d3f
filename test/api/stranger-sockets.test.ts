import { expect, test } from 'vitest';
import { StrangerSockets } from '../../src/graphql/stranger-sockets.ts';

test('of the stranger with most sockets the oldest is taken, until there is none', () => {
  const strangers = new StrangerSockets<{ readonly address: string; readonly name: string }>();
  const add = (address: string, name: string) => {
    const socket = { address, name };
    strangers.add(socket);
    return socket;
  };
  const first = add('198.51.100.7', 'a1');
  add('2001:db8::1', 'b1');
  add('198.51.100.7', 'a2');
  add('2001:db8::2', 'b2');
  add('198.51.100.7', 'a3');
  add('2001:db8:0:1::1', 'c1');
  strangers.delete(first);
  strangers.delete(first);
  const taken = Array.from({ length: 6 }, () => strangers.takeOldest()?.name);
  // Addresses of one /64 are one stranger; of two that have as many, whoever came first.
  expect(taken).toEqual(['a2', 'b1', 'a3', 'b2', 'c1', undefined]);
});
