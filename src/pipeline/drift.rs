//! The ERP is no longer what the mapping knows: counted, and told with what to do.

use std::collections::HashSet;
use std::sync::Arc;

use erpbridge_connector::TableSchema;

use crate::canonical::FrozenBatch;
use crate::deadletter::Reason;
use crate::metrics::Metrics;

/// So many different things are told once each; a mapping that knows nothing does not fill the log.
const TOLD: usize = 1000;

/// What a run has met.
pub(super) struct Drifts {
    source: String,
    metrics: Arc<Metrics>,
    /// What was told already.
    told: HashSet<String>,
}

impl Drifts {
    pub(super) fn new(source: &str, metrics: Arc<Metrics>) -> Self {
        Self { source: source.to_owned(), metrics, told: HashSet::new() }
    }

    pub(super) fn count(&self, kind: &str, count: u64) {
        self.metrics.drift.with_label_values(&[self.source.as_str(), kind]).inc_by(count);
    }

    /// A column that is new, gone or of another type is worth a look at the mapping, even if it
    /// still fits.
    pub(super) fn new_shape(&self, table: &TableSchema, previous: Option<&TableSchema>) {
        let (source, name) = (self.source.as_str(), table.name.to_string());
        let changes = previous.map(|previous| differences(previous, table));
        for change in changes.unwrap_or_default() {
            self.count("column", 1);
            tracing::warn!(source, table = name, change, "the table has another shape");
        }
    }

    /// Codes that no code table knows. What they are is in the dead letters: the log never holds
    /// what a row holds.
    pub(super) fn unknown_codes(&mut self, batch: &FrozenBatch) {
        let unknown = batch.dead_letters.iter().filter(|l| l.reason == Reason::UnknownCode);
        let mut count = batch.ignored_codes;
        for letter in unknown {
            count = count.saturating_add(1);
            if self.told.len() < TOLD && self.told.insert(letter.detail.clone()) {
                let (source, detail) = (self.source.as_str(), letter.detail.as_str());
                let hint = "its dead letters hold the code: add it to its code table";
                tracing::warn!(source, detail, hint, "the mapping does not know a code");
            }
        }
        if batch.ignored_codes > 0 && self.told.insert(String::new()) {
            let source = self.source.as_str();
            tracing::warn!(source, "codes that the mapping does not know are ignored, as it says");
        }
        if count > 0 {
            self.count("unknown_code", count);
        }
    }
}

/// One sentence for every column that is new, gone or of another type.
fn differences(previous: &TableSchema, now: &TableSchema) -> Vec<String> {
    let mut changes = Vec::new();
    for column in &now.columns {
        let name = &column.name;
        match previous.columns.iter().find(|known| known.name == *name) {
            None => changes.push(format!("column `{name}` is new: map it if it means something")),
            Some(known) if known.type_name != column.type_name => changes.push(format!(
                "column `{name}` was {} and is {}: check its codec",
                known.type_name, column.type_name
            )),
            Some(_) => {}
        }
    }
    for column in &previous.columns {
        if now.column(&column.name).is_none() {
            changes.push(format!("column `{}` is gone: take it out of the mapping", column.name));
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use erpbridge_connector::{Column, ColumnKind, ReplicaIdentity, TableName};

    use super::*;

    fn table(columns: &[(&str, &str)]) -> TableSchema {
        let column = |(name, type_name): &(&str, &str)| Column {
            name: (*name).into(),
            kind: ColumnKind::Text,
            type_name: (*type_name).into(),
            missing_in_log: false,
        };
        TableSchema {
            name: TableName::new("erp", "item"),
            columns: columns.iter().map(column).collect(),
            primary_key: vec![0],
            identity: ReplicaIdentity::Full,
        }
    }

    #[test]
    fn columns_that_come_go_or_change_are_told_with_what_to_do() {
        let was = table(&[("id", "int4"), ("code", "varchar(20)"), ("old", "text")]);
        let is = table(&[("id", "int4"), ("code", "varchar(40)"), ("new", "text")]);
        let told = differences(&was, &is);
        assert_eq!(told[0], "column `code` was varchar(20) and is varchar(40): check its codec");
        assert!(told[1].starts_with("column `new` is new"), "{told:?}");
        assert!(told[2].starts_with("column `old` is gone"), "{told:?}");
        assert!(differences(&was, &was).is_empty());
    }
}
