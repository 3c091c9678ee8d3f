-- A year of delivered orders by a fast path: what the program would have written, without asking
-- it. Runs as superuser, with triggers and foreign keys off. The first client of the bench has a
-- fifth of all, the others share the rest.
set session_replication_role = replica;
set synchronous_commit = off;
set maintenance_work_mem = '1GB';

create temporary table made as
  select n as id,
    1001 + case when n % 5 = 0 then 0 else n % 1000 end as client_id,
    now() - (:orders - n) * (interval '365 days' / :orders) as placed_at
  from generate_series(1, :orders) n;

insert into topup_order (client_id, id, client_reference, request_id, input_digest, product_id,
    variant_id, product_name, variant_name, country_code, face_value, face_currency,
    discount_percent, charge, currency, wallet_id, input_data, recipient, input_fields_version,
    fulfils_in_request, status, fulfilment_state, version, attempt_count, last_attempt_at,
    debit_transfer_id, created_at, completed_at)
  select client_id, id, 'FILL-' || id, md5(id::text)::uuid, md5('digest' || id), 4218, 2,
    'PUBG Mobile UC', '325 UC', 'GLO', 4.99, 'USD', 5, 4.7405, 'USD', client_id,
    '{"player_id":"5123456789","server":"asia"}', '5123456789', 1, false, 'DELIVERED', null, 3, 1,
    placed_at, 10000 + id, placed_at, placed_at + interval '2 seconds'
  from made;
insert into transfer (client_id, id, reason, debit_account, credit_account, wallet_id,
    topup_order_id, amount, currency, balance_after, created_at)
  select client_id, 10000 + id, 'ORDER_DEBIT', 'WALLET', 'IN_FLIGHT', client_id, id, 4.7405, 'USD',
    1000000000 - 4.7405 * row_number() over (partition by client_id order by id), placed_at
  from made;
insert into transfer (client_id, id, reason, debit_account, credit_account, topup_order_id, amount,
    currency, created_at)
  select client_id, 10000 + :orders + id, 'ORDER_SALE', 'IN_FLIGHT', 'SALES', id, 4.7405, 'USD',
    placed_at + interval '2 seconds'
  from made;
insert into submission (client_id, topup_order_id, route, supplier_id, state, last_attempt_at,
    resend_after)
  select client_id, id, 1, 1, 'DELIVERED', placed_at, placed_at + interval '3 seconds' from made;
insert into topup_order_event (client_id, topup_order_id, version, type, previous_status, status,
    occurred_at, sequence)
  select client_id, id, version,
    (array['CREATED', 'SUBMITTED', 'DELIVERED'])[version], nullif('PENDING', previous),
    case version when 3 then 'DELIVERED' else 'PENDING' end, placed_at, sequence
  from (select client_id, id, placed_at, version,
      case version when 1 then 'PENDING' end as previous,
      row_number() over (partition by client_id order by id, version) as sequence
    from made cross join generate_series(1, 3) version) e;
-- Of the feed, the last thirty days.
insert into feed_entry (client_id, sequence, topup_order_id, version, entered_at)
  select client_id, sequence, topup_order_id, version, occurred_at from topup_order_event
  where occurred_at > now() - interval '30 days';
insert into feed_position (client_id, last_sequence, removed_through, kept_since)
  select e.client_id, max(e.sequence),
    coalesce(max(e.sequence) filter (where e.occurred_at <= now() - interval '30 days'), 0),
    min(e.occurred_at) filter (where e.occurred_at > now() - interval '30 days')
  from topup_order_event e group by e.client_id;
update topup_order_event set sequence = null where occurred_at > now() - interval '30 days';
update wallet w set balance = w.balance - d.total
  from (select client_id, 4.7405 * count(*) as total from made group by client_id) d
  where w.client_id = d.client_id and w.id = d.client_id;
select setval('topup_order_id_seq', :orders + 1);
select setval('transfer_id_seq', 10000 + 2 * :orders + 1);
