//! A change that waits, as it is written down: whole, and by the names of its columns, because
//! the table may have another shape when it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use erpbridge_connector::{
    BatchBuilder, ChangeBatch, Column, ColumnKind, Operation, Position, ReplicaIdentity, Sequence,
    TableName, TableSchema, Timestamp, Transaction, Value,
};
use serde::{Deserialize, Serialize};

use super::Awaited;
use crate::canonical::Late;
use crate::mapping::net::{NetChange, NetImage};

/// A row by the names of its columns; a cell that is not known is left out.
type Cells = BTreeMap<String, Option<String>>;

/// What is written of a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::mapping) struct Entry {
    /// `mapping/alias`.
    pub(super) alias: String,
    /// The row, among all rows of all aliases.
    pub(super) row: String,
    schema: String,
    table: String,
    operation: char,
    before: Option<Cells>,
    after: Option<Cells>,
    /// Whether memory had filled in what the log left out of the old row.
    recalled: bool,
    id: String,
    pub(super) sequence: String,
    pub(super) committed_at: i64,
    position: String,
    pub(super) ordinal: u64,
    pub(super) index: u32,
    /// Whether the row moved to another table.
    moved: bool,
    /// Links the change brought, to be told with it: the link, the row's key, the other's.
    pub(super) links: Vec<(String, String, String)>,
    pub(super) state: State,
}

/// What a change waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum State {
    /// An earlier change of its row.
    Behind,
    /// A row of this remembered table, for so many microseconds.
    For { table: u32, key: String, patience: i64 },
    /// The end of the transaction.
    Ready,
}

const OPERATIONS: [(char, Operation); 4] = [
    ('r', Operation::Read),
    ('i', Operation::Insert),
    ('u', Operation::Update),
    ('d', Operation::Delete),
];

impl Entry {
    /// A change of `row`, under an alias.
    pub(in crate::mapping) fn new(
        alias: &str,
        row: &str,
        change: &NetChange<'_>,
        moved: bool,
        links: Vec<(String, String, String)>,
    ) -> Self {
        let name = &change.table.name;
        let mut operations = OPERATIONS.iter();
        let operation = operations.find(|(_, operation)| *operation == change.operation);
        Self {
            alias: alias.to_owned(),
            row: row.to_owned(),
            schema: name.schema.clone(),
            table: name.table.clone(),
            operation: operation.map_or('u', |(letter, _)| *letter),
            before: change.before.as_ref().map(|image| cells(change.table, image)),
            after: change.after.as_ref().map(|image| cells(change.table, image)),
            recalled: change.before.as_ref().is_some_and(NetImage::is_remembered),
            id: change.transaction.id.to_string(),
            sequence: change.transaction.sequence.to_string(),
            committed_at: change.transaction.committed_at.as_micros(),
            position: change.transaction.resume.to_string(),
            ordinal: change.ordinal,
            index: change.index,
            moved,
            links,
            state: State::Behind,
        }
    }

    /// Under which it is kept: sorts as the changes were made.
    pub(super) fn key(&self) -> String {
        let Self { sequence, ordinal, index, alias, .. } = self;
        format!("{sequence}-{ordinal:010}-{index:03}\u{1f}{alias}")
    }

    pub(super) fn in_state(self, state: State) -> Self {
        Self { state, ..self }
    }

    pub(super) fn with_links(self, links: Vec<(String, String, String)>) -> Self {
        Self { links, ..self }
    }

    pub(super) fn wait_for(&mut self, awaited: &Awaited) {
        let Awaited { table, key, patience } = awaited;
        self.state = State::For { table: table.0, key: key.to_string(), patience: patience.0 };
    }
}

fn cells(table: &TableSchema, image: &NetImage<'_>) -> Cells {
    let columns = table.columns.iter().enumerate();
    let cells = columns.filter_map(|(place, column)| match image.get(place) {
        Value::Absent => None,
        Value::Null => Some((column.name.clone(), None)),
        Value::Text(text) => Some((column.name.clone(), Some(text.to_owned()))),
    });
    cells.collect()
}

fn values<'v>(cells: &'v Cells, table: &'v TableSchema) -> impl Iterator<Item = Value<'v>> {
    table.columns.iter().map(|column| match cells.get(&column.name) {
        None => Value::Absent,
        Some(None) => Value::Null,
        Some(Some(text)) => Value::Text(text),
    })
}

/// A change that waited and is tried again.
#[derive(Clone, Debug)]
pub struct Waiter {
    pub(super) key: Box<str>,
    pub(super) entry: Entry,
    /// Whether it may wait on.
    pub(super) patient: bool,
}

impl Waiter {
    /// Its table.
    pub fn table(&self) -> TableName {
        TableName::new(self.entry.schema.as_str(), self.entry.table.as_str())
    }

    /// Its table with the columns that are known of it, where there is none of that name any more.
    pub fn shape(&self) -> Arc<TableSchema> {
        let cells = self.entry.before.iter().chain(&self.entry.after).flat_map(BTreeMap::keys);
        let column = |name: &String| Column {
            name: name.clone(),
            kind: ColumnKind::Text,
            type_name: "text".into(),
            missing_in_log: false,
        };
        Arc::new(TableSchema {
            name: self.table(),
            columns: cells.collect::<BTreeSet<_>>().into_iter().map(column).collect(),
            primary_key: Vec::new(),
            identity: ReplicaIdentity::Full,
        })
    }

    /// The change over the columns that its table has now, in a batch of its own.
    pub fn batch(&self, table: &Arc<TableSchema>) -> ChangeBatch {
        let entry = &self.entry;
        let mut builder = BatchBuilder::new();
        builder.begin(Transaction {
            id: entry.id.as_str().into(),
            sequence: Sequence::new(entry.sequence.as_str()),
            committed_at: Timestamp::from_micros(entry.committed_at),
            resume: Position::new(entry.position.as_str()),
            complete: true,
            snapshot: false,
            seed: false,
        });
        let operation = OPERATIONS.iter().find(|(letter, _)| *letter == entry.operation);
        let operation = operation.map_or(Operation::Update, |(_, operation)| *operation);
        let mut images = builder.change(table, operation, entry.ordinal);
        if let Some(before) = &entry.before {
            images.before(values(before, table));
        }
        if let Some(after) = &entry.after {
            images.after(values(after, table));
        }
        builder.finish()
    }

    /// The net change in its [`batch`](Self::batch), to be told in this place.
    pub fn net<'b>(&self, batch: &'b ChangeBatch, late: Late<'b>) -> Option<NetChange<'b>> {
        let change = batch.changes().next()?;
        Some(NetChange {
            table: change.table(),
            transaction: change.transaction(),
            operation: change.operation(),
            before: change.before().map(|image| NetImage::new(image).recalled(self.entry.recalled)),
            after: change.after().map(NetImage::new),
            ordinal: change.ordinal(),
            late: Some(late),
            index: self.entry.index,
        })
    }

    pub(in crate::mapping) fn is_patient(&self) -> bool {
        self.patient
    }

    pub(in crate::mapping) fn alias(&self) -> &str {
        &self.entry.alias
    }

    pub(in crate::mapping) fn moved(&self) -> bool {
        self.entry.moved
    }

    pub(in crate::mapping) fn links(&self) -> &[(String, String, String)] {
        &self.entry.links
    }
}
