//! Which kind of database a source is: the one section among its keys that says so.

use erpbridge_postgres::PostgresConfig;
use erpbridge_sqlserver::SqlServerConfig;

use super::reader::Reader;
use super::{postgres, sqlserver};
use crate::document::Fields;

/// A kind of database with its own settings.
#[derive(Clone, Debug)]
pub enum Engine {
    /// `PostgreSQL`, by logical replication.
    Postgres(PostgresConfig),
    /// SQL Server, by change data capture.
    SqlServer(SqlServerConfig),
}

/// The keys that name a kind.
const KINDS: [&str; 2] = ["postgres", "sqlserver"];

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
        let mend = "a source follows one: write `postgres:` or `sqlserver:`";
        reader.findings.error(fields.place(), problem, mend);
        return None;
    };
    match kind {
        "postgres" => postgres::read(node, name, reader).map(Engine::Postgres),
        _ => sqlserver::read(node, name, reader).map(Engine::SqlServer),
    }
}
