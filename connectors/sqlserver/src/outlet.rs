//! Where the rows of a snapshot leave: rows in, batches out, numbered in queue order.

use std::sync::Arc;

use erpbridge_connector::{
    BatchBuilder, Operation, Sender, SourceError, SourceEvent, TableSchema, Transaction, Value,
};

use crate::cell::Cell;
use crate::follow::closed;
use crate::session::Row;
use crate::snapshot::{Advance, Tally};

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

    /// Sends rows of one table and says how many they were. With them comes how far the table has
    /// been read: up to there it need not be read again.
    pub(crate) async fn send(
        &mut self,
        table: &Arc<TableSchema>,
        rows: Vec<Row>,
        advance: Advance,
    ) -> Result<u64, SourceError> {
        if advance != Advance::Within {
            self.tally.advance(advance);
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
            add(&mut batch, table, &row, self.rows_sent);
        }
        self.out.send(SourceEvent::Changes(batch.finish())).await.map_err(closed)?;
        Ok(self.rows_sent - before)
    }
}

fn add(batch: &mut BatchBuilder, table: &Arc<TableSchema>, row: &Row, ordinal: u64) {
    let mut text = String::new();
    let cells = row.cells_from(0).iter().map(|cell| match cell {
        Cell::Null => None,
        cell => {
            let start = text.len();
            cell.write(&mut text);
            Some(start..text.len())
        }
    });
    let cells: Vec<_> = cells.collect();
    let values = cells.into_iter().map(|cell| {
        cell.map_or(Value::Null, |range| Value::Text(text.get(range).unwrap_or_default()))
    });
    batch.change(table, Operation::Read, ordinal).after(values);
}

#[cfg(test)]
mod tests {
    use erpbridge_connector::testkit::table;
    use erpbridge_connector::{Position, Sequence, Timestamp};

    use super::*;

    #[test]
    fn a_row_becomes_a_change_with_canonical_text() {
        let table = table("dbo.order(no text key, open bool, total decimal)");
        let mut batch = BatchBuilder::new();
        batch.begin(Transaction {
            id: "snapshot".into(),
            sequence: Sequence::new("01"),
            committed_at: Timestamp::default(),
            resume: Position::new("x"),
            complete: true,
            snapshot: true,
            seed: false,
        });
        let row = Row::from(vec![
            Cell::Text("A\t1".to_owned()),
            Cell::Bool(true),
            Cell::Decimal(11_000, 4),
        ]);
        add(&mut batch, &table, &row, 1);
        let empty = Row::from(vec![Cell::Null, Cell::Text(String::new()), Cell::Null]);
        add(&mut batch, &table, &empty, 2);
        let batch = batch.finish();
        let rows: Vec<Vec<_>> =
            batch.changes().map(|row| row.after().unwrap().values().collect()).collect();
        assert_eq!(rows[0], [Value::Text("A\t1"), Value::Text("true"), Value::Text("1.1000")]);
        assert_eq!(rows[1], [Value::Null, Value::Text(""), Value::Null]);
    }
}
