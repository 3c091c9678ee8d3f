import { createHash } from 'node:crypto';
import { escapeHtml } from './html.ts';
import type { Mail } from './mail.ts';
import { maskValue } from './mask.ts';
import { RECIPIENT_FIELDS } from './recipient.ts';
import { failureReason, type TopupOrder } from './topup-order.ts';

/** Longer subjects are cut off by mail programs anyway; characters. */
const SUBJECT_LENGTH_MAX = 120;

/**
 * The mail that tells how an order ended: the same for the same order and address, whenever it is
 * made, unless a delivery was taken back meanwhile. Receipts, PINs and voucher codes never stand in
 * it.
 */
export function notificationMail(order: TopupOrder, address: string): Mail {
  const { headline, says } = wordsOf(order);
  const facts = factsOf(order);
  const name = `${order.productName}, ${order.variantName}`;
  return {
    to: address,
    subject: subjectOf(`${headline}: ${name}`),
    text: renderText(says, facts),
    html: renderHtml(headline, says, facts),
    key: mailKey(order, address),
  };
}

/** What looks encoded would be decoded by whoever reads it. */
function subjectOf(text: string): string {
  const characters = [...oneLine(text).replaceAll('=?', '= ?')];
  return characters.slice(0, SUBJECT_LENGTH_MAX).join('').toWellFormed();
}

interface Words {
  readonly headline: string;
  readonly says: readonly string[];
}

function wordsOf(order: TopupOrder): Words {
  switch (order.status) {
    case 'DELIVERED':
      return order.reversedAt === null
        ? { headline: 'Top-up delivered', says: ['Your top-up was delivered.'] }
        : {
          headline: 'Top-up taken back and refunded',
          says: ['Your top-up was delivered, and taken back later.', refundWords(order)],
        };
    case 'FAILED':
      return {
        headline: 'Top-up not delivered',
        says: [failureReason(order) ?? 'The top-up could not be delivered.', refundWords(order)],
      };
    case 'CANCELLED':
      return {
        headline: 'Order cancelled and refunded',
        says: ['Your order was cancelled.', refundWords(order)],
      };
    case 'PENDING':
      throw new Error('A PENDING order owes no mail');
  }
}

function refundWords({ fundingSource, charge }: TopupOrder): string {
  return fundingSource === 'VOUCHER'
    ? 'The voucher that paid for it can be redeemed again.'
    : `${charge.amount} ${charge.currency} were refunded to the wallet that paid for it.`;
}

type Fact = readonly [label: string, value: string];

function factsOf(order: TopupOrder): readonly Fact[] {
  const facts: Fact[] = [['Product', order.productName], ['Variant', order.variantName]];
  if (order.clientReference !== null) facts.push(['Reference', order.clientReference]);
  facts.push(['Order', String(order.id)]);
  // Of other fields an order does not tell whether they name anybody, or are a secret.
  const name = RECIPIENT_FIELDS.find((field) => Object.hasOwn(order.inputData, field));
  const recipient = name === undefined ? undefined : order.inputData[name];
  if (recipient !== undefined) facts.push(['Recipient', maskValue(recipient)]);
  const at = order.completedAt?.toISOString();
  if (at !== undefined) facts.push(['Time', `${at.slice(0, 10)} ${at.slice(11, 16)} UTC`]);
  return facts.map(([label, value]) => [label, oneLine(value)]);
}

const BREAKING = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu;

/**
 * Without what could end a header line, or turn the direction of what follows it: catalogue names
 * and references come from outside.
 */
function oneLine(text: string): string {
  return text.toWellFormed().replaceAll(BREAKING, ' ').trim();
}

function renderText(says: readonly string[], facts: readonly Fact[]): string {
  const width = Math.max(...facts.map(([label]) => label.length)) + 2;
  const table = facts.map(([label, value]) => `${`${label}:`.padEnd(width)}${value}`);
  return `${[...says, '', ...table].join('\n')}\n`;
}

function renderHtml(headline: string, says: readonly string[], facts: readonly Fact[]): string {
  const paragraphs = says.map((sentence) => `<p>${escapeHtml(sentence)}</p>`);
  const rows = facts.map(([label, value]) =>
    `<tr><th align="left">${escapeHtml(label)}</th><td>${escapeHtml(value)}</td></tr>`);
  return [
    '<!doctype html>',
    `<html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(headline)}</title></head>`,
    '<body>',
    `<h1>${escapeHtml(headline)}</h1>`,
    ...paragraphs,
    '<table>',
    ...rows,
    '</table>',
    '</body></html>',
    '',
  ].join('\n');
}

/** Names the mail without naming the address; a repeat has the same one. */
function mailKey(order: TopupOrder, address: string): string {
  const hash = createHash('sha256').update(address).digest('hex').slice(0, 16);
  return `${order.clientId}.${order.id}.${order.status}.${hash}`;
}
