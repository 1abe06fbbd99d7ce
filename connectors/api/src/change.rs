//! Row changes in batches: one block of text, and indexes into it.
//!
//! A row is not an object of its own. The connector copies the text of every cell of a batch into
//! one buffer and notes where it lies; a [`RowChange`] is a view. So a change costs no allocation,
//! batches cross the queue in one piece, and their weight in bytes is known.

use std::sync::Arc;

use crate::{Position, Sequence, TableSchema, Timestamp};

/// What happened to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// It was found by a snapshot.
    Read,
    /// It was inserted.
    Insert,
    /// It was updated.
    Update,
    /// It was deleted.
    Delete,
}

/// One cell of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Value<'a> {
    /// The log did not carry this cell: unchanged TOAST, or a column outside the key of a
    /// key-only delete. It is *not* NULL and never becomes one.
    Absent,
    /// SQL NULL.
    Null,
    /// The canonical text of the column's [`ColumnKind`](crate::ColumnKind).
    Text(&'a str),
}

impl<'a> Value<'a> {
    /// The text, if it is one.
    pub const fn text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Absent | Self::Null => None,
        }
    }
}

/// Where a cell's text lies in its batch; two lengths are reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    start: u32,
    len: u32,
}

impl Cell {
    const NULL: Self = Self { start: 0, len: u32::MAX };
    const ABSENT: Self = Self { start: 0, len: u32::MAX - 1 };

    fn value(self, text: &str) -> Value<'_> {
        match self {
            Self::NULL => Value::Null,
            Self::ABSENT => Value::Absent,
            Self { start, len } => {
                let start = usize::try_from(start).unwrap_or(usize::MAX);
                let len = usize::try_from(len).unwrap_or(usize::MAX);
                // The builder wrote both from offsets into this very text.
                text.get(start..start.saturating_add(len)).map_or(Value::Absent, Value::Text)
            }
        }
    }
}

/// A transaction of the source, or the part of it that a batch holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The database's own id, for people.
    pub id: Box<str>,
    /// Commit order.
    pub sequence: Sequence,
    /// When it was committed, by the source's clock.
    pub committed_at: Timestamp,
    /// Where to resume when everything sent so far is durable: after this transaction if it is
    /// `complete`, before it otherwise (the part already stored is then recognised by its order).
    pub resume: Position,
    /// Whether this batch holds its last change.
    pub complete: bool,
    /// Whether this is not a commit but rows found by a snapshot.
    pub snapshot: bool,
    /// Whether this is not a commit but rows to remember: images that make no events and have no
    /// place in the order. `sequence` then says of when they are: no commit after it is in them.
    /// `resume` is where the log goes on, and may lie before that.
    pub seed: bool,
}

#[derive(Clone, Copy, Debug)]
struct ImageSpan {
    first: u32,
    cells: u32,
}

#[derive(Clone, Copy, Debug)]
struct Record {
    table: u32,
    transaction: u32,
    operation: Operation,
    ordinal: u64,
    before: Option<ImageSpan>,
    after: Option<ImageSpan>,
}

/// Row changes of whole transactions (or one window of a large one) in commit order.
#[derive(Debug, Default)]
pub struct ChangeBatch {
    text: String,
    cells: Vec<Cell>,
    records: Vec<Record>,
    tables: Vec<Arc<TableSchema>>,
    transactions: Vec<Transaction>,
}

impl ChangeBatch {
    /// How many row changes it holds.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether it holds no row change. (It may still hold a transaction without wanted rows.)
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// What it weighs in memory, in bytes.
    pub fn bytes(&self) -> usize {
        self.text.len()
            + self.cells.len() * size_of::<Cell>()
            + self.records.len() * size_of::<Record>()
            + self.transactions.len() * size_of::<Transaction>()
    }

    /// All changes in order.
    pub fn changes(&self) -> impl ExactSizeIterator<Item = RowChange<'_>> + Clone {
        self.records.iter().map(move |record| RowChange { batch: self, record: *record })
    }

    /// The transactions in commit order.
    pub fn transactions(&self) -> &[Transaction] {
        &self.transactions
    }

    /// The tables its changes belong to, in order of first use.
    pub fn tables(&self) -> &[Arc<TableSchema>] {
        &self.tables
    }

    fn image(&self, span: ImageSpan) -> Image<'_> {
        let first = index(span.first);
        let cells = self.cells.get(first..first + index(span.cells)).unwrap_or_default();
        Image { cells, text: &self.text }
    }
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// One row change: a view into its batch.
#[derive(Clone, Copy, Debug)]
pub struct RowChange<'b> {
    batch: &'b ChangeBatch,
    record: Record,
}

