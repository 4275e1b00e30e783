-- Complaints as filed, without anything that says who: identity and the unmasked words are sealed, see vault.py.
create table intake_complaint (
    id uuid primary key,
    tracking_code text not null constraint intake_tracking_code unique,
    -- SHA-256 of the tracking secret, which has 256 bits of chance; the secret itself is not stored in the clear.
    tracking_hash bytea not null constraint intake_tracking_hash unique,
    channel text not null,
    category text not null,
    classification text,
    region text,
    agency_named text,
    visibility text not null,
    source_ref text,
    given_due_at timestamptz,
    language text not null,
    occurred_at timestamptz not null,
    submitted_at timestamptz not null,
    erased_at timestamptz
);

-- The wrapped data key of each complaint. Deleting it erases what is sealed with it; back it up with shorter retention.
create table intake_data_key (
    complaint_id uuid primary key,
    wrapped bytea not null
);

create table intake_identity (
    complaint_id uuid primary key,
    sealed bytea not null
);

create table intake_original (
    complaint_id uuid primary key,
    sealed_narrative bytea not null
);

-- Remembered answers. `created_at` is real time even where the deployment's clock is virtual: what it serves, a client
-- trying again over a real network, happens in real time.
create table intake_idempotency (
    key_digest bytea primary key,
    complaint_id uuid not null,
    sealed_answer bytea not null,
    created_at timestamptz not null default clock_timestamp()
);
create index intake_idempotency_age on intake_idempotency (created_at);

-- Who asked for a contact or an identity, why and when, and whether there was one to give.
create table intake_identity_read (
    id bigint generated always as identity primary key,
    complaint_id uuid not null,
    reader text not null,
    purpose text not null,
    given boolean not null,
    read_at timestamptz not null
);
create index intake_identity_read_complaint on intake_identity_read (complaint_id);

-- What the other services said of a complaint: facts only, added in any order. The status is worked out when it is asked.
create table intake_fact (
    complaint_id uuid not null,
    event_id uuid not null,
    what text not null,
    agency text,
    assignment int,
    words text,
    occurred_at timestamptz not null,
    received_at timestamptz not null,
    primary key (complaint_id, event_id)
);

-- The deadlines as last said by their one source, which says them in order.
create table intake_deadline (
    complaint_id uuid not null,
    stage text not null,
    holder int not null,
    due_at timestamptz,
    state text not null,
    primary key (complaint_id, stage, holder)
);
