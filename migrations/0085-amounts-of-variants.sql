-- Amounts are written by hand as well as imported. With NULL among them every order of the product
-- was a 500. What was written before stays, until its row is written again.
alter table variant add constraint variant_fixed_amounts_check check (
  cardinality(fixed_amounts) = 0 or (array_ndims(fixed_amounts) = 1
    and array_position(fixed_amounts, null) is null
    and 0 < all (fixed_amounts) and 'NaN' <> all (fixed_amounts))) not valid;
