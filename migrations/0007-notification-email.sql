-- The address that hears how an order ends. end_order writes the mail of an order that names one;
-- here it is named, also after the end.

-- Sets, replaces or clears the address. The order's row lock settles the race with its end: either
-- the end comes later and finds the address, or the mail is owed now, once per address.
create function set_notification_email(p_client_id bigint, p_order_id bigint, p_email text)
returns boolean
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  order_status text;
begin
  update topup_order set notification_email = p_email
    where client_id = p_client_id and id = p_order_id
    returning status into order_status;
  if not found then return false; end if;
  if order_status <> 'PENDING' and p_email is not null then
    insert into email_outbox (client_id, topup_order_id, status, address)
      values (p_client_id, p_order_id, order_status, p_email) on conflict do nothing;
  end if;
  return true;
end
$$;

-- Marks up to p_limit mails as handed over and answers them. The caller makes their jobs in the
-- same transaction: both happen, or neither. Rows in another caller's hands are left to it.
create function take_waiting_mail(p_limit int)
returns table (client_id bigint, topup_order_id bigint, status text, address text)
language sql security definer set search_path = public, pg_temp as $$
  update email_outbox m set handed_over_at = clock_timestamp()
    where (m.client_id, m.topup_order_id, m.status, m.address) in (
      select w.client_id, w.topup_order_id, w.status, w.address from email_outbox w
        where w.handed_over_at is null order by w.queued_at limit p_limit
        for update skip locked)
    returning m.client_id, m.topup_order_id, m.status, m.address;
$$;
