-- What a database administrator runs for the bridge, once, on the made-up ERP: the steps of
-- deploy/grants/mysql.sql. The bridge reads; it gets no right to write anything.

-- 1. A user of its own that may follow the log and ask where it ends.
CREATE USER 'erpbridge'@'127.0.0.1' IDENTIFIED BY 'demo';
GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO 'erpbridge'@'127.0.0.1';

-- 2. The mapped tables, for the snapshot and to know their columns.
GRANT SELECT ON legacy.spma TO 'erpbridge'@'127.0.0.1';
GRANT SELECT ON legacy.itma TO 'erpbridge'@'127.0.0.1';
GRANT SELECT ON legacy.pohd TO 'erpbridge'@'127.0.0.1';
GRANT SELECT ON legacy.poln TO 'erpbridge'@'127.0.0.1';
GRANT SELECT ON legacy.stmv TO 'erpbridge'@'127.0.0.1';
GRANT SELECT ON legacy.stbl TO 'erpbridge'@'127.0.0.1';

-- 3. The log names the columns of its rows.
SET GLOBAL binlog_row_metadata = 'FULL';
