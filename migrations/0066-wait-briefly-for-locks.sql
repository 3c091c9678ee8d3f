-- One call carries the work of many clients. Where somebody keeps a lock, it gives up soon, and the
-- lanes of the call go on apart: only who needs that lock waits for it.
alter function place_orders(json) set lock_timeout = '500ms';
alter function record_moves(json) set lock_timeout = '500ms';
