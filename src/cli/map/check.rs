//! `erpbridge map check`: mapping files by themselves, or against a live database.

use std::io::Write;
use std::path::PathBuf;

use super::site;
use super::{CommandError, Live, Outcome, report};
use crate::mapping::Mapping;
use crate::survey;

pub(super) fn files(paths: &[PathBuf]) -> Result<Outcome, CommandError> {
    let findings = match Mapping::load(paths) {
        Ok(mapping) => mapping.warnings().to_vec(),
        Err(findings) => findings,
    };
    let broken = report::print(&findings)?;
    Ok(if broken { Outcome::Failed } else { Outcome::Done })
}

pub(super) async fn live(
    live: &Live,
    paths: &[PathBuf],
    rows: usize,
) -> Result<Outcome, CommandError> {
    let Some(mut site) = site::open(live, paths).await? else { return Ok(Outcome::Failed) };
    let mut findings = site.mapping().warnings().to_vec();
    let found = survey::check(&mut site, rows).await;
    findings.extend(found.map_err(|error| site::told(&error))?);
    let tables = site.tables().len();
    writeln!(std::io::stdout().lock(), "{tables} tables of `{}` looked at\n", live.source)?;
    let broken = report::print(&findings)?;
    Ok(if broken { Outcome::Failed } else { Outcome::Done })
}
