-- What a sale costs us, as far as it is known, and who may have it for less: a discount that goes
-- below the cost of a variant sells none of it, unless it says that it may.

-- What its dearest supplier takes, in percent of the face value, so that the order may go to any of
-- them; null where nobody has said.
alter table variant add column cost_percent numeric(9, 4)
  check (cost_percent > 0 and cost_percent <> 'NaN');

alter table discount add column may_lose boolean not null default false;
