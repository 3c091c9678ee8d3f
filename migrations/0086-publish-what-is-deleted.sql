-- The one table without a key. Where a publication has all tables, as for a replica of another
-- version, nothing could be deleted from it: events stayed without their places.
alter table feed_inbox replica identity full;
