//! The trait every database implements, and what it is given.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    ChangeBatch, Finding, Position, Sender, SourceError, TableName, TableSchema, Timestamp,
    Transaction,
};

/// How long a source may take from the stop signal to its return.
pub const STOP_DEADLINE: Duration = Duration::from_secs(10);

/// A boxed future, because the bridge holds sources of several kinds.
pub type SourceFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Which tables the mappings read. A source asks; it never learns what a mapping is.
///
/// It asks at every start, and [`Self::wants`] also for each table that appears in the log later,
/// because a pattern may match a table that did not exist before.
pub trait TableSelection: Send + Sync {
    /// Whether changes of this table are wanted.
    fn wants(&self, table: &TableName) -> bool;

    /// The tables that are named outright (not by pattern) and must therefore exist.
    fn named(&self) -> Vec<TableName>;

    /// Whether the bridge keeps the last image of every row of this table and has none: its rows
    /// are to be sent as seeds before anything else. Asked once per start, of wanted tables only.
    fn seeds(&self, _table: &TableName) -> bool {
        false
    }

    /// Whether the bridge remembers of this wanted table whatever it needs of rows as they were, so
    /// that a log of keys alone leaves nothing out. Asked by checks.
    fn remembers(&self, _table: &TableName) -> bool {
        false
    }

    /// Whether the first start's snapshot shall send the rows of this wanted table as
    /// [`Read`](crate::Operation::Read).
    fn snapshots(&self, table: &TableName) -> bool {
        self.wants(table)
    }
}

/// Whether the first start reads what is in the tables already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SnapshotMode {
    /// Read the tables, then follow the log from that very moment.
    #[default]
    Initial,
    /// Only follow the log.
    Never,
}

/// A database whose changes can be followed.
pub trait Source: Send + Sync {
    /// Everything that would keep this source from running or would hurt the database, all at
    /// once. An empty list means it can run. Fails only if the server cannot be asked at all.
    fn check(&self) -> SourceFuture<'_, Result<Vec<Finding>, SourceError>>;

    /// What would keep the source from going on after this stored position, now or soon. Where the
    /// database keeps its log for the bridge there is nothing to find.
    fn check_position<'a>(
        &'a self,
        _position: &'a Position,
    ) -> SourceFuture<'a, Result<Vec<Finding>, SourceError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// The wanted tables as they are now, so that mappings can be checked against them.
    fn discover(&self) -> SourceFuture<'_, Result<Vec<TableSchema>, SourceError>>;

    /// Follows the log until stopped or failed, by the promises in this crate's head.
    fn run(&self, context: SourceContext) -> SourceFuture<'_, Result<(), SourceError>>;
}

/// What a running source is given.
pub struct SourceContext {
    /// Continue after this position; `None` on the first start: snapshot, then follow.
    pub resume_after: Option<Position>,
    /// Where events go; `send` waits while the queue is full.
    pub out: Sender,
    /// The newest position that is durable downstream and may be acknowledged to the database.
    pub confirmed: watch::Receiver<Option<Position>>,
    /// Cancelled when the source shall end.
    pub stop: CancellationToken,
    /// What the source tells about itself beside the events.
    pub status: watch::Sender<SourceStatus>,
}

/// One thing a source sends.
#[derive(Debug)]
pub enum SourceEvent {
    /// Row changes: whole transactions, or one window of a large one.
    Changes(ChangeBatch),
    /// Tables were emptied by one statement; the log names no rows.
    Truncated(Truncated),
    /// A table has a shape it did not have before; rows that follow use it.
    SchemaChanged {
        /// The new shape.
        table: Arc<TableSchema>,
        /// The shape before, if this run knew one.
        previous: Option<Arc<TableSchema>>,
    },
    /// All seeds have been sent, and no other change yet: once per run if any table in the log
    /// seeds, even if it has no rows; never otherwise.
    Seeded,
    /// Everything before this position has been sent.
    Progress(Progress),
}

/// TRUNCATE of one or more tables, at its place in its transaction.
#[derive(Clone, Debug)]
pub struct Truncated {
    /// The wanted tables among those truncated.
    pub tables: Vec<Arc<TableSchema>>,
    /// The transaction it happened in.
    pub transaction: Transaction,
    /// Its ordinal in that transaction.
    pub ordinal: u64,
}

/// Everything before `position` has been sent; the source's clock read `as_of` then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Resume after this.
    pub position: Position,
    /// No commit older than this is still to come.
    pub as_of: Timestamp,
}

/// What a source is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Connecting and checking.
    #[default]
    Connecting,
    /// Reading tables.
    Snapshot,
    /// Following the log.
    Streaming,
}

/// What a source tells about itself, for metrics and the status page.
#[derive(Clone, Debug, Default)]
pub struct SourceStatus {
    /// What it is doing.
    pub phase: Phase,
    /// Log written by the server but not yet confirmed by us, in bytes.
    pub lag_bytes: Option<u64>,
    /// Log the server keeps because of us, in bytes.
    pub retained_bytes: Option<u64>,
    /// How much more log the server would keep before it gives us up, in bytes.
    pub safe_bytes: Option<u64>,
    /// How long the server will keep the log that is not confirmed yet, at least, where it keeps it
    /// by age and not for us.
    pub log_kept_for: Option<Duration>,
    /// When the server last said anything.
    pub heard_at: Option<Timestamp>,
    /// Progress per table and pass, while and after tables are read.
    pub snapshot: Vec<TableProgress>,
}

/// What the rows of a table are read for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Pass {
    /// To be remembered by the bridge.
    Seed,
    /// To become events.
    #[default]
    Snapshot,
}

/// How far the reading of one table is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableProgress {
    /// The table.
    pub table: TableName,
    /// What its rows are read for.
    pub pass: Pass,
    /// Rows read and sent.
    pub rows: u64,
    /// The server's own estimate of the whole.
    pub estimate: Option<u64>,
    /// Whether the table is complete.
    pub complete: bool,
}
