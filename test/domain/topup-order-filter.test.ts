import { describe, expect, it } from 'vitest';
import { matchesFilter, type TopupOrderFilter } from '../../src/domain/topup-order-filter.ts';
import type { FeedEvent } from '../../src/domain/topup-order.ts';

const ANY: TopupOrderFilter = {
  statuses: null, productIds: null, countryCodes: null, walletIds: null, failureCodes: null,
  createdFrom: null, createdTo: null,
};

const EVENT = {
  status: 'FAILED',
  failureCode: 'INVALID_RECIPIENT',
  order: {
    productId: 4218, countryCode: 'GLO', walletId: 1,
    createdAt: new Date('2026-03-01T12:00:05.400Z'),
  },
} as FeedEvent;

const at = (time: string): Date => new Date(`2026-03-01T${time}Z`);

describe('a filter', () => {
  it.each<[boolean, string, Partial<TopupOrderFilter>]>([
    [true, 'nothing at all', {}],
    [true, 'its status', { statuses: ['DELIVERED', 'FAILED'] }],
    [false, 'another status', { statuses: ['DELIVERED'] }],
    [true, 'its product', { productIds: [4218] }],
    [false, 'another product', { productIds: [1] }],
    [true, 'its country', { countryCodes: ['FRA', 'GLO'] }],
    [false, 'another country', { countryCodes: ['FRA'] }],
    [true, 'its wallet', { walletIds: [1] }],
    [false, 'another wallet', { walletIds: [2] }],
    [true, 'its failure', { failureCodes: ['INVALID_RECIPIENT'] }],
    [false, 'another failure', { failureCodes: ['UNKNOWN'] }],
    [false, 'no value of a key', { productIds: [] }],
    [true, 'a span from its second', { createdFrom: at('12:00:05') }],
    [false, 'a span from the next second', { createdFrom: at('12:00:06') }],
    [true, 'a span to its second, of which it has all', { createdTo: at('12:00:05') }],
    [false, 'a span to the second before', { createdTo: at('12:00:04') }],
    [true, 'both ends of its second', {
      createdFrom: at('12:00:05'), createdTo: at('12:00:05'),
    }],
    [false, 'one key that matches and one that does not', {
      failureCodes: ['INVALID_RECIPIENT'], walletIds: [2],
    }],
  ])('passes: %s, an event by %s', (passes, _name, filter) => {
    expect(matchesFilter(EVENT, { ...ANY, ...filter })).toBe(passes);
  });
});
