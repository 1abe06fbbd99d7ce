-- What a database administrator runs for the bridge, once, on the made-up ERP: the steps of
-- deploy/grants/postgres.sql. The bridge reads; it gets no right to write anything.

-- 1. A role of its own that may read the log, and may read the mapped tables for the snapshot.
CREATE ROLE erpbridge LOGIN REPLICATION PASSWORD 'demo';
GRANT CONNECT ON DATABASE legacy TO erpbridge;
GRANT USAGE ON SCHEMA legacy TO erpbridge;
GRANT SELECT ON legacy.spma, legacy.itma, legacy.pohd, legacy.poln, legacy.stmv, legacy.stbl
    TO erpbridge;

-- 2. Where a rule looks at the value before the change, the log must carry the old row. The other
--    tables keep the default: their deletes carry the key alone.
ALTER TABLE legacy.pohd REPLICA IDENTITY FULL;
ALTER TABLE legacy.poln REPLICA IDENTITY FULL;
ALTER TABLE legacy.stbl REPLICA IDENTITY FULL;

-- 3. The tables the bridge follows, and no others.
CREATE PUBLICATION erpbridge FOR TABLE
    legacy.spma, legacy.itma, legacy.pohd, legacy.poln, legacy.stmv, legacy.stbl;
