-- How far the reconciler has looked: deadlines due up to `settled` are recounted at the next look, when each has had a whole
-- interval to be said; `patrolled` is the last of the case files that it walks through in order of their keys.
create table reconciled (
    one boolean primary key default true check (one),
    since timestamptz not null,
    settled timestamptz not null,
    looked_at timestamptz not null,  -- real time: it spaces the looks of all processes
    patrolled uuid not null default '00000000-0000-0000-0000-000000000000'
);

-- Every difference ever published, so that each is said once. Without a due instant: 1900.
create table published_gap (
    complaint_id uuid not null,
    reason text not null,
    stage text not null,
    holder int not null,
    due_at timestamptz not null,
    published_at timestamptz not null,
    primary key (complaint_id, reason, stage, holder, due_at)
);

-- One row a ticker: when it last looked, in the database server's own time.
create table heartbeat (
    ticker text primary key,
    at timestamptz not null
);

-- What the recount asks: breaches in the order in which they were said (a few bytes a thousand rows), and clocks that ended
-- by their due instants. A clock that runs or breaches touches neither.
create index fired_detected on fired using brin (detected_at) with (autosummarize = on);
create index deadline_ended_due on deadline (due_at) where state in ('met', 'cancelled');
