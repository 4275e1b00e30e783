-- A dead letter that can never be handled: given up, with a reason. It then counts as settled (`replayed_at` says when), so
-- that a release which does not know this column neither shows nor replays it.
alter table chassis_dead_letter add column given_up text;
