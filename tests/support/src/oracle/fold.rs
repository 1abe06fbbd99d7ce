//! From journal rows to net changes.

use std::collections::HashMap;

use serde_json::Value;

use super::JournalRow;

/// What one transaction did to one row, all told.
#[derive(Clone, Debug, PartialEq)]
pub struct NetChange {
    /// Place of its last journal row: commit order among the changes of one key.
    pub seq: i64,
    /// The transaction, as the log names it.
    pub transaction: String,
    /// `schema.table`.
    pub table: String,
    /// The primary key's values as text, in key order.
    pub key: Vec<String>,
    /// The row before the transaction; none if it was not there.
    pub before: Option<Value>,
    /// The row after the transaction; none if it is not there.
    pub after: Option<Value>,
}

impl NetChange {
    /// Whether the row ends as it began.
    pub fn is_noop(&self) -> bool {
        self.before == self.after
    }

    /// A column of the row after, or of the row before if it is gone; none if it is NULL.
    pub fn column(&self, name: &str) -> Option<&str> {
        self.after.as_ref().or(self.before.as_ref())?.get(name)?.as_str()
    }
}

/// One net change per transaction, table and key, in order of `seq`. A row that came and went in
/// one transaction gives none; one that was only touched gives one that [`NetChange::is_noop`].
pub fn net_changes(journal: &[JournalRow]) -> Vec<NetChange> {
    let mut places = HashMap::new();
    let mut changes: Vec<NetChange> = Vec::new();
    for row in journal {
        let place =
            *places.entry((&row.transaction, &row.table, &row.key)).or_insert(changes.len());
        match changes.get_mut(place) {
            Some(change) => {
                change.after.clone_from(&row.after);
                change.seq = row.seq;
            }
            None => changes.push(first(row)),
        }
    }
    changes.retain(|change| change.before.is_some() || change.after.is_some());
    changes.sort_by_key(|change| change.seq);
    changes
}

fn first(row: &JournalRow) -> NetChange {
    NetChange {
        seq: row.seq,
        transaction: row.transaction.clone(),
        table: row.table.clone(),
        key: row.key.clone(),
        before: row.before.clone(),
        after: row.after.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(seq: i64, transaction: &str, before: Option<i64>, after: Option<i64>) -> JournalRow {
        let image = |quantity: Option<i64>| quantity.map(|quantity| json!({ "qty": quantity }));
        JournalRow {
            seq,
            transaction: transaction.to_owned(),
            operation: String::new(),
            table: "erp.line".to_owned(),
            key: vec!["1".to_owned()],
            before: image(before),
            after: image(after),
        }
    }

    #[test]
    fn several_changes_of_a_row_in_a_transaction_are_one() {
        let journal =
            [row(1, "7", Some(1), None), row(2, "7", None, Some(2)), row(3, "8", Some(2), Some(3))];
        let changes = net_changes(&journal);
        assert_eq!(changes.len(), 2);
        assert_eq!(changes[0].before, Some(json!({ "qty": 1 })));
        assert_eq!(changes[0].after, Some(json!({ "qty": 2 })));
        assert_eq!(changes[1].transaction, "8");
    }

    #[test]
    fn a_row_that_came_and_went_is_none_and_a_touched_row_is_a_noop() {
        let came_and_went = [row(1, "7", None, Some(1)), row(2, "7", Some(1), None)];
        assert!(net_changes(&came_and_went).is_empty());
        let touched = [row(1, "7", Some(1), Some(2)), row(2, "7", Some(2), Some(1))];
        assert!(net_changes(&touched)[0].is_noop());
    }
}
