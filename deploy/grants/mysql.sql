-- What erpbridge needs on a MySQL (from 5.6) or MariaDB (from 10.0) server.
--
--   mysql -u root -p < deploy/grants/mysql.sql
--
-- Run it as an administrator, with your own names in place of those below. Lines that end with a
-- server's name are for that server only. `erpbridge check` prints the same statements with your
-- names in them, and only those that are still missing.

-- 1. A user of its own, for the address the bridge connects from. It may read the log of the whole
--    server, so treat its password like a backup of all its databases. An anonymous user for the
--    same address would go before it: remove that, or name the address exactly, as here.
CREATE USER 'erpbridge'@'192.0.2.10' IDENTIFIED BY 'change-me';

-- 2. The log: to follow it, and to ask where it ends. (MariaDB 10.5 shows the second as BINLOG
--    MONITOR.)
GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO 'erpbridge'@'192.0.2.10';

-- 3. The mapped tables, for the snapshot and to know their columns. All columns: the log has them
--    all, and a list with gaps does not fit it.
GRANT SELECT ON erp.purchase_order TO 'erpbridge'@'192.0.2.10';
GRANT SELECT ON erp.purchase_order_line TO 'erpbridge'@'192.0.2.10';

-- 4. MySQL has no snapshot that knows its place in the log. PROCESS lets the bridge see whether
--    anybody is just committing; LOCK TABLES lets it lock the mapped tables for some milliseconds
--    where somebody always is. MariaDB needs neither.
GRANT PROCESS ON *.* TO 'erpbridge'@'192.0.2.10'; -- MySQL only
GRANT LOCK TABLES ON erp.* TO 'erpbridge'@'192.0.2.10'; -- MySQL only

-- 5. What the log says. Put the same into the server's configuration file, or a restart takes it
--    back; sessions keep the format they began with, so let the ERP connect anew.
--    The log itself (log_bin, server_id) can only be turned on there, with a restart.
SET GLOBAL binlog_format = 'ROW';
SET GLOBAL binlog_row_image = 'FULL';
SET GLOBAL binlog_row_metadata = 'FULL'; -- MariaDB 10.5 and MySQL 8.0 on

-- 6. What a crash of the machine leaves. Each commit then waits for the disk.
SET GLOBAL sync_binlog = 1;
SET GLOBAL innodb_flush_log_at_trx_commit = 1;

-- 7. Only where it applies.
--    Distributed (XA) transactions on MySQL 8.0 and later:
--      GRANT XA_RECOVER_ADMIN ON *.* TO 'erpbridge'@'192.0.2.10';
--    How long the log is kept, read or not: longer than the longest pause of the bridge:
--      SET GLOBAL expire_logs_days = 7;                 -- MySQL 5.6 and 5.7, MariaDB
--      SET GLOBAL binlog_expire_logs_seconds = 604800;  -- MySQL 8.0 on
--      CALL mysql.rds_set_configuration('binlog retention hours', 168);  -- Amazon RDS

-- To take the bridge out of service for good:
--   DROP USER 'erpbridge'@'192.0.2.10';
