import { describe, expect, it } from 'vitest';
import { maskSensitive, maskValue } from '../../src/domain/mask.ts';
import { field, product, snapshot, topupOrder } from './builders.ts';

it('maskValue shows the last four, and nothing of what is short', () => {
  expect(maskValue('+919876543210')).toBe('*********3210');
  expect(maskValue('12345678')).toBe('****5678');
  expect(maskValue('1234567')).toBe('*******');
  expect(maskValue('')).toBe('');
  expect(maskValue(maskValue('12345678'))).toBe('****5678');
});

describe('maskSensitive', () => {
  const order = topupOrder({ inputData: { player_id: '5123456789', server: 'asia' } });
  const server = field({ name: 'server' });
  const shown = (inputFields: readonly ReturnType<typeof field>[]): object =>
    maskSensitive(order, snapshot({ products: [product({ inputFields })] }));

  it('masks the values of sensitive fields, and nothing else of the order', () => {
    expect(shown([field({ name: 'player_id', isSensitive: true }), server])).toEqual({
      ...order, inputData: { player_id: '******6789', server: 'asia' },
    });
    expect(shown([field({ name: 'player_id' }), server])).toBe(order);
  });

  it('masks what no product speaks of any more', () => {
    expect(shown([server])).toMatchObject({
      inputData: { player_id: '******6789', server: 'asia' },
    });
    expect(maskSensitive(order, snapshot({ products: [] }))).toMatchObject({
      inputData: { player_id: '******6789', server: '****' },
    });
  });
});
