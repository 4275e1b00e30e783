-- Tables of the chassis, the same in every service's database.

-- The clock. Empty: the deployment lives in real time. Otherwise virtual: `at` was the virtual instant at the real instant
-- `real_from`, and virtual time has run at `rate` since (0: it stands until the next step). `settled` is the virtual instant
-- up to which every fact is known to have arrived; in real time nobody can promise that, so it is simply now.
create table chassis_clock (
    real_from timestamptz primary key,
    at timestamptz not null,
    rate double precision not null default 0,
    settled timestamptz not null
);

create function chassis_at(instant timestamptz) returns timestamptz language sql stable as $$
    select coalesce(
        (select at + (instant - real_from) * rate from chassis_clock
         where real_from <= instant order by real_from desc limit 1),
        instant)
$$;

create function chassis_now() returns timestamptz language sql volatile as $$
    select chassis_at(clock_timestamp())
$$;

create function chassis_settled() returns timestamptz language sql volatile as $$
    select coalesce(
        (select case when rate = 0 then settled else at + (clock_timestamp() - real_from) * rate end
         from chassis_clock where real_from <= clock_timestamp() order by real_from desc limit 1),
        clock_timestamp())
$$;

-- Events: numbered per subject and audience ('' is the owner's topic), written with the state they tell of.
create table chassis_stream (
    subject uuid not null,
    audience text not null,
    seq bigint not null,
    primary key (subject, audience)
);

create table chassis_outbox (
    id bigint generated always as identity primary key,
    event_id uuid not null,
    topic text not null,
    subject uuid not null,
    type text not null,
    seq bigint not null,
    traceparent text,
    value bytea not null,
    created_at timestamptz not null,
    sent_at timestamptz
);
create index chassis_outbox_unsent on chassis_outbox (id) where sent_at is null;

-- Consumption: the last seq applied per source and subject.
create table chassis_position (
    source text not null,
    subject uuid not null,
    seq bigint not null,
    primary key (source, subject)
);

-- Records set aside: their turn has not come (a gap before them, or a fact they need has not arrived).
create table chassis_parked (
    id bigint generated always as identity primary key,
    subject uuid not null,
    source text not null,
    seq bigint not null,
    waiting_for text not null,
    topic text not null,
    partition int not null,
    "offset" bigint not null,
    appended_at timestamptz not null,
    key bytea,
    headers bytea not null,
    value bytea,
    parked_at timestamptz not null default clock_timestamp(),  -- real time: it drives retries, not deadlines
    unique (topic, partition, "offset")
);
create index chassis_parked_subject on chassis_parked (subject);

-- Records that cannot be handled, kept whole until somebody replays them.
create table chassis_dead_letter (
    id bigint generated always as identity primary key,
    topic text not null,
    partition int not null,
    "offset" bigint not null,
    appended_at timestamptz not null,
    key bytea,
    headers bytea not null,
    value bytea,
    reason text not null,
    detail text not null,
    dead_at timestamptz not null,
    replayed_at timestamptz,
    unique (topic, partition, "offset")
);

-- A deployment is virtual from its first row or never: afterwards no one can move the clock under real cases.
create function chassis_clock_virtual(start timestamptz, speed double precision default 0) returns void
language plpgsql as $$
begin
    if exists (select from chassis_clock) then
        raise exception 'this deployment already has a virtual clock';
    end if;
    if exists (select from chassis_outbox) or exists (select from chassis_position) then
        raise exception 'this deployment has live data: a virtual clock can only be given to an empty one';
    end if;
    insert into chassis_clock (real_from, at, rate, settled) values (clock_timestamp(), start, speed, start);
end
$$;

-- Moves a standing virtual clock, from the real instant `since` on: what the broker stamped before it keeps its earlier
-- virtual instant. Nothing is settled by it yet; ticking waits for `chassis_clock_settle`.
create function chassis_clock_step(since timestamptz, target timestamptz) returns void
language plpgsql as $$
declare
    latest chassis_clock;
begin
    select * into latest from chassis_clock order by real_from desc limit 1;
    if latest is null or latest.rate <> 0 then
        raise exception 'only a standing virtual clock can be stepped';
    end if;
    if target < latest.at then
        raise exception 'a clock does not run backwards: it stands at %', latest.at;
    end if;
    insert into chassis_clock (real_from, at, rate, settled) values (since, target, 0, latest.settled);
end
$$;

-- Says that every fact up to the instant where the clock stands has arrived: deadlines up to it may now fire.
create function chassis_clock_settle() returns void language plpgsql as $$
begin
    update chassis_clock set settled = at
    where rate = 0 and real_from = (select max(real_from) from chassis_clock where real_from <= clock_timestamp());
    perform pg_notify('chassis_clock', '');
end
$$;
