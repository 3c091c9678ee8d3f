-- Orders come to be placed as rows, not as JSON, and what became of them goes back as one row: a
-- seventh of what an order cost the database in batches of 28 was to read JSON with 25 names an
-- order, to look each of them up and to put the rows together. Rows are read field by field, in
-- their order: whoever gives `placement` another field makes a type of its own, and functions for
-- it, as processes of before go on sending these.

-- As before, but for what it is called with, and how it answers.
create function place_orders_one_by_one(p_orders placement[], out placed_at timestamptz,
  out verdicts text[], out order_ids bigint[], out transfer_ids bigint[],
  out expected_by timestamptz[])
language plpgsql security definer set search_path = public, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
#variable_conflict use_column
declare
  voucher_ids bigint[];
  has_vouchers boolean;
  has_losers boolean;
  current_version bigint;
  last_client bigint;
  last_source bigint;
  remaining numeric;
  p record;
begin
  select bool_or(o.voucher_hash is not null) into has_vouchers from unnest(p_orders) o;
  if has_vouchers is null then return; end if;
  verdicts := array_fill(null::text, array[cardinality(p_orders)]);
  order_ids := array_fill(null::bigint, array[cardinality(p_orders)]);
  transfer_ids := order_ids;
  voucher_ids := order_ids;

  -- Duplicates are told before anything that may have changed since.
  for p in select t.ordinal, o.id, o.request_id = t.request_id as is_own from unnest(p_orders) t
      join topup_order o on o.client_id = t.client_id
        and o.client_reference = t.client_reference loop
    verdicts[p.ordinal] := case when p.is_own then 'REPEATED' else 'DUPLICATE' end;
    if p.is_own then order_ids[p.ordinal] := p.id; end if;
  end loop;

  if has_vouchers then
    for p in select t.ordinal, v.id from unnest(p_orders) t
        join voucher v on v.client_id = t.client_id and v.code_hash = t.voucher_hash
        where verdicts[t.ordinal] is null loop
      voucher_ids[p.ordinal] := p.id;
    end loop;
    perform 1 from voucher v
      where (v.client_id, v.id) in
        (select t.client_id, voucher_ids[t.ordinal] from unnest(p_orders) t)
      order by v.client_id, v.id for no key update;
  end if;

  perform 1 from wallet w
    where (w.client_id, w.id) in
      (select t.client_id, t.wallet_id from unnest(p_orders) t
        where verdicts[t.ordinal] is null)
    order by w.client_id, w.id for no key update;
  -- Behind whatever held the wallets: their transfers are in the order of their times as well.
  placed_at := clock_timestamp();

  -- A call repeated after a connection lost during COMMIT finds what it placed. Asked under the
  -- locks: the call whose answer was lost may have been at it until it gave them up.
  for p in select t.ordinal, o.id from unnest(p_orders) t
      join topup_order o on o.client_id = t.client_id and o.request_id = t.request_id
      where verdicts[t.ordinal] is null loop
    verdicts[p.ordinal] := 'REPEATED';
    order_ids[p.ordinal] := p.id;
  end loop;

  -- Read under the locks: whatever changed the figures before is seen now, and who has them behind
  -- the end of a quote is refused, however long ago it came: a retry may have been by then.
  select v.version into current_version from pricing_version v;
  for p in select t.ordinal from unnest(p_orders) t
      where verdicts[t.ordinal] is null
        and (t.pricing_version <> current_version
          or t.price_valid_until <= clock_timestamp()) loop
    verdicts[p.ordinal] := 'STALE';
  end loop;

  -- Runs once; again only where a rival call placed one of our references in the meantime: what
  -- its loser would have used is then free for those behind it.
  loop
    if has_vouchers then
      last_client := null;
      for p in select t.ordinal, t.client_id, t.face_value, t.face_currency,
            verdicts[t.ordinal] as so_far, v.id, v.value, v.currency,
            coalesce(v.redeemed_order_id is null and v.state in ('DELIVERED', 'COMPLETED')
              and (v.expires_at is null or v.expires_at > placed_at), false) as is_redeemable
          from unnest(p_orders) t
          left join voucher v on v.client_id = t.client_id and v.id = voucher_ids[t.ordinal]
          where t.voucher_hash is not null
            and (verdicts[t.ordinal] is null or verdicts[t.ordinal] = 'PLACED')
          order by t.client_id, v.id, (verdicts[t.ordinal] is null), t.ordinal loop
        if p.so_far = 'PLACED' then
          last_client := p.client_id;
          last_source := p.id;
        elsif not p.is_redeemable or (last_client = p.client_id and last_source = p.id) then
          verdicts[p.ordinal] := 'VOUCHER_INVALID';
        elsif p.currency <> p.face_currency or p.value <> p.face_value then
          verdicts[p.ordinal] := 'VOUCHER_VALUE_MISMATCH';
        else
          verdicts[p.ordinal] := 'FUNDED';
          last_client := p.client_id;
          last_source := p.id;
        end if;
      end loop;
    end if;

    -- In order of arrival; one that does not fit is refused, a smaller one behind it may still fit.
    last_client := null;
    for p in select t.ordinal, t.client_id, t.wallet_id, t.charge, verdicts[t.ordinal] as so_far,
          w.is_frozen, w.balance + w.credit_limit as available
        from unnest(p_orders) t
        left join wallet w on w.client_id = t.client_id and w.id = t.wallet_id
        where t.wallet_id is not null
          and (verdicts[t.ordinal] is null or verdicts[t.ordinal] = 'PLACED')
        order by t.client_id, t.wallet_id, (verdicts[t.ordinal] is null), t.ordinal loop
      if last_client is distinct from p.client_id or last_source is distinct from p.wallet_id then
        last_client := p.client_id;
        last_source := p.wallet_id;
        remaining := p.available;
      end if;
      if p.so_far = 'PLACED' then
        remaining := remaining - p.charge;
      elsif p.available is null then
        verdicts[p.ordinal] := 'STALE';
      elsif p.is_frozen then
        verdicts[p.ordinal] := 'WALLET_FROZEN';
      elsif p.charge <= remaining then
        verdicts[p.ordinal] := 'FUNDED';
        remaining := remaining - p.charge;
      else
        verdicts[p.ordinal] := 'INSUFFICIENT_FUNDS';
      end if;
    end loop;

    for i in 1 .. cardinality(p_orders) loop
      if verdicts[i] = 'FUNDED' then
        order_ids[i] := nextval('topup_order_id_seq');
        transfer_ids[i] := nextval('transfer_id_seq');
      end if;
    end loop;

    for p in insert into topup_order (client_id, id, client_reference, request_id, input_digest,
          product_id, variant_id, product_name, variant_name, country_code, face_value,
          face_currency, discount_percent, forex_rate, forex_rate_id, charge, currency, wallet_id,
          voucher_id, input_data, recipient, input_fields_version, fulfils_in_request,
          debit_transfer_id, created_at, next_action_at)
        select t.client_id, order_ids[t.ordinal], t.client_reference, t.request_id, t.input_digest,
          t.product_id, t.variant_id, t.product_name, t.variant_name, t.country_code, t.face_value,
          t.face_currency, t.discount_percent, t.forex_rate, t.forex_rate_id, t.charge, t.currency,
          t.wallet_id, voucher_ids[t.ordinal], t.input_data, t.recipient, t.input_fields_version,
          t.fulfils_in_request, transfer_ids[t.ordinal], placed_at,
          -- The request itself makes the first try; a worker only if it does not.
          placed_at + case when t.fulfils_in_request then '3 seconds' else '0' end::interval
        from unnest(p_orders) t
        where verdicts[t.ordinal] = 'FUNDED'
        order by t.client_id, t.client_reference, t.ordinal
        on conflict do nothing
        returning id loop
      verdicts[array_position(order_ids, p.id)] := 'PLACED';
    end loop;

    has_losers := 'FUNDED' = any (verdicts);
    exit when not has_losers;
    for i in 1 .. cardinality(p_orders) loop
      if verdicts[i] = 'FUNDED' then
        verdicts[i] := 'DUPLICATE';
      elsif verdicts[i] in ('INSUFFICIENT_FUNDS', 'VOUCHER_INVALID') then
        verdicts[i] := null;
      end if;
    end loop;
  end loop;

  -- Asked after the locks and the inserts: its other copy was placed by this call, or by a rival
  -- that was waited for.
  for p in select t.ordinal, o.id, o.request_id = t.request_id as is_own from unnest(p_orders) t
      join topup_order o on o.client_id = t.client_id
        and o.client_reference = t.client_reference
      where verdicts[t.ordinal] not in ('PLACED', 'REPEATED', 'DUPLICATE')
        -- A code that is no good by itself was guessed, and counts, whatever its reference is.
        and (verdicts[t.ordinal] <> 'VOUCHER_INVALID' or o.voucher_id = voucher_ids[t.ordinal]) loop
    verdicts[p.ordinal] := case when p.is_own then 'REPEATED' else 'DUPLICATE' end;
    if p.is_own then order_ids[p.ordinal] := p.id; end if;
  end loop;

  insert into transfer (client_id, id, reason, debit_account, credit_account, wallet_id, voucher_id,
      topup_order_id, amount, currency, balance_after, created_at)
    select t.client_id, transfer_ids[t.ordinal], 'ORDER_DEBIT',
      case when t.wallet_id is null then 'VOUCHER' else 'WALLET' end, 'IN_FLIGHT', t.wallet_id,
      voucher_ids[t.ordinal], order_ids[t.ordinal], t.charge, t.currency,
      w.balance - sum(t.charge) over (partition by t.client_id, t.wallet_id
        order by transfer_ids[t.ordinal]),
      placed_at
    from unnest(p_orders) t
    left join wallet w on w.client_id = t.client_id and w.id = t.wallet_id
    where verdicts[t.ordinal] = 'PLACED';

  -- The guard of the wallet's check constraint stands behind this subtraction.
  update wallet w set balance = w.balance - d.total
    from (select t.client_id, t.wallet_id, sum(t.charge) as total from unnest(p_orders) t
      where verdicts[t.ordinal] = 'PLACED' and t.wallet_id is not null group by 1, 2) d
    where w.client_id = d.client_id and w.id = d.wallet_id;

  if has_vouchers then
    update voucher v set redeemed_order_id = order_ids[t.ordinal], redeemed_at = placed_at
      from unnest(p_orders) t
      where verdicts[t.ordinal] = 'PLACED' and t.voucher_hash is not null
        and v.client_id = t.client_id and v.id = voucher_ids[t.ordinal];
  end if;

  insert into topup_order_event (client_id, topup_order_id, version, type, status, occurred_at)
    select t.client_id, order_ids[t.ordinal], 1, 'CREATED', 'PENDING', placed_at
    from unnest(p_orders) t where verdicts[t.ordinal] = 'PLACED';
  insert into feed_inbox (client_id, topup_order_id, version)
    select t.client_id, order_ids[t.ordinal], 1
    from unnest(p_orders) t where verdicts[t.ordinal] = 'PLACED' order by t.ordinal;

  select array_agg(placed_at + d.expected_ms * interval '1 ms' order by t.ordinal)
    into expected_by
    from unnest(p_orders) t left join delivery_pace d on d.product_id = t.product_id;
