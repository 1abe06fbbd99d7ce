//! Follows a `PostgreSQL` database by logical replication.
