-- Amounts are written by hand as well as imported. With NULL among them every order of the product
-- was a 500. What is no amount is taken out, and what had nothing else is not sold.
update variant v set fixed_amounts = array(
    select a from unnest(v.fixed_amounts) a where a > 0 and a <> 'NaN')
  where cardinality(v.fixed_amounts) > 0
    and (array_ndims(v.fixed_amounts) > 1 or array_position(v.fixed_amounts, null) is not null
      or not 0 < all (v.fixed_amounts) or 'NaN' = any (v.fixed_amounts))
    and (v.min_amount is not null
      or exists (select from unnest(v.fixed_amounts) a where a > 0 and a <> 'NaN'));
update variant v set is_active = false where v.min_amount is null
  and not exists (select from unnest(v.fixed_amounts) a where a > 0 and a <> 'NaN');
alter table variant add constraint variant_fixed_amounts_check check (
  not is_active or cardinality(fixed_amounts) = 0 or (array_ndims(fixed_amounts) = 1
    and array_position(fixed_amounts, null) is null
    and 0 < all (fixed_amounts) and 'NaN' <> all (fixed_amounts)));
