//! A mapping against the live tables it is for.

use erpbridge_connector::{Finding, Severity, SourceError};

use super::Site;
use crate::mapping::Trial;

/// Everything that is found, in the order of the files: of the tables, and of a sample of so many
/// rows of each.
///
/// # Errors
/// If the database cannot be asked.
pub async fn check(site: &mut Site, rows: usize) -> Result<Vec<Finding>, SourceError> {
    let mut findings = site.mapping().examine_tables(site.names(), site.tables());
    findings.extend(site.misfits().iter().cloned());
    let samples = site.sample(rows).await?;
    let mut trial = Trial::default();
    site.attempt(&samples, &mut trial);
    findings.extend(site.mapping().examine_rows(&trial));
    for table in site.tables() {
        let name = &table.schema.name;
        if !samples.iter().any(|sample| sample.table.name == *name) && !site.is_misfit(name) {
            let mend = "check again when there are rows: types fit, values were not seen";
            findings.push(Finding::warning(name.to_string(), "the table has no rows", mend));
        }
    }
    let mut unique: Vec<Finding> = Vec::new();
    for finding in findings {
        if !unique.contains(&finding) {
            unique.push(finding);
        }
    }
    unique.sort_by_key(|finding| finding.severity == Severity::Warning);
    Ok(unique)
}
