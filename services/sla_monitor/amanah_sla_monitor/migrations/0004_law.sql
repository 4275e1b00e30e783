-- The law in force: the fingerprint of what was applied last. Handlers hold it FOR SHARE, so `law apply` waits for those that
-- still fold by the old law, and whoever comes later sees the new one.
create table law (
    one boolean primary key default true check (one),
    fingerprint text not null,
    applied_at timestamptz not null
);

-- Every rule and calendar ever in force, by version: a change of what moves dates needs a version of its own.
create table law_part (
    kind text not null,
    id text not null,
    version text not null,
    fingerprint text not null,
    since timestamptz not null,
    primary key (kind, id, version)
);