end
$$;

-- As before, but for the same; and whether all wallets were debited is told by how many orders each
-- of them paid, without a sort of all orders by their wallets.
create function place_orders(p_orders placement[], out placed_at timestamptz,
  out verdicts text[], out order_ids bigint[], out transfer_ids bigint[],
  out expected_by timestamptz[])
language plpgsql security definer set search_path = public, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan set lock_timeout = '500ms' as $$
#variable_conflict use_column
declare
  is_plain boolean;
  oldest_version bigint;
  youngest_version bigint;
  valid_until timestamptz;
  fits boolean;
  placed_ids bigint[];
  are_debited boolean;
begin
  select bool_and(o.voucher_hash is null), min(o.pricing_version), max(o.pricing_version),
      min(o.price_valid_until)
    into is_plain, oldest_version, youngest_version, valid_until
    from unnest(p_orders) o;
  if is_plain is null then return; end if;
  if is_plain then
    -- Locks the wallets in order of their ids and looks at what each of them can pay.
    select coalesce(bool_and(d.total <= w.balance + w.credit_limit and not w.is_frozen), false)
        and count(*) = count(w.id)
      into fits
      from (select t.client_id, t.wallet_id, sum(t.charge) as total from unnest(p_orders) t
        group by t.client_id, t.wallet_id order by t.client_id, t.wallet_id) d
      left join lateral (select x.id, x.balance, x.credit_limit, x.is_frozen from wallet x
        where x.client_id = d.client_id and x.id = d.wallet_id for no key update) w on true;
    -- Under the locks: a wallet's transfers are in the order of their times, and whatever changed
    -- the figures before is seen now.
    placed_at := clock_timestamp();
    is_plain := fits and oldest_version = youngest_version
      and oldest_version = (select v.version from pricing_version v)
      and (valid_until is null or valid_until > clock_timestamp());
  end if;
  if not is_plain then
    select o.* into placed_at, verdicts, order_ids, transfer_ids, expected_by
      from place_orders_one_by_one(p_orders) o;
    return;
  end if;

  with t as materialized (
      select x.*, nextval('topup_order_id_seq') as order_id,
          nextval('transfer_id_seq') as transfer_id
        from unnest(p_orders) x
    ), placed as (
      insert into topup_order (client_id, id, client_reference, request_id, input_digest,
          product_id, variant_id, product_name, variant_name, country_code, face_value,
          face_currency, discount_percent, forex_rate, forex_rate_id, charge, currency, wallet_id,
          input_data, recipient, input_fields_version, fulfils_in_request, debit_transfer_id,
          created_at, next_action_at)
        select t.client_id, t.order_id, t.client_reference, t.request_id, t.input_digest,
          t.product_id, t.variant_id, t.product_name, t.variant_name, t.country_code, t.face_value,
          t.face_currency, t.discount_percent, t.forex_rate, t.forex_rate_id, t.charge, t.currency,
          t.wallet_id, t.input_data, t.recipient, t.input_fields_version, t.fulfils_in_request,
          t.transfer_id, placed_at,
          -- The request itself makes the first try; a worker only if it does not.
          placed_at + case when t.fulfils_in_request then '3 seconds' else '0' end::interval
        from t order by t.client_id, t.client_reference, t.ordinal
        on conflict do nothing
        returning client_id, id, wallet_id, debit_transfer_id, charge, currency
    ), moved as (
      insert into transfer (client_id, id, reason, debit_account, credit_account, wallet_id,
          topup_order_id, amount, currency, balance_after, created_at)
        select p.client_id, p.debit_transfer_id, 'ORDER_DEBIT', 'WALLET', 'IN_FLIGHT', p.wallet_id,
          p.id, p.charge, p.currency,
          w.balance - sum(p.charge) over (partition by p.client_id, p.wallet_id
            order by p.debit_transfer_id),
          placed_at
        from placed p cross join lateral (select x.balance from wallet x
          where x.client_id = p.client_id and x.id = p.wallet_id limit 1) w
    ), debited as (
      -- The guard of the wallet's check constraint stands behind this subtraction.
      update wallet w set balance = w.balance - d.total
        from (select p.client_id, p.wallet_id, sum(p.charge) as total, count(*) as order_count
          from placed p group by 1, 2) d
        cross join lateral (select x.ctid as address from wallet x
          where x.client_id = d.client_id and x.id = d.wallet_id limit 1) a
        where w.ctid = a.address returning d.order_count
    ), told as (
      insert into topup_order_event (client_id, topup_order_id, version, type, status, occurred_at)
        select p.client_id, p.id, 1, 'CREATED', 'PENDING', placed_at from placed p
    ), queued as (
      insert into feed_inbox (client_id, topup_order_id, version)
        select p.client_id, p.id, 1 from placed p order by p.id
    )
    select a.order_ids, a.transfer_ids, a.expected_by, p.ids,
        coalesce(cardinality(p.ids), 0) = (select coalesce(sum(d.order_count), 0) from debited d)
      into order_ids, transfer_ids, expected_by, placed_ids, are_debited
      from (select array_agg(t.order_id order by t.ordinal) as order_ids,
          array_agg(t.transfer_id order by t.ordinal) as transfer_ids,
          array_agg(placed_at + d.expected_ms * interval '1 ms' order by t.ordinal) as expected_by
        from t left join lateral (select x.expected_ms from delivery_pace x
          where x.product_id = t.product_id limit 1) d on true) a,
        (select array_agg(p.id) as ids from placed p) p;
  if not are_debited then
    raise exception 'a wallet was written meanwhile' using errcode = 'serialization_failure';
  end if;

  if cardinality(placed_ids) = cardinality(order_ids) then
    verdicts := array_fill('PLACED'::text, array[cardinality(order_ids)]);
    return;
  end if;
  -- Asked only now: a rival call that was waited for has committed, and its order can be seen.
  select array_agg(case when t.is_placed then 'PLACED' when o.id is not null then 'REPEATED'
          else 'DUPLICATE' end order by t.ordinal),
      array_agg(case when t.is_placed then t.order_id else o.id end order by t.ordinal),
      array_agg(case when t.is_placed then t.transfer_id end order by t.ordinal),
      array_agg(case when t.is_placed then t.expected_by end order by t.ordinal)
    into verdicts, order_ids, transfer_ids, expected_by
    from (select x.ordinal, x.client_id, x.request_id, order_ids[x.ordinal] as order_id,
          transfer_ids[x.ordinal] as transfer_id, expected_by[x.ordinal] as expected_by,
          coalesce(order_ids[x.ordinal] = any (placed_ids), false) as is_placed
        from unnest(p_orders) x) t
      left join lateral (select y.id from topup_order y where not t.is_placed
        and y.client_id = t.client_id and y.request_id = t.request_id limit 1) o on true;
end
$$;

-- The form that processes of an older version call, who may call no other.
create or replace function place_orders(p_orders json)
returns table (ordinal int, verdict text, order_id bigint, transfer_id bigint,
  placed_at timestamptz, expected_by timestamptz)
language sql security definer set search_path = public, pg_temp as $$
  select u.ordinal::int, u.verdict, u.order_id, u.transfer_id, p.placed_at, u.expected_by
    from place_orders(array(select o from json_populate_recordset(null::placement, p_orders) o
        order by o.ordinal)) p
      cross join unnest(p.verdicts, p.order_ids, p.transfer_ids, p.expected_by)
        with ordinality u(verdict, order_id, transfer_id, expected_by, ordinal);
$$;

-- A call that began with the body of before may get here.
create or replace function place_orders_one_by_one(p_orders json)
returns table (ordinal int, verdict text, order_id bigint, transfer_id bigint,
  placed_at timestamptz, expected_by timestamptz)
language sql set search_path = public, pg_temp as $$
  select * from place_orders(p_orders);
$$;
