-- What has to be known of a complaint before anybody is told about it.
create table notifier_complaint (
    id uuid primary key,
    tracking_code text not null,
    contactable boolean not null,
    restricted boolean not null
);

-- One row for each notice. Instants of sending are real ones (clock_timestamp()), also where the deployment's clock is
-- virtual: see schedule.py.
create table notifier_delivery (
    id uuid primary key,
    complaint_id uuid not null,
    stem text not null,
    about text not null,
    occasion text not null,
    recipient text not null,
    agency text,
    stage text,
    channel text not null,
    -- Never a citizen's: theirs is asked from intake at the moment of sending.
    address text not null,
    -- What a slow recipient must not hold up is not in its lane: a webhook's host, or the mail relay.
    lane text not null,
    template text not null,
    facts jsonb not null,
    traceparent text,
    state text not null default 'pending'
        check (state in ('pending', 'sent', 'failed', 'not_wanted', 'superseded')),
    -- Attempts whose outcome is known and counts against the schedule.
    attempts int not null default 0,
    -- Times a worker took it: the fencing token of its lease.
    claims int not null default 0,
    -- It has reached its recipient, or may have: an attempt can succeed without our knowing.
    maybe_told boolean not null default false,
    -- While a worker holds the row this is when its lease ends; it is also the row's place in the queue.
    next_attempt_at timestamptz not null default clock_timestamp(),
    -- Who holds it; null when nobody does.
    leased_by text,
    -- What it says is no longer true: not to be tried again.
    untrue boolean not null default false,
    reference text,
    result text,
    created_at timestamptz not null default clock_timestamp(),
    settled_at timestamptz
);
create index notifier_delivery_queue on notifier_delivery (lane, next_attempt_at) where state = 'pending';
create index notifier_delivery_complaint on notifier_delivery (complaint_id);

-- Addresses that said 410: nothing is sent there until a person deletes the row.
create table notifier_endpoint_gone (
    address text primary key,
    gone_at timestamptz not null default clock_timestamp()
);

-- Lanes in which something waits. They are few and rows may be many: it walks from lane to lane by the index, not over rows.
create view notifier_lane as
with recursive lanes as (
    (select lane from notifier_delivery where state = 'pending' order by lane limit 1)
    union all
    select (select d.lane from notifier_delivery d where d.state = 'pending' and d.lane > l.lane order by d.lane limit 1)
    from lanes l where l.lane is not null)
select lane from lanes where lane is not null;
