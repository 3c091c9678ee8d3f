import { describe, expect, test } from 'vitest';
import { NumberText } from '../../src/domain/money.ts';
import { REJECTION_CODES, Rejection } from '../../src/domain/rejection.ts';
import { FAILURE_CODES, FAILURES, type TopupOrder } from '../../src/domain/topup-order.ts';
import { errorAnswer, FAILURES_ON_WIRE, REJECTIONS_ON_WIRE } from '../../src/rest/errors.ts';
import { orderOut, orderRequestIn } from '../../src/rest/wire.ts';

const PENDING: TopupOrder = {
  clientId: 1,
  id: 9123456,
  clientReference: 'CAMPAIGN_DEC_24',
  inputDigest: 'digest',
  productId: 4218,
  variantId: 2,
  productName: 'PUBG Mobile UC',
  variantName: '325 UC',
  countryCode: 'GLO',
  faceValue: { amount: '4.99', currency: 'USD' },
  discountPercent: '5',
  forexRate: null,
  charge: { amount: '4.7405', currency: 'USD' },
  fundingSource: 'WALLET',
  walletId: 1,
  inputData: { player_id: '5123456789', server: 'asia' },
  fulfilsInRequest: false,
  status: 'PENDING',
  fulfilmentState: 'QUEUED',
  version: 1,
  failureCode: null,
  attemptCount: 0,
  lastAttemptAt: null,
  nextActionAt: new Date('2026-05-19T14:30:05.999Z'),
  debitTransferId: 7401123,
  refundTransferId: null,
  reversalTransferId: null,
  reversedAt: null,
  receipt: null,
  createdAt: new Date('2026-05-19T14:30:00.999Z'),
  completedAt: null,
  expectedBy: null,
  notificationEmail: null,
};
const ENDED = {
  fulfilmentState: null, nextActionAt: null, completedAt: new Date('2026-05-19T14:30:02.001Z'),
} as const;
const FAILED: TopupOrder = {
  ...PENDING, ...ENDED, status: 'FAILED', failureCode: 'INVALID_RECIPIENT', refundTransferId: 8,
};
const textOf = (order: TopupOrder) => JSON.stringify(orderOut(order));

describe('orderOut', () => {
  test('writes a PENDING order in the documented order of fields', () => {
    expect(textOf(PENDING)).toBe('{"id":9123456,"client_reference":"CAMPAIGN_DEC_24",'
      + '"product_id":4218,"product_name":"PUBG Mobile UC","variant_name":"325 UC",'
      + '"country_code":"GLO","amount":4.7405,"currency":"USD","status":"PENDING",'
      + '"status_text":"Order submitted for fulfilment","transaction_id":7401123,'
      + '"input_data":{"player_id":"5123456789","server":"asia"},'
      + '"created_at":"2026-05-19T14:30:00Z","wallet_id":1,"face_amount":4.99,'
      + '"face_currency":"USD","funding_source":"WALLET","attempts":0,'
      + '"next_attempt_at":"2026-05-19T14:30:05Z","pending_reason":"QUEUED"}');
  });

  test('writes a FAILED order with its failure and its refund', () => {
    expect(textOf({ ...FAILED, clientReference: null })).toBe('{"id":9123456,"product_id":4218,'
      + '"product_name":"PUBG Mobile UC","variant_name":"325 UC","country_code":"GLO",'
      + '"amount":4.7405,"currency":"USD","status":"FAILED","status_text":"Invalid recipient",'
      + '"transaction_id":7401123,"failure_code":"INVALID_RECIPIENT","failure_reason":'
      + '"The player ID you entered could not be found. Please double-check and try again.",'
      + '"is_user_fixable":true,"input_data":{"player_id":"5123456789","server":"asia"},'
      + '"created_at":"2026-05-19T14:30:00Z","completed_at":"2026-05-19T14:30:02Z",'
      + '"wallet_id":1,"face_amount":4.99,"face_currency":"USD","funding_source":"WALLET",'
      + '"refund":{"transaction_id":8,"amount":4.7405,"refunded_at":"2026-05-19T14:30:02Z"}}');
  });

  test('writes forex, receipt and reversal of a DELIVERED order', () => {
    const text = textOf({
      ...PENDING, ...ENDED, status: 'DELIVERED', forexRate: '0.0000000119', receipt: { pin: '1' },
      reversalTransferId: 9, reversedAt: new Date('2026-05-20T00:00:00.5Z'),
    });
    expect(text).toContain('"forex_rate":0.0000000119,"reversal":{"transaction_id":9,'
      + '"at":"2026-05-20T00:00:00Z"},"receipt":{"pin":"1"}}');
    expect(text).not.toContain('failure_');
    expect(text).not.toContain('refund');
  });

  test('names neither wallet nor refund of a voucher-funded order', () => {
    const voucher = { fundingSource: 'VOUCHER', walletId: null, debitTransferId: null } as const;
    const text = textOf({ ...FAILED, ...voucher });
    expect(text).toContain('"funding_source":"VOUCHER"');
    expect(text).not.toMatch(/wallet_id|transaction_id|refund|null/);
  });

  test('keeps every digit of an amount', () => {
    for (const amount of ['712', '999999999.9999', '0.0001', '12345678901234567890.1234']) {
      const charge = { amount, currency: 'USD' };
      expect(textOf({ ...PENDING, charge })).toContain(`"amount":${amount},`);
    }
  });

  test('spells every failure code as it is documented', () => {
    expect(Object.keys(FAILURES_ON_WIRE)).toEqual([...FAILURE_CODES]);
    for (const failureCode of FAILURE_CODES) {
      expect(JSON.parse(textOf({ ...FAILED, failureCode }))).toMatchObject({
        failure_code: failureCode,
        status_text: FAILURES[failureCode].title,
        is_user_fixable: FAILURES[failureCode].isUserFixable,
      });
    }
  });
});

