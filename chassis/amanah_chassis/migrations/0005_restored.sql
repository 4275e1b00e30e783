-- A database that was restored to an earlier time lacks events that Kafka has. Put back into the outbox, they are listed here
-- until the service, which reads its inputs again, comes to say the same once more: that is then not said a second time.
-- Empty wherever nothing was restored.
create table chassis_restored (
    outbox_id bigint primary key,
    subject uuid not null
);
create index chassis_restored_subject on chassis_restored (subject);
