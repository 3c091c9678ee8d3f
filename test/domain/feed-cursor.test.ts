import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { Rejection } from '../../src/domain/rejection.ts';
import { parseCursor, writeCursor } from '../../src/graphql/cursor.ts';

const address = { clientId: 1, orderId: 12, key: 'key of the test' };
const position = { sequence: 345, version: 6 };
const cursor = writeCursor(position, address);

describe('a cursor', () => {
  test('comes back as the position that it was made of', () => {
    const id = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
    fc.assert(fc.property(id, id, id, id, (clientId, orderId, sequence, version) => {
      const feed = { clientId, orderId, key: 'k' };
      const written = writeCursor({ sequence, version }, feed);
      expect(parseCursor(written, feed)).toEqual({ sequence, version });
      expect(written).toMatch(/^[A-Za-z0-9_-]{1,128}$/);
    }));
  });

  test.each([
    ['another client', { ...address, clientId: 2 }],
    ['another order', { ...address, orderId: 13 }],
    ['another key', { ...address, key: 'another key' }],
  ])('of %s is refused', (_name, feed) => {
    expect(() => parseCursor(cursor, feed)).toThrow(Rejection);
  });

  test('is refused with any byte changed, cut or added', () => {
    const bytes = Buffer.from(cursor, 'base64url');
    for (let index = 0; index < bytes.length; index += 1) {
      const changed = Buffer.from(bytes);
      changed[index] = (changed[index] ?? 0) ^ 1;
      expect(() => parseCursor(changed.toString('base64url'), address)).toThrow(Rejection);
      const cut = bytes.subarray(0, index).toString('base64url');
      expect(() => parseCursor(cut, address)).toThrow(Rejection);
    }
    const longer = Buffer.concat([bytes, Buffer.from('0')]).toString('base64url');
    expect(() => parseCursor(longer, address)).toThrow(Rejection);
  });

  test.each(['', '345', 'null', '%%%', `${cursor}=`, ` ${cursor}`, 'A'.repeat(100_000), '\u0000'])(
    'that is malformed is refused: %s', (text) => {
      expect(() => parseCursor(text, address)).toThrow(Rejection);
    },
  );

  test('is refused as any text at all', () => {
    fc.assert(fc.property(fc.string({ maxLength: 200 }), (text) => {
      expect(() => parseCursor(text, address)).toThrow(Rejection);
    }));
  });

  test('says what to do when it is refused', () => {
    try {
      parseCursor('x', address);
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({
        code: 'VALIDATION_FAILURE',
        detail: 'CURSOR_INVALID',
        message: expect.stringContaining('without `after`'),
      });
    }
  });
});
