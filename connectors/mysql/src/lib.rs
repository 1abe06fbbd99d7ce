//! Follows a `MySQL` or `MariaDB` database by its binary log.

pub mod binlog;
pub mod done;
pub mod gtid;
pub mod position;
pub mod shape;
pub mod values;
