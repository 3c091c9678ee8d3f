import { describe, expect, it } from 'vitest';
import { notificationMail } from '../../src/domain/notification-mail.ts';
import { parseNotificationEmail } from '../../src/domain/set-notification-email.ts';
import type { TopupOrder } from '../../src/domain/topup-order.ts';
import { rejectionOf, topupOrder } from './builders.ts';

const ended = (over: Partial<TopupOrder> = {}): TopupOrder => topupOrder({
  status: 'DELIVERED',
  fulfilmentState: null,
  completedAt: new Date('2026-05-19T14:31:59Z'),
  ...over,
});
const mailOf = (over: Partial<TopupOrder> = {}, to = 'a@example.com') =>
  notificationMail(ended(over), to);

describe('notificationMail', () => {
  it('tells of a delivery: product, variant, reference', () => {
    expect(mailOf()).toMatchObject({
      to: 'a@example.com',
      subject: 'Top-up delivered: PUBG Mobile UC, 325 UC',
      text: [
        'Your top-up was delivered.',
        '',
        'Product:   PUBG Mobile UC',
        'Variant:   325 UC',
        'Reference: CAMPAIGN_DEC_24',
        'Order:     9123456',
        'Recipient: ******6789',
        'Time:      2026-05-19 14:31 UTC',
        '',
      ].join('\n'),
    });
    expect(mailOf({ clientReference: null }).text).not.toContain('Reference');
  });

  it('tells of a delivery that was taken back, and of the refund', () => {
    const { subject, text } = mailOf({ reversedAt: new Date('2026-05-20T08:00:00Z') });
    expect(subject).toBe('Top-up taken back and refunded: PUBG Mobile UC, 325 UC');
    expect(text.split('\n').slice(0, 2)).toEqual([
      'Your top-up was delivered, and taken back later.',
      '4.7405 USD were refunded to the wallet that paid for it.',
    ]);
  });

  it('tells of a failure: the reason, and the refund', () => {
    const { subject, text, html } = mailOf({ status: 'FAILED', failureCode: 'INVALID_RECIPIENT' });
    expect(subject).toBe('Top-up not delivered: PUBG Mobile UC, 325 UC');
    for (const part of [text, html]) {
      expect(part).toContain('The player ID you entered could not be found.');
      expect(part).toContain('4.7405 USD were refunded');
    }
  });

  it('confirms the refund of a cancelled order, of a voucher without its code', () => {
    const cancelled = { status: 'CANCELLED' } as const;
    expect(mailOf(cancelled).text).toContain('4.7405 USD were refunded to the wallet');
    expect(mailOf({ ...cancelled, fundingSource: 'VOUCHER', walletId: null }).text)
      .toContain('The voucher that paid for it can be redeemed again.');
  });

  it('shows neither the recipient nor what was received', () => {
    const { subject, text, html } = mailOf({
      inputData: { phone_number: '+919876543210', note: 'second-value' },
      receipt: { pin: '1111-2222', serial: 'SERIAL' },
    });
    const all = subject + text + html;
    expect(all).toContain('*********3210');
    expect(all).not.toMatch(/9876543210|second-value|1111-2222|SERIAL/);
  });

  it('shows nothing of a field that may be a secret', () => {
    const { text, html } = mailOf({ inputData: { password: 'hunter2hunter9' } });
    expect(text + html).not.toMatch(/ter9|Recipient/);
  });

  it('cuts its subject between characters', () => {
    for (const productName of ['🎮'.repeat(200), `x${'🎮'.repeat(200)}`]) {
      const { subject } = mailOf({ productName });
      expect(subject).toMatch(/^Top-up delivered: x?🎮+$/u);
      expect([...subject]).toHaveLength(120);
    }
  });

  it('says nothing in its subject that a reader would decode', () => {
    const { subject } = mailOf({ productName: '=?utf-8?q?You_won_100=24?= Game' });
    expect(subject.split(', ')[0]).toBe('Top-up delivered: = ?utf-8?q?You_won_100=24?= Game');
  });

  it('lets nothing of an order into the headers or the markup', () => {
    const { subject, text, html } = mailOf({
      productName: 'Top\r\nBcc: all@example.com\u202e',
      variantName: '<script>alert("1")</script>',
      clientReference: `"><img src=x onerror='1'>&`,
    });
    expect(subject)
      .toBe('Top-up delivered: Top Bcc: all@example.com , <script>alert("1")</script>');
    expect(subject + text).not.toMatch(/[\r\u202e]/);
    expect(html).not.toMatch(/<script|<img|onerror='/);
    expect(html).toContain('&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;');
    expect(html).toContain('&quot;&gt;&lt;img src=x onerror=&#39;1&#39;&gt;&amp;');
    expect(mailOf({ productName: 'x'.repeat(5000) }).subject).toHaveLength(120);
  });

  it('has the same key for the same mail, another for any other, and no address in it', () => {
    const { key } = mailOf();
    expect(key).toMatch(/^1\.9123456\.DELIVERED\.[0-9a-f]{16}$/);
    expect(mailOf().key).toBe(key);
    expect(mailOf({}, 'b@example.com').key).not.toBe(key);
    expect(mailOf({ status: 'CANCELLED' }).key).not.toBe(key);
  });

  it('is never made of a PENDING order', () => {
    expect(() => notificationMail(topupOrder(), 'a@example.com')).toThrow('PENDING');
  });
});

describe('parseNotificationEmail', () => {
  it.each([
    null, 'a@example.com', 'first.last+tag@mail.example.co.uk', "o'brien@xn--mnchen-3ya.de",
    `${'l'.repeat(64)}@${`${'d'.repeat(61)}.`.repeat(3)}org`,
  ])('takes %s', (email) => {
    expect(parseNotificationEmail(email)).toBe(email);
  });

  it.each([
    undefined, '', ' ', 1, true, [], {}, ['a@example.com'], 'a', 'a@', '@example.com',
    'a@example', 'a@b@example.com', 'a b@example.com', ' a@example.com', 'a@example.com ',
    'a@example.com\r\nBcc: b@example.com', 'a@example.com\n', 'a\0@example.com',
    'a\u0085@example.com',
    'a@exa mple.com', 'a@-example.com', 'a@example-.com', 'a@.example.com', 'a@example..com',
    'a@example.com.', '.a@example.com', 'a.@example.com', 'a..b@example.com', 'A <a@example.com>',
    '<a@example.com>', '"a b"@example.com', 'a@example.com,b@example.com', 'a@[127.0.0.1]',
    'a@127.0.0.1', 'a(b)@example.com', 'ä@example.com', 'a@exämple.com', `${'l'.repeat(65)}@a.org`,
    `a@${'d'.repeat(64)}.org`, `${'l'.repeat(64)}@${`${'d'.repeat(61)}.`.repeat(3)}orgs`,
  ])('refuses %j', (email) => {
    const { code, problems } = rejectionOf(() => parseNotificationEmail(email));
    expect([code, problems[0]?.field]).toEqual(['VALIDATION_FAILURE', ['email']]);
  });
});
