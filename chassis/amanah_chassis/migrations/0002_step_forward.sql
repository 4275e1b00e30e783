-- A step counts from an instant after the step in force: dated before it, it would give records that the broker has stamped
-- already another virtual time than the one they were handled at.
create or replace function chassis_clock_step(since timestamptz, target timestamptz) returns void
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
    if since <= latest.real_from then
        raise exception 'a step counts from after the one in force, which counts from %', latest.real_from;
    end if;
    insert into chassis_clock (real_from, at, rate, settled) values (since, target, 0, latest.settled);
end
$$;
