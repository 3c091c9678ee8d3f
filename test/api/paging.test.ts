import type { FastifyRequest } from 'fastify';
import { describe, expect, test } from 'vitest';

import { Rejection } from '../../src/domain/rejection.ts';
import { pageIn, pageOut, pagingHeaders } from '../../src/rest/paging.ts';
import { Query } from '../../src/rest/query.ts';

const queryOf = (text: string) => new Query({ raw: { url: `/list?${text}` } } as FastifyRequest);

describe('a page by number', () => {
  test.each([
    ['', { number: 1, limit: 50, offset: 0 }],
    ['page=3&per_page=20', { number: 3, limit: 20, offset: 40 }],
    ['limit=500', { number: 1, limit: 500, offset: 0 }],
    ['limit=7&per_page=9', { number: 1, limit: 9, offset: 0 }],
    ['limit=0&per_page=9', { number: 1, limit: 9, offset: 0 }],
    ['page=99999999', { number: 99_999_999, limit: 50, offset: 4_999_999_900 }],
    ['page=9007199254740991&limit=500', {
      number: Number.MAX_SAFE_INTEGER, limit: 500, offset: Number.MAX_SAFE_INTEGER,
    }],
  ])('%s', (text, page) => {
    expect(pageIn(queryOf(text))).toEqual(page);
  });

  test.each([
    'page=0', 'page=-1', 'page=1.5', 'page=1e3', 'page=0x10', 'page=', 'page=%00', 'page=１２',
    'page=%FF', 'page=9007199254740993', `page=${'9'.repeat(40)}`, 'page=1&page=2', 'page=1;drop',
    'per_page=0', 'per_page=501', 'limit=501', 'limit=-5', 'per_page=abc',
    'per_page=10&per_page=10',
  ])('%s is refused', (text) => {
    expect(() => pageIn(queryOf(text))).toThrow(Rejection);
  });

  test('may be greater where a list allows it', () => {
    expect(pageIn(queryOf('limit=10000'), 10_000).limit).toBe(10_000);
    expect(() => pageIn(queryOf('limit=10001'), 10_000)).toThrow(Rejection);
  });
});

describe('paging headers', () => {
  const page = { number: 2, limit: 20, offset: 20 };
  const items = Array.from({ length: 41 }, (_, index) => index);

  test('tell page, sizes, count, pages and whether more follows', () => {
    expect(pagingHeaders(page, pageOut(page, items))).toEqual({
      'x-page': '2',
      'x-per-page': '20',
      'x-total-count': '41',
      'x-total-pages': '3',
      'x-page-size': '20',
      'x-has-more': 'true',
    });
  });

  test.each([[40, '20', 'false'], [25, '5', 'false'], [20, '0', 'false'], [0, '0', 'false']])(
    'of %i items tell the size %s and that more follows: %s', (count, size, hasMore) => {
      expect(pagingHeaders(page, pageOut(page, items.slice(0, count)))).toMatchObject({
        'x-total-count': String(count), 'x-page-size': size, 'x-has-more': hasMore,
      });
    },
  );
});
