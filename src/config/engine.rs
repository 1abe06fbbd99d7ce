//! Which kind of database a source is: the one section among its keys that says so.

use std::path::Path;

use erpbridge_mysql::MysqlConfig;
use erpbridge_postgres::PostgresConfig;

use super::reader::Reader;
use super::{mysql, postgres};
use crate::document::Fields;

/// A kind of database with its own settings.
#[derive(Clone, Debug)]
pub enum Engine {
    /// `PostgreSQL`, by logical replication.
    Postgres(PostgresConfig),
    /// `MySQL` or `MariaDB`, by the binary log.
    Mysql(MysqlConfig),
}

/// The keys that name a kind. `MySQL` and `MariaDB` are told apart by the server itself.
const KINDS: [&str; 3] = ["postgres", "mysql", "mariadb"];

/// Reads the database of a source; `name` is the source's name, if that could be read.
pub(super) fn read(
    name: Option<&str>,
    fields: &Fields<'_>,
    reader: &mut Reader<'_>,
) -> Option<Engine> {
    let mut given = KINDS.iter().filter_map(|kind| Some((*kind, fields.get(kind)?)));
    let (Some((kind, node)), None) = (given.next(), given.next()) else {
        let several = KINDS.iter().filter(|kind| fields.get(kind).is_some()).count() > 1;
        let problem = if several { "there are two databases" } else { "there is no database" };
        let mend = "a source follows one: write `postgres:`, `mysql:` or `mariadb:`";
        reader.findings.error(fields.place(), problem, mend);
        return None;
    };
    match kind {
        "postgres" => postgres::read(node, name, reader).map(Engine::Postgres),
        _ => mysql::read(node, name, reader).map(Engine::Mysql),
    }
}

impl Engine {
    /// Where it may keep what it needs beside its position.
    pub(super) fn keep_in(&mut self, state: &Path, source: &str) {
        match self {
            Self::Postgres(_) => {}
            Self::Mysql(mysql) => {
                mysql.shapes_file = Some(state.join("shapes").join(format!("{source}.json")));
            }
        }
    }
}
