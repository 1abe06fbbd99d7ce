//! The database that a command looks at, and the mapping it looks with.

use std::path::PathBuf;
use std::sync::Arc;

use erpbridge_connector::SourceError;

use super::{CommandError, Live, report};
use crate::bridge::make_explorer;
use crate::config::{self, Connection};
use crate::mapping::Mapping;
use crate::survey::Site;

/// The configured source; `None` if what is wrong with it has been printed.
pub(super) fn connection(live: &Live) -> Result<Option<Connection>, CommandError> {
    match config::connection(&live.config, &live.source) {
        Ok(connection) => Ok(Some(connection)),
        Err(findings) => {
            report::print(&findings)?;
            Ok(None)
        }
    }
}

/// The source's database with the mapping at `paths`, or that of its configuration; `None` if
/// what is wrong has been printed.
pub(super) async fn open(live: &Live, paths: &[PathBuf]) -> Result<Option<Site>, CommandError> {
    let Some(connection) = connection(live)? else { return Ok(None) };
    let paths = if paths.is_empty() { &connection.mappings } else { paths };
    let mapping = match Mapping::load(paths) {
        Ok(mapping) => Arc::new(mapping),
        Err(findings) => {
            report::print(&findings)?;
            return Ok(None);
        }
    };
    let explorer = make_explorer(&connection.engine);
    let Connection { name, pseudonym, .. } = &connection;
    let site = Site::visit(name, explorer, mapping, pseudonym.clone()).await;
    site.map(Some).map_err(|error| told(&error))
}

pub(super) fn told(error: &SourceError) -> CommandError {
    CommandError::new(error, error.hint())
}
