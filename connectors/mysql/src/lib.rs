//! Follows a `MySQL` or `MariaDB` database by its binary log.

pub mod assemble;
pub mod binlog;
pub mod done;
pub mod gtid;
pub mod position;
pub mod shape;
pub mod statement;
pub mod values;