impl<'b> RowChange<'b> {
    /// The table, as it was at this change.
    #[expect(clippy::indexing_slicing, reason = "the builder made this index from the same list")]
    pub fn table(&self) -> &'b Arc<TableSchema> {
        &self.batch.tables[index(self.record.table)]
    }

    /// The table's place in [`ChangeBatch::tables`].
    pub fn table_index(&self) -> usize {
        index(self.record.table)
    }

    /// The transaction.
    #[expect(clippy::indexing_slicing, reason = "the builder made this index from the same list")]
    pub fn transaction(&self) -> &'b Transaction {
        &self.batch.transactions[index(self.record.transaction)]
    }

    /// The transaction's place in [`ChangeBatch::transactions`].
    pub fn transaction_index(&self) -> usize {
        index(self.record.transaction)
    }

    /// What happened.
    pub fn operation(&self) -> Operation {
        self.record.operation
    }

    /// Its place among all row changes of the transaction, from 1, wanted or not.
    pub fn ordinal(&self) -> u64 {
        self.record.ordinal
    }

    /// The row before, as far as the log carried it.
    pub fn before(&self) -> Option<Image<'b>> {
        self.record.before.map(|span| self.batch.image(span))
    }

    /// The row after; none for a delete.
    pub fn after(&self) -> Option<Image<'b>> {
        self.record.after.map(|span| self.batch.image(span))
    }
}

/// One row at one moment: cell `i` belongs to column `i` of the table.
#[derive(Clone, Copy, Debug)]
pub struct Image<'b> {
    cells: &'b [Cell],
    text: &'b str,
}

impl<'b> Image<'b> {
    /// The cell of column `column`; *absent* beyond the end.
    pub fn get(&self, column: usize) -> Value<'b> {
        self.cells.get(column).map_or(Value::Absent, |cell| cell.value(self.text))
    }

    /// How many cells it has.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether it has no cells.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// All cells in column order.
    pub fn values(&self) -> impl ExactSizeIterator<Item = Value<'b>> {
        let text = self.text;
        self.cells.iter().map(move |cell| cell.value(text))
    }
}

/// Fills a [`ChangeBatch`], row by row.
///
/// ```text
/// begin(transaction) → change(table, op, ordinal) → .before(..) .after(..) … → end() → begin … → finish()
/// ```
#[derive(Debug, Default)]
pub struct BatchBuilder {
    batch: ChangeBatch,
}

impl BatchBuilder {
    /// An empty builder.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens a transaction; the changes that follow are its own. `complete` and `resume` may be
    /// corrected by [`Self::complete`] when its end is known.
    pub fn begin(&mut self, transaction: Transaction) {
        self.batch.transactions.push(transaction);
    }

    /// Says that the open transaction ended in this batch, and where to resume after it.
    pub fn complete(&mut self, resume: Position) {
        if let Some(transaction) = self.batch.transactions.last_mut() {
            transaction.complete = true;
            transaction.resume = resume;
        }
    }

    /// Forgets the open transaction if none of its changes were wanted. Returns whether it did.
    pub fn discard_empty(&mut self) -> bool {
        let open = self.batch.transactions.len().saturating_sub(1);
        let used = self.batch.records.last().is_some_and(|last| index(last.transaction) == open);
        if !used {
            self.batch.transactions.pop();
        }
        !used
    }

    /// Forgets the open transaction with all its changes, because it never ended.
    pub fn abandon(&mut self) {
        let open = count(self.batch.transactions.len().saturating_sub(1));
        let kept = self.batch.records.partition_point(|record| record.transaction < open);
        let spans =
            self.batch.records.iter().skip(kept).flat_map(|record| [record.before, record.after]);
        let first = spans.flatten().map(|span| index(span.first)).min_by(usize::cmp);
        if let Some(first) = first {
            let cells = self.batch.cells.iter().skip(first);
            // Texts are written in the order of their cells; the reserved lengths have none.
            let text = cells
                .clone()
                .find(|cell| cell.len < Cell::ABSENT.len)
                .map(|cell| index(cell.start));
            self.batch.text.truncate(text.unwrap_or(self.batch.text.len()));
            self.batch.cells.truncate(first);
        }
        self.batch.records.truncate(kept);
        self.batch.transactions.pop();
    }

    /// Adds a row change to the open transaction and returns where its images go.
    ///
    /// # Panics
    /// Never: without an open transaction the change is attached to the first one begun later.
    pub fn change(
        &mut self,
        table: &Arc<TableSchema>,
        operation: Operation,
        ordinal: u64,
    ) -> ImageBuilder<'_> {
        let table = self.table(table);
        let transaction = count(self.batch.transactions.len().saturating_sub(1));
        self.batch.records.push(Record {
            table,
            transaction,
            operation,
            ordinal,
            before: None,
            after: None,
        });
        ImageBuilder { batch: &mut self.batch }
    }

    /// What the batch weighs so far.
    pub fn bytes(&self) -> usize {
        self.batch.bytes()
    }

    /// How many changes it holds so far.
    pub fn len(&self) -> usize {
        self.batch.records.len()
    }

    /// Whether it holds no change yet.
    pub fn is_empty(&self) -> bool {
        self.batch.records.is_empty()
    }

    /// Hands over the batch and starts anew, keeping a guess of the room it will need.
    pub fn finish(&mut self) -> ChangeBatch {
        std::mem::take(&mut self.batch)
    }

    fn table(&mut self, table: &Arc<TableSchema>) -> u32 {
        let known = self.batch.tables.iter().rposition(|known| Arc::ptr_eq(known, table));
        let place = known.unwrap_or_else(|| {
            self.batch.tables.push(Arc::clone(table));
            self.batch.tables.len() - 1
        });
        count(place)
    }
}

