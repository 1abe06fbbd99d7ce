//! The connector that looks at a database without following it, for the tools.

use std::sync::Arc;

use erpbridge_connector::{Explorer, TableName, TableSelection};
use erpbridge_mysql::MysqlSource;
use erpbridge_postgres::PostgresSource;

use crate::config::Engine;

/// The connector that looks at a configured database without following it.
pub fn make_explorer(engine: &Engine) -> Arc<dyn Explorer> {
    match engine {
        Engine::Postgres(postgres) => {
            Arc::new(PostgresSource::new(postgres.clone(), Arc::new(NoTables)))
        }
        Engine::Mysql(mysql) => Arc::new(MysqlSource::new(mysql.clone(), Arc::new(NoTables))),
    }
}

/// Nothing is followed.
struct NoTables;

impl TableSelection for NoTables {
    fn wants(&self, _table: &TableName) -> bool {
        false
    }

    fn named(&self) -> Vec<TableName> {
        Vec::new()
    }
}
