-- Each event counts its stream up by one. With room left on each page the new version of the row lies beside the old one, and
-- the index need not be told.
alter table chassis_stream set (fillfactor = 70);
