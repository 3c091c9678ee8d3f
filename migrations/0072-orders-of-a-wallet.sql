-- Reader: lists narrowed to a wallet. As with products and countries, an order is written into it
-- once, at its end.
create index topup_order_wallet on topup_order (client_id, wallet_id, id)
  where status <> 'PENDING';
