import 'reflect-metadata';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { Rejection } from '../../src/domain/rejection.ts';
import {
  parseConnectionCursor, parseIdCursor, writeConnectionCursor,
} from '../../src/graphql/connection-cursor.ts';
import { pageOf, parseFirst } from '../../src/graphql/connection.types.ts';

const address = { clientId: 1, connection: 'topupOrders', key: 'key of the test' };
const position = ['PUBG Mobile UC — 325', 4218];
const cursor = writeConnectionCursor(position, address);

describe('a cursor of a connection', () => {
  test('comes back as the position that it was made of', () => {
    const part = fc.oneof(fc.string({ unit: 'binary', maxLength: 30 }), fc.maxSafeInteger());
    fc.assert(fc.property(fc.array(part, { minLength: 1, maxLength: 3 }), (made) => {
      const written = writeConnectionCursor(made, address);
      expect(parseConnectionCursor(written, address)).toEqual(JSON.parse(JSON.stringify(made)));
      expect(written).toMatch(/^[A-Za-z0-9_-]+$/);
    }));
  });

  test.each([
    ['another client', { ...address, clientId: 2 }],
    ['another list', { ...address, connection: 'Wallet.transactions:1' }],
    ['another key', { ...address, key: 'another key' }],
    ['a client whose number runs into the list', { ...address, clientId: 11 }],
  ])('of %s is refused', (_name, other) => {
    expect(() => parseConnectionCursor(cursor, other)).toThrow(Rejection);
  });

  test('is refused with any byte changed, cut or added', () => {
    const bytes = Buffer.from(cursor, 'base64url');
    for (let index = 0; index < bytes.length; index += 1) {
      const changed = Buffer.from(bytes);
      changed[index] = (changed[index] ?? 0) ^ 1;
      for (const forged of [changed, bytes.subarray(0, index)]) {
        const text = forged.toString('base64url');
        expect(() => parseConnectionCursor(text, address)).toThrow(Rejection);
      }
    }
    const longer = Buffer.concat([bytes, Buffer.from('0')]).toString('base64url');
    expect(() => parseConnectionCursor(longer, address)).toThrow(Rejection);
  });

  test.each(['', '345', 'null', '%%%', `${cursor}=`, ` ${cursor}`, 'A'.repeat(100_000), '\u0000'])(
    'that is malformed is refused: %s', (text) => {
      expect(() => parseConnectionCursor(text, address)).toThrow(Rejection);
    },
  );

  test('says what to do when it is refused', () => {
    expect(() => parseIdCursor('x', address)).toThrow(expect.objectContaining({
      code: 'VALIDATION_FAILURE',
      detail: 'CURSOR_INVALID',
      message: expect.stringContaining('without `after`'),
    }));
  });
});

describe('a page of a connection', () => {
  const page = { first: 2, isAfter: false, cursorOf: (id: number) => `c${id}` };

  test.each([
    [[], { hasNextPage: false, startCursor: null, endCursor: null }],
    [[9, 8], { hasNextPage: false, startCursor: 'c9', endCursor: 'c8' }],
    [[9, 8, 7], { hasNextPage: true, startCursor: 'c9', endCursor: 'c8' }],
  ])('of the rows %j tells whether more follow', (rows, info) => {
    const { edges, pageInfo } = pageOf(rows, page);
    expect(edges.map(({ node }) => node)).toEqual(rows.slice(0, 2));
    expect(pageInfo).toEqual({ ...info, hasPreviousPage: false });
  });

  test('that begins behind a cursor has one before it', () => {
    expect(pageOf([1], { ...page, isAfter: true }).pageInfo.hasPreviousPage).toBe(true);
  });

  test('has 1 to 100 edges at most', () => {
    expect([1, 100].map(parseFirst)).toEqual([1, 100]);
    for (const first of [0, -1, 101, 1_000_000]) expect(() => parseFirst(first)).toThrow(Rejection);
  });
});