/// Writes the images of the change just added.
pub struct ImageBuilder<'b> {
    batch: &'b mut ChangeBatch,
}

impl ImageBuilder<'_> {
    /// Sets the row before from its values in column order.
    pub fn before<'v>(&mut self, values: impl IntoIterator<Item = Value<'v>>) -> &mut Self {
        let span = self.write(values);
        if let Some(record) = self.batch.records.last_mut() {
            record.before = Some(span);
        }
        self
    }

    /// Sets the row after from its values in column order.
    pub fn after<'v>(&mut self, values: impl IntoIterator<Item = Value<'v>>) -> &mut Self {
        let span = self.write(values);
        if let Some(record) = self.batch.records.last_mut() {
            record.after = Some(span);
        }
        self
    }

    fn write<'v>(&mut self, values: impl IntoIterator<Item = Value<'v>>) -> ImageSpan {
        let first = self.batch.cells.len();
        for value in values {
            let cell = match value {
                Value::Absent => Cell::ABSENT,
                Value::Null => Cell::NULL,
                Value::Text(text) => {
                    let start = count(self.batch.text.len());
                    self.batch.text.push_str(text);
                    Cell { start, len: count(text.len()) }
                }
            };
            self.batch.cells.push(cell);
        }
        ImageSpan { first: count(first), cells: count(self.batch.cells.len() - first) }
    }
}

/// A batch is cut long before 4 GiB: the connector bounds it by bytes, and a single row by its
/// own maximum below that.
fn count(number: usize) -> u32 {
    u32::try_from(number).expect("a batch is bounded far below 4 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Column, ColumnKind, ReplicaIdentity, TableName};

    fn table() -> Arc<TableSchema> {
        let column = |name: &str| Column {
            name: name.into(),
            kind: ColumnKind::Text,
            type_name: "text".into(),
            missing_in_log: false,
        };
        Arc::new(TableSchema {
            name: TableName::new("erp", "item"),
            columns: vec![column("code"), column("name"), column("note")],
            primary_key: vec![0],
            identity: ReplicaIdentity::Key,
        })
    }

    fn transaction(sequence: &str) -> Transaction {
        Transaction {
            id: "1".into(),
            sequence: Sequence::new(sequence),
            committed_at: Timestamp::from_micros(1),
            resume: Position::new("before"),
            complete: false,
            snapshot: false,
            seed: false,
        }
    }

    #[test]
    fn a_row_reads_back_with_null_and_absent_kept_apart() {
        let table = table();
        let mut builder = BatchBuilder::new();
        builder.begin(transaction("01"));
        let values = [Value::Text("A-1"), Value::Null, Value::Absent];
        builder.change(&table, Operation::Update, 7).after(values);
        builder.complete(Position::new("after"));
        let batch = builder.finish();

        let change = batch.changes().next().unwrap();
        assert_eq!(change.ordinal(), 7);
        assert!(change.before().is_none());
        assert_eq!(change.after().unwrap().values().collect::<Vec<_>>(), values);
        assert_eq!(change.after().unwrap().get(99), Value::Absent);
        assert_eq!(change.transaction().resume.as_str(), "after");
    }

    #[test]
    fn an_abandoned_transaction_leaves_those_before_it_as_they_were() {
        let table = table();
        let mut builder = BatchBuilder::new();
        builder.begin(transaction("01"));
        builder.change(&table, Operation::Insert, 1).after([Value::Text("A-1"), Value::Null]);
        let bytes = builder.bytes();
        builder.begin(transaction("02"));
        builder.abandon();
        assert_eq!(builder.bytes(), bytes);
        builder.begin(transaction("03"));
        builder.change(&table, Operation::Insert, 1).after([Value::Null, Value::Text("B-1")]);
        builder.change(&table, Operation::Delete, 2).before([Value::Text("C-1")]);
        builder.abandon();
        assert_eq!(builder.bytes(), bytes);
        let batch = builder.finish();
        assert_eq!((batch.len(), batch.transactions().len()), (1, 1));
        let change = batch.changes().next().unwrap();
        assert_eq!(change.after().unwrap().get(0), Value::Text("A-1"));
    }

    #[test]
    fn a_transaction_without_wanted_rows_leaves_no_trace() {
        let table = table();
        let mut builder = BatchBuilder::new();
        builder.begin(transaction("01"));
        builder.change(&table, Operation::Insert, 1).after([Value::Text("A-1")]);
        assert!(!builder.discard_empty());
        builder.begin(transaction("02"));
        assert!(builder.discard_empty());
        assert_eq!(builder.finish().transactions().len(), 1);
    }
}
