import { z } from 'zod';
import { TRANSFER_REASONS, WALLET_TYPES } from '../domain/ports.ts';
import {
  amountSchema, currencySchema, idSchema, jsonAnswer, refusal, timeSchema,
} from './envelope.schemas.ts';
import { ITEMS_PER_TOKEN } from './page-charge.ts';
import { PAGING_HEADERS, pageParameters } from './paging.schemas.ts';
import * as examples from './wallets.examples.ts';

const TAGS = ['Wallets'];

/** As documented for lists in general; those of orders are shorter. */
export const TRANSACTIONS_PAGE_SIZE_MAX = 10_000;

const currencyId = idSchema('The currency, as in /currencies: its ISO 4217 number.', 840);

const wallet = z.object({
  id: idSchema('The wallet id.', 1),
  currency_id: currencyId,
  amount: amountSchema('What is in it; below zero where a POSTPAID wallet owes.', 9995.2595),
  type: z.enum(WALLET_TYPES).meta({
    description: 'Down to zero, or down to the credit limit below zero.',
  }),
  currency: currencySchema('The currency of everything in it.'),
  is_default: z.boolean().meta({
    description: 'Pays orders for which no other wallet was chosen.',
  }),
  is_frozen: z.boolean().meta({ description: 'A frozen wallet pays nothing.' }),
  credit_limit: amountSchema('How far the amount may fall below zero.', 0),
  available: amountSchema('What orders may take out of it now.', 9995.2595),
}).meta({ id: 'Wallet', description: 'An account of yours in one currency.' });

const transaction = z.object({
  id: idSchema('The transaction id, as in `transaction_id` of an order.', 7401123),
  wallet_id: idSchema('The wallet.', 1),
  currency_id: currencyId,
  amount: amountSchema('How much moved; never negative.', 4.7405),
  transaction_type: z.enum(['CREDIT', 'DEBIT']).meta({
    description: 'Into the wallet, or out of it.',
  }),
  status: z.enum(['PENDING', 'COMPLETED', 'FAILED']).meta({
    description: 'Always COMPLETED: a movement is booked wholly or not at all.',
  }),
  source_currency: currencySchema('The currency of the product that was paid for.'),
  destination_currency: currencySchema('The currency of the wallet.'),
  forex_rate: z.number().nullable().meta({
    description: 'From source to destination; null where they are the same.', examples: [1.17],
  }),
  conversion_charges: z.number().nullable().meta({
    description: 'What the conversion cost; null where nothing was converted.', examples: [0],
  }),
  remarks: z.string().meta({
    description: 'What it was about, for people.',
    examples: ['USD Wallet debited by amount 50.00 - Order #12345'],
  }),
  created_at: timeSchema('When money moved.'),
  order_id: idSchema('The order that it was about; null where it was about none.', 9123456)
    .nullable(),
  balance_after: amountSchema('What the wallet held right after.', 9995.2595),
  reason: z.enum(TRANSFER_REASONS).meta({
    description: 'Why money moved.',
  }),
}).meta({ id: 'Transaction', description: 'One movement of money. It is never changed.' });

const byId = (description: string) => z.object({ id: idSchema(description, 1) });

export const listWalletsSchema = {
  operationId: 'listWallets',
  summary: 'List wallets',
  description: 'All wallets of yours, one a currency.',
  tags: TAGS,
  response: { 200: jsonAnswer('Your wallets, by their ids.', z.array(wallet)) },
  'x-examples': examples.listWallets,
};

export const getWalletSchema = {
  operationId: 'getWallet',
  summary: 'Get a wallet',
  description: 'A wallet of yours as it stands now.',
  tags: TAGS,
  params: byId('The wallet id.'),
  response: {
    200: jsonAnswer('The wallet.', wallet),
    400: refusal('The id is no positive integer.'),
    404: refusal('No wallet of yours has this id.'),
  },
  'x-examples': examples.getWallet,
};

export const listTransactionsSchema = {
  operationId: 'listTransactions',
  summary: 'List transactions of a wallet',
  description: 'What moved in a wallet of yours, the newest first. A page past the end is empty. '
    + `Every ${ITEMS_PER_TOKEN} of a page count as one request.`,
  tags: TAGS,
  querystring: pageParameters(TRANSACTIONS_PAGE_SIZE_MAX).extend({
    wallet_id: idSchema('The wallet.', 1),
  }),
  response: {
    200: jsonAnswer('One page of transactions.', z.array(transaction)),
    400: refusal('The wallet is not named, or the page is malformed.'),
    404: refusal('No wallet of yours has this id.'),
  },
  'x-answer-headers': PAGING_HEADERS,
  'x-examples': examples.listTransactions,
};

export const getTransactionSchema = {
  operationId: 'getTransaction',
  summary: 'Get a transaction',
  description: 'One movement of money in a wallet of yours.',
  tags: TAGS,
  params: byId('The transaction id.'),
  response: {
    200: jsonAnswer('The transaction.', transaction),
    400: refusal('The id is no positive integer.'),
    404: refusal('No transaction of yours has this id.'),
  },
  'x-examples': examples.getTransaction,
};
