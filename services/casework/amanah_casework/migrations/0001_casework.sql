-- A case: a complaint in the hands of one agency.
create table "case" (
    complaint_id uuid primary key,
    agency text not null,
    assignment int not null,
    state text not null check (state in ('assigned', 'acknowledged', 'replied', 'resolved', 'declined')),
    category text not null,
    region text,
    visibility text not null,
    narrative text,
    source_ref text,
    submitted_at timestamptz not null,
    assigned_at timestamptz not null,
    changed_at timestamptz not null
);
create index case_agency on "case" (agency, state);

-- What was done with it, in order: by HTTP or through the agency's topic. An order is carried out once per `order_id`; one
-- that bears the id of another deed is another order, so that an agency which counts 1, 2, 3 anew each day loses nothing.
create table action (
    id bigint generated always as identity primary key,
    complaint_id uuid not null,
    agency text not null,
    order_id text not null,
    verb text not null,
    outcome text not null,
    detail text,
    occurred_at timestamptz not null,
    received_at timestamptz not null,
    unique (complaint_id, agency, verb, order_id)
);
