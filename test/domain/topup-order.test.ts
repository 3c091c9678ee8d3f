import { describe, expect, test } from 'vitest';
import {
  FAILURE_CODES, FAILURES, failureReason, isTerminal, nextAttemptAt, PENDING_REASONS, pendingReason,
  RECOMMENDED_ACTIONS, statusText, TOPUP_ORDER_STATUSES, type FailureCode, type FulfilmentState,
} from '../../src/domain/topup-order.ts';

/** The documented table, in its order. */
const IS_USER_FIXABLE: readonly (readonly [FailureCode, boolean])[] = [
  ['INVALID_RECIPIENT', true],
  ['RECIPIENT_BARRED', false],
  ['RECIPIENT_INELIGIBLE', true],
  ['RECIPIENT_LIMIT_EXCEEDED', false],
  ['OPERATOR_UNAVAILABLE', false],
  ['OPERATOR_LIMIT_EXCEEDED', false],
  ['CLIENT_LIMIT_EXCEEDED', false],
  ['PRODUCT_UNAVAILABLE', true],
  ['PRODUCT_OUT_OF_STOCK', true],
  ['AMOUNT_OUT_OF_RANGE', true],
  ['UNKNOWN', false],
];

describe('failure codes', () => {
  test('are the documented ones', () => {
    expect([...FAILURE_CODES]).toEqual(IS_USER_FIXABLE.map(([code]) => code));
    expect(Object.keys(FAILURES)).toEqual([...FAILURE_CODES]);
  });

  test.each(IS_USER_FIXABLE)('say of %s that the user can fix it: %s', (code, isUserFixable) => {
    expect(FAILURES[code].isUserFixable).toBe(isUserFixable);
  });

  test.each(FAILURE_CODES)('have text and a next step for %s', (code) => {
    const { title, reason, recommendedAction } = FAILURES[code];
    expect(title).toMatch(/^[A-Z][A-Za-z -]{3,40}$/);
    expect(reason).toMatch(/^[A-Z].+\.$/);
    // Safe to render: no code, no supplier, no markup.
    expect(`${title} ${reason}`).not.toMatch(/[_<>]|supplier|sandbox|provider/i);
    expect(RECOMMENDED_ACTIONS).toContain(recommendedAction);
  });

  test('advise a change only where the user can make one', () => {
    for (const { isUserFixable, recommendedAction } of Object.values(FAILURES)) {
      expect(['FIX_INPUT', 'PICK_ANOTHER_PLAN'].includes(recommendedAction)).toBe(isUserFixable);
    }
  });
});

describe('statusText', () => {
  test.each([
    ['PENDING', null, 'Order submitted for fulfilment'],
    ['DELIVERED', null, 'Top-up delivered'],
    ['CANCELLED', null, 'Order cancelled'],
    ['FAILED', 'INVALID_RECIPIENT', 'Invalid recipient'],
    ['FAILED', 'UNKNOWN', 'Top-up not delivered'],
    ['FAILED', null, 'Top-up not delivered'],
  ] as const)('says of %s, %s: %s', (status, failureCode, expected) => {
    expect(statusText(status, failureCode)).toBe(expected);
  });
});

describe('failureReason', () => {
  test('is nothing while the order did not fail', () => {
    expect(failureReason({ failureCode: null, inputData: {} })).toBeNull();
  });

  test.each([
    ['names the player ID in the documented sentence', { player_id: '5123456789' },
      'The player ID you entered could not be found. Please double-check and try again.'],
    ['names the recipient where it is no player', { phone_number: '+918879685100' },
      'The recipient you entered could not be found. Please double-check and try again.'],
  ])('%s', (_case, inputData, expected) => {
    expect(failureReason({ failureCode: 'INVALID_RECIPIENT', inputData })).toBe(expected);
  });

  test('never shows what was entered', () => {
    const inputData = { player_id: 'c4n4ry', server: 'c4n4ry' };
    for (const failureCode of FAILURE_CODES) {
      expect(failureReason({ failureCode, inputData })).not.toContain('c4n4ry');
    }
  });
});

describe('isTerminal', () => {
  test('is said of every status but PENDING', () => {
    expect(TOPUP_ORDER_STATUSES.filter(isTerminal)).toEqual(['DELIVERED', 'FAILED', 'CANCELLED']);
  });
});

describe('nextAttemptAt', () => {
  const nextActionAt = new Date('2026-05-19T14:30:05Z');

  test.each([
    ['when it is due', 'RETRY_WAIT', nextActionAt, nextActionAt],
    ['nothing while it is being made', 'SUBMITTING', nextActionAt, null],
    ['nothing once the order is terminal', null, null, null],
  ] as const)('is %s', (_case, fulfilmentState, due, expected) => {
    expect(nextAttemptAt({ fulfilmentState, nextActionAt: due })).toBe(expected);
  });
});

describe('pendingReason', () => {
  const reasons: readonly (readonly [FulfilmentState, string])[] = [
    ['QUEUED', 'QUEUED'],
    ['SUBMITTING', 'SUBMITTING'],
    ['AWAITING_SUPPLIER', 'AWAITING_CONFIRMATION'],
    ['OUTCOME_UNKNOWN', 'CONFIRMING_OUTCOME'],
    ['RETRY_WAIT', 'OPERATOR_BUSY'],
    ['REVIEW', 'UNDER_REVIEW'],
  ];

  test.each(reasons)('tells of %s: %s', (fulfilmentState, expected) => {
    expect(pendingReason({ fulfilmentState })).toBe(expected);
  });

  test('covers every reason, and is nothing once the order is terminal', () => {
    expect(new Set(reasons.map(([, reason]) => reason))).toEqual(new Set(PENDING_REASONS));
    expect(pendingReason({ fulfilmentState: null })).toBeNull();
  });
});
