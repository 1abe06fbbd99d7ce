//! Follows a `MySQL` or `MariaDB` database by its binary log.
