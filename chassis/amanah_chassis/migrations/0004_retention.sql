-- How far a table has been pruned (docs/retention.md): of what was sent up to this instant rows may be missing, of what was
-- sent after it none. Whoever compares a topic with the outbox must know it.
create table chassis_pruned (
    what text primary key,
    up_to timestamptz not null
);

-- Settled letters stay for a term, so counting those that wait, each second, must not grow with them.
create index chassis_dead_letter_waiting on chassis_dead_letter (id) where replayed_at is null;
create index chassis_dead_letter_settled on chassis_dead_letter (replayed_at) where replayed_at is not null;

-- Each event leaves a dead entry in the index of the unsent, which the relay's question walks over until a vacuum. By default
-- one comes when a fifth of the table is dead, and leaves the index alone when that is on few of its pages: with 10 million
-- rows kept, 2 million entries. Measured (embedded PostgreSQL 18, 500,000 rows kept): 100,000 entries are 273 pages and
-- 0.40 ms for each question, after a vacuum 2 pages and 0.01 ms; 8,000 entries outlive a vacuum without `index_cleanup`.
alter table chassis_outbox set (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 20000,
    vacuum_index_cleanup = on
);
