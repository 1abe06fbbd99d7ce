//! Where the database is and how it is read.

use std::time::Duration;

/// One `MySQL` or `MariaDB` source.
#[derive(Clone, Debug)]
pub struct MysqlConfig {
    /// The source's name in the bridge.
    pub source: String,
    /// Where the server is, and as whom to connect.
    pub url: String,
    /// Whether the first start reads the tables.
    pub snapshot: SnapshotMode,
    /// How many tables the snapshot reads at a time, each over its own connection.
    pub snapshot_tables_in_parallel: usize,
    /// A row larger than this stops the source.
    pub max_row_bytes: usize,
    /// How large a batch of rows grows before it is sent.
    pub batch_bytes: usize,
    /// How long connecting may take.
    pub connect_timeout: Duration,
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

impl MysqlConfig {
    /// Reads `mysql://user:password@host:port/database`.
    pub fn from_url(source: &str, url: &str) -> Self {
        Self {
            source: source.to_owned(),
            url: url.to_owned(),
            snapshot: SnapshotMode::Initial,
            snapshot_tables_in_parallel: 2,
            max_row_bytes: 64 << 20,
            batch_bytes: 256 << 10,
            connect_timeout: Duration::from_secs(10),
        }
    }
}
