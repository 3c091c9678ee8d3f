-- Orders, money and events. Only the functions of the following migrations write here.

create sequence topup_order_id_seq;
create sequence transfer_id_seq;

create table topup_order (
  client_id bigint not null references client (client_id),
  id bigint not null,
  client_reference text check (length(client_reference) between 1 and 255),
  -- Made by the gateway for each request: after a connection lost during COMMIT it tells whether
  -- the order was placed.
  request_id uuid not null,
  -- Digest of the normalised input: tells a repeated request from another one under its reference.
  input_digest text not null,
  product_id bigint not null,
  variant_id bigint not null,
  -- Snapshots: an old order renders even when its product is gone.
  product_name text not null,
  variant_name text not null,
  country_code text not null,
  face_value numeric(20, 4) not null check (face_value > 0 and face_value <> 'NaN'),
  face_currency text not null,
  discount_percent numeric(9, 4) not null
    check (discount_percent >= 0 and discount_percent < 100 and discount_percent <> 'NaN'),
  forex_rate numeric(20, 10) check (forex_rate > 0 and forex_rate <> 'NaN'),
  forex_rate_id bigint,
  charge numeric(20, 4) not null check (charge > 0 and charge <> 'NaN'),
  currency text not null,
  wallet_id bigint,
  voucher_id bigint,
  funding_source text not null generated always as
    (case when voucher_id is null then 'WALLET' else 'VOUCHER' end) stored,
  -- json, not jsonb: the echo keeps the order of the fields.
  input_data json not null,
  recipient text not null,
  input_fields_version int not null,
  fulfils_in_request boolean not null,
  notification_email text check (length(notification_email) <= 254),

  status text not null default 'PENDING'
    check (status in ('PENDING', 'DELIVERED', 'FAILED', 'CANCELLED')),
  -- Where a PENDING order stands; none once it is terminal.
  fulfilment_state text default 'QUEUED' check (fulfilment_state in ('QUEUED', 'SUBMITTING',
    'AWAITING_SUPPLIER', 'OUTCOME_UNKNOWN', 'RETRY_WAIT', 'REVIEW')),
  version int not null default 1,
  failure_code text,
  route smallint not null default 1,
  attempt_count int not null default 0,
  -- Calls since the last news from the supplier; the rung of the retry ladder.
  backoff_step int not null default 0,
  last_attempt_at timestamptz,
  pending_reason text,
  next_action_at timestamptz,
  lease_token uuid,
  lease_until timestamptz,
  retry_until timestamptz,
  receipt json,
  debit_transfer_id bigint,
  refund_transfer_id bigint,
  reversal_transfer_id bigint,
  reversed_at timestamptz,
  created_at timestamptz not null default clock_timestamp(),
  completed_at timestamptz,

  primary key (client_id, id),
  constraint topup_order_client_reference unique (client_id, client_reference),
  constraint topup_order_request unique (client_id, request_id),
  foreign key (client_id, wallet_id) references wallet (client_id, id),
  foreign key (client_id, voucher_id) references voucher (client_id, id),
  constraint topup_order_one_funding check (num_nonnulls(wallet_id, voucher_id) = 1),
  constraint topup_order_terminal check ((status = 'PENDING') = (completed_at is null)
    and (status = 'PENDING') = (fulfilment_state is not null)
    and (status = 'PENDING') = (next_action_at is not null)),
  constraint topup_order_failure check ((status = 'FAILED') = (failure_code is not null))
) with (fillfactor = 80);
-- Reader: claim_orders.
create index topup_order_due on topup_order (next_action_at) where status = 'PENDING';

