import { Field, ID, Int, ObjectType } from 'type-graphql';
import type { Money } from '../domain/money.ts';
import type { Transfer, Wallet } from '../domain/ports.ts';
import type {
  FailureCode, PendingReason, RecommendedAction, TopupOrder, TopupOrderStatus,
} from '../domain/topup-order.ts';
import { MoneyType } from './money.types.ts';
import { NodeType } from './node.types.ts';
import { CountryCode, DateTime, Decimal, SafeInt } from './scalars.ts';
import {
  FundingSourceEnum, PendingReasonEnum, RecommendedActionEnum, TopupFailureCodeEnum,
  TopupOrderStatusEnum,
} from './topup-order.enums.ts';
import { WalletTransactionType, WalletType } from './wallet.types.ts';

@ObjectType('InputFieldValue', {
  simpleResolvers: true,
  description: 'One named value of an order, normalised.',
})
export class InputFieldValue {
  @Field(() => String, { description: 'The name of the field.' })
  name!: string;

  @Field(() => String, { description: 'The value; phone numbers in E.164.' })
  value!: string;
}

@ObjectType('ReceiptField', {
  simpleResolvers: true,
  description: 'One named value of what the supplier gave for a delivered order.',
})
export class ReceiptField {
  @Field(() => String, { description: 'What the value is, e.g. "pin".' })
  name!: string;

  @Field(() => String, { description: 'The value.' })
  value!: string;
}

@ObjectType('TopupFailure', {
  simpleResolvers: true,
  description: 'Why an order failed.',
})
export class TopupFailure {
  @Field(() => TopupFailureCodeEnum, { description: 'What to switch on.' })
  code!: FailureCode;

  @Field(() => String, { description: 'A sentence that may be shown to the end user.' })
  reason!: string;

  @Field(() => Boolean, { description: 'Whether a new order with other input can succeed.' })
  isUserFixable!: boolean;

  @Field(() => RecommendedActionEnum, { description: 'What to do next.' })
  recommendedAction!: RecommendedAction;
}

@ObjectType('Refund', {
  simpleResolvers: true,
  description: 'The charge of a failed or cancelled order, back in the wallet that paid.',
})
export class RefundType {
  @Field(() => WalletTransactionType, {
    nullable: true,
    description: 'The movement that brought the money back; null where it could not be read.',
  })
  transaction!: Transfer | null;

  @Field(() => MoneyType, { description: 'Always the whole charge, in the wallet currency.' })
  amount!: Money;

  @Field(() => DateTime, { description: 'When it was refunded: when the order ended.' })
  at!: Date;
}

@ObjectType('Reversal', {
  simpleResolvers: true,
  description: 'The charge of an order that its supplier took back after delivery.',
})
export class ReversalType {
  @Field(() => WalletTransactionType, {
    nullable: true,
    description: 'The movement that brought the money back; null where a voucher paid, or where '
      + 'it could not be read.',
  })
  transaction!: Transfer | null;

  @Field(() => MoneyType, { description: 'Always the whole charge, in the wallet currency.' })
  amount!: Money;

  @Field(() => DateTime, { description: 'When the reversal was booked.' })
  at!: Date;
}

@ObjectType('PendingExplanation', {
  simpleResolvers: true,
  description: 'Why an order has not ended yet.',
})
export class PendingExplanation {
  @Field(() => PendingReasonEnum, { description: 'What the order is waiting for.' })
  reason!: PendingReason;

  @Field(() => Int, { description: 'How often it was tried so far.' })
  attemptCount!: number;

  @Field(() => DateTime, { nullable: true, description: 'When it was tried last.' })
  lastAttemptAt!: Date | null;

  @Field(() => DateTime, { nullable: true, description: 'When something is done about it next.' })
  nextAttemptAt!: Date | null;

  @Field(() => DateTime, {
    nullable: true,
    description: 'By then almost every recent order of the product was delivered; null without '
      + 'such history.',
  })
  expectedBy!: Date | null;
}

@ObjectType('TopupOrder', {
  implements: NodeType,
  simpleResolvers: true,
  description: 'A paid order for a top-up. Names and prices are those of the day it was placed.',
})
export class TopupOrderType {
  @Field(() => ID, { description: 'Opaque and globally unique; the same in every answer.' })
  id!: string;

  @Field(() => SafeInt, { description: 'The integer id, as the REST API shows it.' })
  orderId!: number;

  @Field(() => String, {
    nullable: true,
    description: 'The key that the caller gave the order; unique per client for ever.',
  })
  clientReference!: string | null;

  @Field(() => String, { description: 'The name of the product when it was ordered.' })
  productName!: string;

  @Field(() => String, { description: 'The name of the variant when it was ordered.' })
  variantName!: string;

  @Field(() => CountryCode, { description: 'Where the product is used.' })
  countryCode!: string;

  @Field(() => WalletType, {
    nullable: true,
    description: 'The wallet that paid; null where a voucher did, or where it could not be read.',
  })
  wallet!: Wallet | null;

  @Field(() => WalletTransactionType, {
    nullable: true,
    description: 'The debit; null where a voucher paid, or where it could not be read.',
  })
  transaction!: Transfer | null;

  @Field(() => MoneyType, { description: 'The value asked for, in the product currency.' })
  faceValue!: Money;

  @Field(() => MoneyType, { description: 'What was paid, in the currency of what paid.' })
  charge!: Money;

  @Field(() => Decimal, { description: 'The discount on the face value, in percent.' })
  discountPercent!: string;

  @Field(() => Decimal, {
    nullable: true,
    description: 'Product currency to wallet currency; null where they are the same.',
  })
  forexRate!: string | null;

  @Field(() => FundingSourceEnum, { description: 'What paid the order.' })
  fundingSource!: TopupOrder['fundingSource'];

  @Field(() => TopupOrderStatusEnum, { description: 'Where the order stands.' })
  status!: TopupOrderStatus;

  @Field(() => String, { description: 'The status for people; its wording may change.' })
  statusText!: string;

  @Field(() => TopupFailure, { nullable: true, description: 'Present where status is FAILED.' })
  failure!: TopupFailure | null;

  @Field(() => RefundType, {
    nullable: true,
    description: 'Present where a wallet got its money back.',
  })
  refund!: RefundType | null;

  @Field(() => ReversalType, {
    nullable: true,
    description: 'Present where the supplier took the value back; status stays DELIVERED.',
  })
  reversal!: ReversalType | null;

  @Field(() => PendingExplanation, {
    nullable: true,
    description: 'Present where status is PENDING.',
  })
  pending!: PendingExplanation | null;

  @Field(() => [InputFieldValue], {
    description: 'What was entered, normalised. Of an order that comes in a list, an event or a '
      + 'transaction, or by `nodes`, the values of sensitive fields are masked: a cache by `id` '
      + 'keeps what came last.',
  })
  inputData!: InputFieldValue[];

  @Field(() => [ReceiptField], {
    nullable: true,
    description: 'What the supplier gave for the order, e.g. a PIN; null where it gave nothing.',
  })
  receipt!: ReceiptField[] | null;

  @Field(() => DateTime, { description: 'When the order was placed.' })
  createdAt!: Date;

  @Field(() => DateTime, { nullable: true, description: 'When the order ended.' })
  completedAt!: Date | null;

  @Field(() => String, {
    nullable: true,
    description: 'The address that hears by mail how the order ends.',
  })
  notificationEmail!: string | null;
}
