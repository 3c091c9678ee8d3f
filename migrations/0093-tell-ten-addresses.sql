-- An order that has ended could be told to one address after the other, and so mail anybody.

create or replace function set_notification_email(
  p_client_id bigint, p_order_id bigint, p_email text
) returns boolean
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  order_status text;
begin
  update topup_order set notification_email = p_email
    where client_id = p_client_id and id = p_order_id
    returning status into order_status;
  if not found then return false; end if;
  if order_status <> 'PENDING' and p_email is not null then
    -- Under the order's row lock, so that many at once get no further than one after the other.
    if (select count(*) from email_outbox m
        where m.client_id = p_client_id and m.topup_order_id = p_order_id) >= 10
      and not exists (select from email_outbox m where m.client_id = p_client_id
        and m.topup_order_id = p_order_id and m.status = order_status and m.address = p_email) then
      raise exception 'order % of client % has been told to ten addresses', p_order_id, p_client_id
        using errcode = 'program_limit_exceeded';
    end if;
    insert into email_outbox (client_id, topup_order_id, status, address)
      values (p_client_id, p_order_id, order_status, p_email) on conflict do nothing;
  end if;
  return true;
end
$$;
