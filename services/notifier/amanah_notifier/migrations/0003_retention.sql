-- By which notices past their term are found.
create index notifier_delivery_settled on notifier_delivery (settled_at, id) where settled_at is not null;

-- Each notice leaves two dead entries in the index of those that wait, which every claim walks over until a vacuum. By default
-- one comes when a fifth of the table is dead, and leaves the index alone when that is on few of its pages. Measured (embedded
-- PostgreSQL 18, 200,000 notices kept): after 20,000 more a claim reads 164 pages in 0.26 ms, after a vacuum 5 in 0.02 ms.
alter table notifier_delivery set (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 20000,
    vacuum_index_cleanup = on
);
