-- All instants at which a clock wants to be looked at, in the order of time: [[instant, name], …]; see domain/marks.py. Null:
-- only its due instant. `next_fire_at` is the earliest of them that is not said yet.
alter table deadline add column marks jsonb;
