-- What erpbridge needs in a PostgreSQL database (14 to 18).
--
--   psql -d <the ERP's database> -v ON_ERROR_STOP=1 -f deploy/grants/postgres.sql
--
-- Run it as a superuser, or run each part as the role its comment names. Put your own names in
-- place of those below. `erpbridge check` prints the same statements with your names in them,
-- and only those that are still missing.

\set role        erpbridge
\set publication erpbridge
\set schema      erp
SELECT current_database() AS database \gset

-- 1. A role of its own. REPLICATION lets it read the log of the whole database, so treat its
--    password like a backup of the database. (As superuser. On managed services instead of the
--    attribute: Amazon RDS: GRANT rds_replication TO erpbridge.)
CREATE ROLE :"role" LOGIN REPLICATION;
--    Set its password where nobody can read it over your shoulder or in a log:
--      \password erpbridge

-- 2. The way to the tables. SELECT is for the snapshot; the log asks only the publication.
--    (As owner of the database, the schema and the tables.)
GRANT CONNECT ON DATABASE :"database" TO :"role";
GRANT USAGE ON SCHEMA :"schema" TO :"role";
GRANT SELECT ON
  :"schema".purchase_order,
  :"schema".purchase_order_line
  TO :"role";

-- 3. What the log says about the row before an update or delete. FULL logs every column, so that
--    deletes are complete, old values are there and large unchanged values are not absent; it
--    costs log (measured: 1.26 times). A table without a primary key must have it *before* it
--    is published: otherwise the ERP's own UPDATE and DELETE on it fail.
--    For a partitioned table, each of its partitions needs the statement too. (As owner.)
ALTER TABLE :"schema".purchase_order REPLICA IDENTITY FULL;
ALTER TABLE :"schema".purchase_order_line REPLICA IDENTITY FULL;

-- 4. The list of tables in the log. It must exist before the bridge starts for the first time.
--    Never FOR ALL TABLES: that would take in tables without a key, also future ones.
--    (As owner of the tables, with CREATE on the database.)
CREATE PUBLICATION :"publication" FOR TABLE
  :"schema".purchase_order,
  :"schema".purchase_order_line
  WITH (publish_via_partition_root = true);

-- 5. Only where it applies.
--    Row-level security on a mapped table would hide rows from the snapshot:
--      ALTER ROLE erpbridge BYPASSRLS;
--    To let `erpbridge check` see old open transactions of other roles:
--      GRANT pg_read_all_stats TO erpbridge;

-- 6. Server settings, once per server. The first three need a restart, the last a reload.
--      ALTER SYSTEM SET wal_level = 'logical';
--      ALTER SYSTEM SET max_replication_slots = 10;
--      ALTER SYSTEM SET max_wal_senders = 10;
--      ALTER SYSTEM SET max_slot_wal_keep_size = '16GB';  -- less than the free space of the disk
--      SELECT pg_reload_conf();

-- 7. pg_hba.conf: one line. Logical replication names a database, so it is matched by the line of
--    that database; the word `replication` there is about physical copies.
--      hostssl  erp  erpbridge  192.0.2.10/32  scram-sha-256

-- To take the bridge out of service for good (a slot nobody reads keeps log until the disk is
-- full, or until max_slot_wal_keep_size gives it up):
--   SELECT pg_drop_replication_slot('erpbridge_<source>');
--   DROP PUBLICATION erpbridge;
--   ALTER TABLE … REPLICA IDENTITY DEFAULT;  -- only tables that have a primary key
--   DROP OWNED BY erpbridge; DROP ROLE erpbridge;
