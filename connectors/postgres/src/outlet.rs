//! Where the rows of a snapshot leave: printed rows in, batches out, numbered in queue order.

use std::sync::Arc;

use bytes::Bytes;
use erpbridge_connector::{
    BatchBuilder, Operation, Sender, SourceError, SourceErrorKind, SourceEvent, TableSchema,
    Transaction, Value,
};

use crate::session::ENCODING_HINT;
use crate::snapshot::Tally;
use crate::{copy, values};

/// The one way to the queue for all readers. It is held while a batch waits for room, so that
/// ordinals grow in the order in which batches enter the queue.
pub(crate) struct Outlet {
    out: Sender,
    transaction: Transaction,
    tally: Tally,
    rows_sent: u64,
}

impl Outlet {
    /// An outlet whose rows all belong to this transaction.
    pub(crate) fn new(out: Sender, transaction: Transaction, tally: Tally) -> Self {
        Self { out, transaction, tally, rows_sent: 0 }
    }

    /// Sends rows of one table and says how many they were. With its last ones comes the table's
    /// place in the list of tables: from here on it need not be read again.
    pub(crate) async fn send(
        &mut self,
        table: &Arc<TableSchema>,
        rows: Vec<Bytes>,
        last: Option<usize>,
    ) -> Result<u64, SourceError> {
        if let Some(place) = last {
            self.tally.complete(place);
            self.transaction.resume = self.tally.position();
        }
        if rows.is_empty() {
            return Ok(0);
        }
        let before = self.rows_sent;
        let mut batch = BatchBuilder::new();
        batch.begin(self.transaction.clone());
        for row in rows {
            self.rows_sent += 1;
            add(&mut batch, table, &row, self.rows_sent)
                .map_err(|error| undecodable(table, error))?;
        }
        let sent = self.out.send(SourceEvent::Changes(batch.finish())).await;
        sent.map_err(|closed| {
            SourceError::new(SourceErrorKind::Closed, "send rows of the snapshot")
                .with_cause(closed)
        })?;
        Ok(self.rows_sent - before)
    }
}

fn undecodable(table: &TableSchema, error: copy::Malformed) -> SourceError {
    let message = format!("decode a row of table `{}`", table.name);
    let hint = match error {
        copy::Malformed::NotUtf8 => ENCODING_HINT,
        copy::Malformed::Cells { .. } => "report this: the server's answer is not what was asked",
    };
    SourceError::new(SourceErrorKind::Decode, message).with_cause(error).with_hint(hint)
}

fn add(
    batch: &mut BatchBuilder,
    table: &Arc<TableSchema>,
    row: &[u8],
    ordinal: u64,
) -> Result<(), copy::Malformed> {
    let line = copy::line(row)?;
    let cells: Vec<_> = copy::cells(line).collect();
    let (found, expected) = (cells.len(), table.columns.len());
    if found != expected {
        return Err(copy::Malformed::Cells { found, expected });
    }
    let values = cells.iter().zip(&table.columns).map(|(cell, column)| match cell {
        Some(text) => Value::Text(values::canonical(column.kind, text)),
        None => Value::Null,
    });
    batch.change(table, Operation::Read, ordinal).after(values);
    Ok(())
}

#[cfg(test)]
mod tests {
    use erpbridge_connector::{
        Column, ColumnKind, Position, ReplicaIdentity, Sequence, TableName, Timestamp,
    };

    use super::*;

    fn table() -> Arc<TableSchema> {
        let column = |name: &str, kind| Column {
            name: name.to_owned(),
            kind,
            type_name: String::new(),
            missing_in_log: false,
        };
        Arc::new(TableSchema {
            name: TableName::new("erp", "order"),
            columns: vec![column("no", ColumnKind::Text), column("open", ColumnKind::Bool)],
            primary_key: vec![0],
            identity: ReplicaIdentity::Full,
        })
    }

    #[test]
    fn a_row_becomes_a_change_with_canonical_text() {
        let table = table();
        let mut batch = BatchBuilder::new();
        batch.begin(Transaction {
            id: "snapshot".into(),
            sequence: Sequence::new("01"),
            committed_at: Timestamp::default(),
            resume: Position::new("0/1"),
            complete: true,
            snapshot: true,
            seed: false,
        });
        add(&mut batch, &table, b"A\\t1\tt\n", 1).unwrap();
        add(&mut batch, &table, b"\\N\tf\n", 2).unwrap();
        let wrong = add(&mut batch, &table, b"one\n", 3).unwrap_err();
        assert_eq!(wrong, copy::Malformed::Cells { found: 1, expected: 2 });

        let batch = batch.finish();
        let rows: Vec<Vec<_>> =
            batch.changes().map(|row| row.after().unwrap().values().collect()).collect();
        assert_eq!(rows[0], [Value::Text("A\t1"), Value::Text("true")]);
        assert_eq!(rows[1], [Value::Null, Value::Text("false")]);
    }
}
