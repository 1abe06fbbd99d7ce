//! Follows a SQL Server database by its change data capture tables.
