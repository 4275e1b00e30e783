-- What is known of each complaint: its facts in the order of arrival, each once by (source, seq). One row a complaint, so
-- that one statement locks it, adds a fact and answers all of them; see the view `fact` for reading.
create table casefile (
    complaint_id uuid primary key,
    facts jsonb not null
) with (fillfactor = 70);

create view fact as
select c.complaint_id, f ->> 'source' as source, (f ->> 'seq')::bigint as seq, f ->> 'kind' as kind,
       (f ->> 'occurred_at')::timestamptz as occurred_at, (f ->> 'received_at')::timestamptz as received_at, f as data
from casefile c, jsonb_array_elements(c.facts) f;

-- The clocks as they were last told of: a cache of the fold over the facts.
create table deadline (
    complaint_id uuid not null,
    stage text not null,
    holder int not null,
    rule text not null,
    rule_version text not null,
    calendar text,
    deadline_version int not null,
    agency text,
    state text not null check (state in ('running', 'paused', 'met', 'breached', 'cancelled')),
    started_at timestamptz not null,
    due_at timestamptz,
    ended_at timestamptz,
    -- When the ticker must look at it next; null: never again, unless a fact arrives.
    next_fire_at timestamptz,
    source_ref text,
    primary key (complaint_id, stage, holder)
) with (fillfactor = 80);
create index deadline_next_fire on deadline (next_fire_at) where next_fire_at is not null;

-- What has been fired, for ever: the promise that nothing breaches twice. A withdrawn breach may come true after all.
create table fired (
    complaint_id uuid not null,
    stage text not null,
    holder int not null,
    deadline_version int not null,
    threshold text not null,
    due_at timestamptz not null,
    detected_at timestamptz not null,
    withdrawn_at timestamptz,
    primary key (complaint_id, stage, holder, deadline_version, threshold)
);
