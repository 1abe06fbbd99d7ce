-- What erpbridge needs on a SQL Server (2008 R2 to 2022, with change data capture).
--
--   sqlcmd -S db.example -E -i deploy/grants/sqlserver.sql
--
-- Run it as a sysadmin, with your own names in place of those below; `GO` ends a batch for sqlcmd and
-- Management Studio. `erpbridge check` prints the same statements with your names in them, and only
-- those that are still missing. The bridge reads; it gets no right to write anything.
--
-- Change data capture is in the Enterprise and Developer editions, and in Standard since 2016 SP1; the
-- Express edition never has it. The SQL Server Agent must run, and start with the server: capture is
-- one of its jobs.

-- 1. Change data capture for the database, as a sysadmin. (Amazon RDS: EXEC
--    msdb.dbo.rds_cdc_enable_db 'ERP'.)
USE ERP;
GO
EXEC sys.sp_cdc_enable_db;
GO

-- 2. The mapped tables and no others: every change of a captured table is written a second time. The
--    gating role is made if it is not there; it keeps others from asking for what was captured.
--    Large values: a statement of the ERP that writes one above the server's limit would fail (error
--    7139), so let them be of any size first.
EXEC sp_configure 'max text repl size', -1;
RECONFIGURE;
GO
EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'purchase_order',
    @role_name = N'erpbridge_reader', @supports_net_changes = 0;
EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'purchase_order_line',
    @role_name = N'erpbridge_reader', @supports_net_changes = 0;
GO

-- 3. How long changes are kept, read or not, in minutes: longer than the longest pause of the bridge.
--    Three days if nobody says anything; here a week.
EXEC sys.sp_cdc_change_job @job_type = N'cleanup', @retention = 10080;
GO

-- 4. A login of its own. It may read what was captured of all tables, so treat its password like a
--    backup of them.
CREATE LOGIN erpbridge WITH PASSWORD = N'Change-me-1';
CREATE USER erpbridge FOR LOGIN erpbridge;
ALTER ROLE erpbridge_reader ADD MEMBER erpbridge; -- 2008 R2: EXEC sp_addrolemember N'erpbridge_reader', N'erpbridge'
GRANT SELECT ON SCHEMA::cdc TO erpbridge;
GRANT SELECT ON dbo.purchase_order TO erpbridge;
GRANT SELECT ON dbo.purchase_order_line TO erpbridge;
GO

-- 5. A snapshot as of one moment, of which the bridge knows the place in the log. The server then keeps
--    old versions of changed rows in tempdb. Without it changes made during the snapshot come twice.
ALTER DATABASE ERP SET ALLOW_SNAPSHOT_ISOLATION ON;
GRANT VIEW DATABASE STATE TO erpbridge;
GO
USE master;
GO
GRANT VIEW SERVER STATE TO erpbridge; -- 2022: VIEW SERVER PERFORMANCE STATE is enough
GO

-- 6. To see for how long changes are kept, so that an alert comes before they are gone. (Azure SQL
--    Database has no msdb; there nothing is needed.)
USE msdb;
GO
CREATE USER erpbridge FOR LOGIN erpbridge;
GRANT SELECT ON dbo.cdc_jobs TO erpbridge;
GO

-- To take the bridge out of service for good; the second also where nobody else reads the changes:
--   USE ERP; DROP USER erpbridge; USE msdb; DROP USER erpbridge; DROP LOGIN erpbridge;
--   EXEC sys.sp_cdc_disable_table @source_schema = N'dbo', @source_name = N'purchase_order',
--       @capture_instance = N'all';
--   EXEC sys.sp_cdc_disable_db;
