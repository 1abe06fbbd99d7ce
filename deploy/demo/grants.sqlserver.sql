-- What a database administrator runs for the bridge, once, on the made-up ERP: the steps of
-- deploy/grants/sqlserver.sql. The bridge reads; it gets no right to write anything.

-- 1. Change data capture, first for the database, then for the mapped tables and no others. Only
--    members of the gating role may ask for what was captured. Texts of any size are let through, or
--    the ERP's own statements would fail.
EXEC sys.sp_cdc_enable_db;
EXEC sp_configure 'max text repl size', -1;
RECONFIGURE;
GO
EXEC sys.sp_cdc_enable_table @source_schema = N'legacy', @source_name = N'spma',
    @role_name = N'erpbridge_reader', @supports_net_changes = 0;
EXEC sys.sp_cdc_enable_table @source_schema = N'legacy', @source_name = N'itma',
    @role_name = N'erpbridge_reader', @supports_net_changes = 0;
EXEC sys.sp_cdc_enable_table @source_schema = N'legacy', @source_name = N'pohd',
    @role_name = N'erpbridge_reader', @supports_net_changes = 0;
EXEC sys.sp_cdc_enable_table @source_schema = N'legacy', @source_name = N'poln',
    @role_name = N'erpbridge_reader', @supports_net_changes = 0;
EXEC sys.sp_cdc_enable_table @source_schema = N'legacy', @source_name = N'stmv',
    @role_name = N'erpbridge_reader', @supports_net_changes = 0;
EXEC sys.sp_cdc_enable_table @source_schema = N'legacy', @source_name = N'stbl',
    @role_name = N'erpbridge_reader', @supports_net_changes = 0;
GO

-- 2. A login of its own that may read what was captured, and the mapped tables for the snapshot.
CREATE LOGIN bridge WITH PASSWORD = N'Demo-4711';
CREATE USER bridge FOR LOGIN bridge;
ALTER ROLE erpbridge_reader ADD MEMBER bridge;
GRANT SELECT ON SCHEMA::cdc TO bridge;
GRANT SELECT ON legacy.spma TO bridge;
GRANT SELECT ON legacy.itma TO bridge;
GRANT SELECT ON legacy.pohd TO bridge;
GRANT SELECT ON legacy.poln TO bridge;
GRANT SELECT ON legacy.stmv TO bridge;
GRANT SELECT ON legacy.stbl TO bridge;
GO

-- 3. A snapshot that is as of one moment, and knows which place of the log that is.
ALTER DATABASE legacy SET ALLOW_SNAPSHOT_ISOLATION ON;
GRANT VIEW DATABASE STATE TO bridge;
GO
USE master;
GO
GRANT VIEW SERVER STATE TO bridge;
GO

-- 4. To see for how long changes are kept.
USE msdb;
GO
CREATE USER bridge FOR LOGIN bridge;
GRANT SELECT ON dbo.cdc_jobs TO bridge;
GO