describe('orderRequestIn', () => {
  test('respells the body and turns input_data into pairs', () => {
    const productId = new NumberText('4218');
    const body = {
      product_id: productId, client_reference: 'A', redeem_voucher_code: 'V', category: 'Data',
      input_data: JSON.parse('{"player_id":"1","__proto__":"2"}'), unknown_key: 1,
    };
    expect(orderRequestIn(body)).toEqual({
      productId, amount: undefined, inputData: [['player_id', '1'], ['__proto__', '2']],
      clientReference: 'A', walletId: undefined, category: 'Data', redeemVoucherCode: 'V',
      allowForexFallback: true,
    });
  });

  test('makes pairs of an object only', () => {
    expect(orderRequestIn({}).inputData).toBeUndefined();
    for (const value of [null, 'x', true, new NumberText('1'), [], [['player_id', '1']]]) {
      const { inputData } = orderRequestIn({ input_data: value });
      expect(inputData).not.toBeUndefined();
      expect(Array.isArray(inputData)).toBe(false);
    }
  });
});

describe('errorAnswer', () => {
  test.each(REJECTION_CODES)('gives %s a place on the wire', (code) => {
    const { status, body } = errorAnswer(new Rejection(code, 'Told so'), 'r-1');
    const row = REJECTIONS_ON_WIRE[code];
    expect(status).toBe(row.status);
    expect(body.error).toMatchObject({ name: row.name, code: row.code, message: 'Told so' });
    expect([400, 404]).toContain(status);
  });

  test('names fields in snake_case and leaves the caller\'s keys alone', () => {
    const { body } = errorAnswer(new Rejection('INVALID_INPUT_FIELD', 'No', { problems: [
      { field: ['inputData', 'playerId'], code: 'UNKNOWN_FIELD', message: 'Unknown' },
      { field: ['redeemVoucherCode'], code: 'X', message: 'Y' },
    ] }), 'r-1');
    expect(body).toEqual({ error: {
      name: 'ValidationException', code: 'VALIDATION_FAILURE', message: 'No', request_id: 'r-1',
      details: [
        { field: 'input_data.playerId', code: 'UNKNOWN_FIELD', message: 'Unknown' },
        { field: 'redeem_voucher_code', code: 'X', message: 'Y' },
      ],
    } });
  });

  test('trusts no status of a foreign error', () => {
    for (const error of [
      Object.assign(new Error('canary'), { statusCode: 404 }),
      Object.assign(new Error('canary'), { statusCode: 400, code: '23505', detail: 'canary' }),
      Object.assign(new Error('canary'), { statusCode: 418, code: 'FST_ERR_TEAPOT' }),
      'canary', null, undefined,
    ]) {
      const { status, body } = errorAnswer(error, 'r-1');
      expect(status).toBe(500);
      expect(JSON.stringify(body)).not.toContain('canary');
    }
  });
});
