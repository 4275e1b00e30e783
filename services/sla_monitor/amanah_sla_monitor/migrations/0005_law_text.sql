-- Every law that was ever in force, as the files of its pack: so that the date of a finished clock is explained by the law
-- that it was counted by. `parts`: `rule:SP4N-2@1`, `calendar:five-day@2026.1`.
create table law_text (
    fingerprint text primary key,
    applied_at timestamptz not null,
    files jsonb not null,
    parts text[] not null
);
