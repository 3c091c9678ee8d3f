import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { parseCursor, writeCursor, type FeedAddress } from '../../src/domain/feed-cursor.ts';
import { Rejection } from '../../src/domain/rejection.ts';

const address: FeedAddress = { clientId: 1, kind: 'order', id: 12, key: 'key of the test' };
const position = [345, 6];
const cursor = writeCursor(position, address);

describe('a cursor', () => {
  test('comes back as the position that it was made of', () => {
    const id = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
    fc.assert(fc.property(id, id, fc.array(id, { maxLength: 400 }), (clientId, feedId, place) => {
      const feed = { ...address, clientId, id: feedId };
      const written = writeCursor(place, feed);
      expect(parseCursor(written, feed)).toEqual(place);
      expect(written).toMatch(/^[A-Za-z0-9_-]+$/);
    }));
  });

  const refusalOf = (feed: FeedAddress, text = cursor): unknown => {
    try {
      return parseCursor(text, feed);
    } catch (error) {
      expect(error).toBeInstanceOf(Rejection);
      return error;
    }
  };

  test.each([
    ['another client', { clientId: 2 }, 'CURSOR_FOREIGN'],
    ['another order', { id: 13 }, 'CURSOR_FOREIGN'],
    ['another kind of feed', { kind: 'orders' }, 'CURSOR_FOREIGN'],
    ['another key', { key: 'another key' }, 'CURSOR_INVALID'],
  ] as const)('of %s is refused, and told so', (_name, other, detail) => {
    expect(refusalOf({ ...address, ...other })).toMatchObject({
      code: 'VALIDATION_FAILURE',
      detail,
      problems: [{ field: ['after'], code: detail }],
      message: expect.stringContaining('leave `after` out'),
    });
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
      expect(refusalOf(address, text)).toMatchObject({ detail: 'CURSOR_INVALID' });
    },
  );

  test('is refused as any text at all', () => {
    fc.assert(fc.property(fc.string({ maxLength: 200 }), (text) => {
      expect(() => parseCursor(text, address)).toThrow(Rejection);
    }));
  });
});
