-- A complaint as far as routing needs it: what its rules look at, and who holds it now.
create table complaint (
    complaint_id uuid primary key,
    state text not null check (state in ('routed', 'triage')),
    agency text,
    assignment int not null default 0,
    refused_by text[] not null default '{}',
    reason text not null,
    category text not null,
    classification text,
    region text,
    agency_named text,
    visibility text not null,
    narrative text,
    source_ref text,
    submitted_at timestamptz not null,
    given_due_at timestamptz,
    changed_at timestamptz not null
);
create index complaint_triage on complaint (submitted_at) where state = 'triage';
