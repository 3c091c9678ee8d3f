-- Every change of a price read all rates that ever were: with 300,000 of them orders waited for up
-- to 1.9 s, with three million none was placed. Each login read all of its client's of seven days.

-- Reader of both, and of forex_rate_pair: the price snapshot, which looks for the rate of each pair
-- that holds, and for the next moment at which one begins or ends.
create index forex_rate_open on forex_rate (from_currency, to_currency, valid_from desc)
  where valid_to is null;
create index forex_rate_ends on forex_rate (from_currency, to_currency, valid_to)
  where valid_to is not null;
-- Reader: open_family, which removes what has ended.
create index token_family_ends on token_family (client_id, expires_at);
