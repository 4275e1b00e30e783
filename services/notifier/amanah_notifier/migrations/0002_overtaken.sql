-- Of a notice about a clock: which clock (with `stage`), and what makes it needless before it is sent. An answer of one of the
-- stems in `ended_by`, received after `since`, leaves nothing to tell of; null where no answer changes what has happened.
alter table notifier_delivery
    add column holder int,
    add column ended_by text[],
    add column since timestamptz;

-- What agencies did that ends some clock by the pack's rules: looked at when a notice is about to be sent. What was taken
-- back is deleted, for it never was.
create table notifier_answer (
    complaint_id uuid not null,
    event_id uuid not null,
    stem text not null,
    agency text not null,
    received_at timestamptz not null,
    action uuid,
    primary key (complaint_id, event_id)
);
