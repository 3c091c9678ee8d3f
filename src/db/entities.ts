import { defineEntity, p, type InferEntity } from '@mikro-orm/core';
import type { Wallet } from '../domain/ports.ts';

// Tables as MikroORM knows them, for slow reads; contracts.test.ts compares them with the tables.
// Money is never written through them: the program's role may not, and a read-modify-write would
// lose it.

const money = () => p.decimal('string').precision(20).scale(4);

export const WalletEntity = defineEntity({
  name: 'Wallet',
  tableName: 'wallet',
  properties: {
    clientId: p.bigint('number').primary(),
    id: p.bigint('number').primary(),
    currency: p.text(),
    type: p.text().$type<Wallet['type']>(),
    balance: money(),
    creditLimit: money(),
    isDefault: p.boolean(),
    isFrozen: p.boolean(),
  },
});
export type WalletRow = InferEntity<typeof WalletEntity>;

export const SupplierEntity = defineEntity({
  name: 'Supplier',
  tableName: 'supplier',
  properties: {
    id: p.bigint('number').primary(),
    code: p.text(),
    baseUrl: p.text(),
    isSuspended: p.boolean(),
    health: p.smallint(),
    dedupesByReference: p.boolean(),
    canBeQueried: p.boolean(),
    concurrencyMax: p.integer(),
    callDeadlineMs: p.integer(),
    leaseMs: p.integer(),
    settleWindowMs: p.integer(),
    retryWindowMs: p.bigint('number'),
    backoffMs: p.array<number>(),
  },
});

export const entities = [WalletEntity, SupplierEntity];
