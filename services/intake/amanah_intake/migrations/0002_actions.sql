-- The desk names what it did, so that it can take it back: `withdraws` is the `action` of another fact.
alter table intake_fact add column action uuid, add column withdraws uuid;