-- One row a movement of money: from debit_account to credit_account. It balances by construction.
create table transfer (
  client_id bigint not null references client (client_id),
  id bigint not null default nextval('transfer_id_seq'),
  reason text not null check (reason in
    ('ORDER_DEBIT', 'ORDER_SALE', 'ORDER_REFUND', 'REVERSAL', 'FUNDING', 'ADJUSTMENT')),
  debit_account text not null,
  credit_account text not null,
  wallet_id bigint,
  voucher_id bigint,
  topup_order_id bigint,
  amount numeric(20, 4) not null check (amount > 0 and amount <> 'NaN'),
  currency text not null,
  -- The wallet's balance once this transfer is booked.
  balance_after numeric(20, 4) check (balance_after <> 'NaN'),
  remarks text,
  created_at timestamptz not null default clock_timestamp(),
  primary key (client_id, id),
  foreign key (client_id, wallet_id) references wallet (client_id, id),
  foreign key (client_id, voucher_id) references voucher (client_id, id),
  foreign key (client_id, topup_order_id) references topup_order (client_id, id),
  -- One debit, at most one refund, one sale, one reversal of an order.
  constraint transfer_once_per_order unique (client_id, topup_order_id, reason),
  check (debit_account in ('WALLET', 'VOUCHER', 'IN_FLIGHT', 'SALES', 'EXTERNAL')
    and credit_account in ('WALLET', 'VOUCHER', 'IN_FLIGHT', 'SALES', 'EXTERNAL')
    and debit_account <> credit_account),
  check (('WALLET' in (debit_account, credit_account)) = (wallet_id is not null)),
  check (('VOUCHER' in (debit_account, credit_account)) = (voucher_id is not null)),
  check ((reason in ('ORDER_DEBIT', 'ORDER_SALE', 'ORDER_REFUND', 'REVERSAL'))
    = (topup_order_id is not null)),
  check ((wallet_id is null) = (balance_after is null))
);
-- Readers: a wallet's list of transactions; the invariant of its balance.
create index transfer_wallet on transfer (client_id, wallet_id, id desc)
  where wallet_id is not null;

create table topup_order_event (
  client_id bigint not null,
  topup_order_id bigint not null,
  -- 1, 2, 3 ... of its order, given under the order's row lock.
  version int not null,
  type text not null check (type in ('CREATED', 'SUBMITTED', 'RETRY_SCHEDULED', 'DELIVERED',
    'FAILED', 'CANCELLED', 'REVERSED', 'LATE_NEWS')),
  previous_status text,
  status text not null,
  failure_code text,
  occurred_at timestamptz not null default clock_timestamp(),
  primary key (client_id, topup_order_id, version),
  foreign key (client_id, topup_order_id) references topup_order (client_id, id)
);

-- What we told, or were about to tell, one supplier about one order. One row a route.
create table submission (
  client_id bigint not null,
  topup_order_id bigint not null,
  route smallint not null,
  supplier_id bigint not null references supplier (id),
  -- '<clientId>-<orderId>-<route>': the same for every attempt on this route.
  supplier_reference text not null generated always as
    (client_id || '-' || topup_order_id || '-' || route) stored,
  state text not null
    check (state in ('INTENT', 'ACCEPTED', 'UNKNOWN', 'DELIVERED', 'NOT_APPLIED')),
  attempt_count int not null default 1,
  last_attempt_at timestamptz not null default clock_timestamp(),
  -- Before this moment "not found" proves nothing: the send may still be on its way.
  resend_after timestamptz not null,
  primary key (client_id, topup_order_id, route),
  foreign key (client_id, topup_order_id) references topup_order (client_id, id)
);
-- At most one submission of an order is, or may be, effective.
create unique index submission_effective on submission (client_id, topup_order_id)
  where state in ('INTENT', 'ACCEPTED', 'UNKNOWN', 'DELIVERED');

-- News from a supplier that contradicts what an order became; an operator settles it.
create table reconciliation_case (
  client_id bigint not null,
  topup_order_id bigint not null,
  kind text not null
    check (kind in ('LATE_SUCCESS', 'LATE_FAILURE', 'REVERSAL', 'SECOND_ROUTE_SUCCESS')),
  route smallint not null,
  opened_at timestamptz not null default clock_timestamp(),
  resolved_at timestamptz,
  primary key (client_id, topup_order_id, kind, route),
  foreign key (client_id, topup_order_id) references topup_order (client_id, id)
);

-- Supplier callbacks by event id, kept for days: a repeat has no effect. The client comes from the
-- supplier reference; 0 where the reference is not of our form.
create table callback (
  client_id bigint not null,
  supplier_id bigint not null references supplier (id),
  event_id text not null check (length(event_id) between 1 and 255),
  supplier_reference text not null,
  body_digest text not null,
  received_at timestamptz not null default clock_timestamp(),
  primary key (client_id, supplier_id, event_id)
);

-- Mail owed for a terminal transition: written with the decision, sent after it.
create table email_outbox (
  client_id bigint not null,
  topup_order_id bigint not null,
  status text not null,
  address text not null check (length(address) <= 254),
  queued_at timestamptz not null default clock_timestamp(),
  handed_over_at timestamptz,
  primary key (client_id, topup_order_id, status, address),
  foreign key (client_id, topup_order_id) references topup_order (client_id, id)
);
create index email_outbox_waiting on email_outbox (queued_at) where handed_over_at is null;
