-- Rates are read all at once, into the snapshot of prices.
drop index forex_rate_pair;
