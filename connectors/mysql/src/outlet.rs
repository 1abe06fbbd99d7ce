//! Where the rows of a snapshot leave: answers of the server in, batches out, numbered in queue
//! order.

use std::sync::Arc;

use erpbridge_connector::{
    BatchBuilder, Operation, Sender, SourceError, SourceErrorKind, SourceEvent, TableSchema,
    Transaction,
};
use mysql_async::Row;

use crate::snapshot::Tally;
use crate::values::{Answers, Cells, Unreadable};

/// The one way to the queue for all readers. It is held while a batch waits for room, so that
/// ordinals grow in the order in which batches enter the queue.
pub(crate) struct Outlet {
    out: Sender,
    transaction: Transaction,
    tally: Tally,
    rows_sent: u64,
    cells: Cells,
}

/// Rows of one table.
pub(crate) struct Rows<'a> {
    pub(crate) schema: &'a Arc<TableSchema>,
    pub(crate) answers: &'a Answers,
    pub(crate) read: Vec<Row>,
}

impl Outlet {
    /// An outlet whose rows all belong to this transaction.
    pub(crate) fn new(out: Sender, transaction: Transaction, tally: Tally) -> Self {
        Self { out, transaction, tally, rows_sent: 0, cells: Cells::default() }
    }

    /// Sends rows of one table and says how many they were. With its last ones comes the table's
    /// place in the list of tables: from here on it need not be read again.
    pub(crate) async fn send(
        &mut self,
        rows: Rows<'_>,
        last: Option<usize>,
    ) -> Result<u64, SourceError> {
        if let Some(place) = last {
            self.tally.complete(place);
            self.transaction.resume = self.tally.position();
        }
        if rows.read.is_empty() {
            return Ok(0);
        }
        let before = self.rows_sent;
        let mut batch = BatchBuilder::new();
        batch.begin(self.transaction.clone());
        for row in rows.read {
            self.rows_sent += 1;
            let decoded = rows.answers.read(&row, &mut self.cells);
            decoded.map_err(|error| undecodable(rows.schema, error))?;
            let mut change = batch.change(rows.schema, Operation::Read, self.rows_sent);
            change.after(self.cells.values());
        }
        let sent = self.out.send(SourceEvent::Changes(batch.finish())).await;
        sent.map_err(|closed| {
            SourceError::new(SourceErrorKind::Closed, "send rows of the snapshot")
                .with_cause(closed)
        })?;
        Ok(self.rows_sent - before)
    }
}

fn undecodable(table: &TableSchema, error: Unreadable) -> SourceError {
    let message = format!("decode a row of table `{}`", table.name);
    SourceError::new(SourceErrorKind::Decode, message).with_cause(error).with_hint(
        "look at the column this names: correct the value if it is damaged, or report this",
    )
}
