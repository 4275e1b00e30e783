-- A case may wait for the citizen. The state of every row was one of the old ones, so none needs to be looked at again: the
-- lock is held for no longer than it takes to say so.
alter table "case"
    drop constraint case_state_check,
    add constraint case_state_check
        check (state in ('assigned', 'acknowledged', 'replied', 'waiting', 'resolved', 'declined')) not valid;

-- In which assignment an order was carried out: a term is extended once in each, and only what was done in the present one
-- can be taken back. Null: refused, or carried out by the release before.
alter table action add column assignment int;
