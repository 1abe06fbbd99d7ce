//! Why the remembered rows cannot be used, and what to do then.

use std::error::Error;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::mapping::RowsError;

/// The remembered rows cannot be used. The store is closed with the first one.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot {action} the rows remembered in \"{}\": {kind}", directory.display())]
pub struct RowStoreError {
    /// What kind of failure it is.
    pub kind: RowStoreErrorKind,
    /// Where they are.
    pub directory: PathBuf,
    /// What was tried.
    pub action: &'static str,
    /// The error underneath, if it is not ours.
    #[source]
    pub cause: Option<Arc<dyn Error + Send + Sync>>,
}

/// What kind of failure it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowStoreErrorKind {
    /// Another process, or another part of this one, has it open.
    InUse,
    /// The directory holds something else.
    Foreign,
    /// Another version of erpbridge wrote it.
    Version(u32),
    /// What was read is not what was written.
    Damaged,
    /// The disk or the quota is full.
    Full,
    /// The file system refused.
    Refused,
    /// The disk did not take the rows in time.
    Stalled,
    /// A table was asked for that the store was not opened with.
    NoTable,
}

impl fmt::Display for RowStoreErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse => f.write_str("another erpbridge has it open"),
            Self::Foreign => f.write_str("the directory holds something else"),
            Self::Version(found) => write!(f, "they are of format {found}, which is not known"),
            Self::Damaged => f.write_str("they are damaged"),
            Self::Full => f.write_str("the disk is full"),
            Self::Refused => f.write_str("the file system refused"),
            Self::Stalled => f.write_str("the disk did not answer in time"),
            Self::NoTable => f.write_str("it was not opened with this table"),
        }
    }
}

impl RowStoreError {
    /// What a person should do.
    pub fn hint(&self) -> &'static str {
        match self.kind {
            RowStoreErrorKind::InUse => {
                "stop the other process, or give this one a state directory of its own"
            }
            RowStoreErrorKind::Foreign => "set `state` to a directory that nothing else uses",
            RowStoreErrorKind::Version(_) | RowStoreErrorKind::Damaged => {
                "stop the bridge and remove the directory; the rows are then read from the \
                 database again"
            }
            RowStoreErrorKind::Full => {
                "free some space, or set `state` to a directory on another disk"
            }
            RowStoreErrorKind::Refused => "check the rights on the directory and its disk",
            RowStoreErrorKind::Stalled => "check the disk; it is overloaded or failing",
            RowStoreErrorKind::NoTable => "report this: it is a mistake in erpbridge",
        }
    }
}

/// Makes errors that name the directory.
#[derive(Clone, Debug)]
pub(super) struct Blame(Arc<Path>);

impl Blame {
    pub(super) fn new(directory: &Path) -> Self {
        Self(directory.into())
    }

    pub(super) fn plain(&self, action: &'static str, kind: RowStoreErrorKind) -> RowStoreError {
        RowStoreError { kind, directory: self.0.to_path_buf(), action, cause: None }
    }

    pub(super) fn io(&self, action: &'static str, error: std::io::Error) -> RowStoreError {
        let kind = of_io(error.kind());
        RowStoreError { cause: Some(Arc::new(error)), ..self.plain(action, kind) }
    }

    pub(super) fn store(&self, action: &'static str, error: redb::Error) -> RowStoreError {
        let kind = kind(&error);
        // redb says "already open" for what this store says better itself.
        let told = kind == RowStoreErrorKind::InUse;
        let cause = (!told).then(|| Arc::new(error) as _);
        RowStoreError { cause, ..self.plain(action, kind) }
    }

    /// Runs `work`; an error or a panic of it becomes ours. redb checks what it reads from its
    /// pages only as far as it needs, so a damaged page may end in a panic there.
    pub(super) fn guard<T>(
        &self,
        action: &'static str,
        work: impl FnOnce() -> Result<T, Fault>,
    ) -> Result<T, RowStoreError> {
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(Fault::Store(error))) => Err(self.store(action, error)),
            Ok(Err(Fault::Kind(kind))) => Err(self.plain(action, kind)),
            Err(_panic) => Err(self.plain(action, RowStoreErrorKind::Damaged)),
        }
    }
}

/// A failure before it is known where.
#[derive(Debug)]
pub(super) enum Fault {
    /// redb's word.
    Store(redb::Error),
    /// Ours.
    Kind(RowStoreErrorKind),
}

/// A record that does not check.
pub(super) const DAMAGED: Fault = Fault::Kind(RowStoreErrorKind::Damaged);

impl<E: Into<redb::Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::Store(error.into())
    }
}

impl From<RowStoreError> for RowsError {
    fn from(error: RowStoreError) -> Self {
        let action = if error.action == "write" { "write" } else { "read" };
        Self { action, source: Box::new(error) }
    }
}

fn kind(error: &redb::Error) -> RowStoreErrorKind {
    match error {
        redb::Error::DatabaseAlreadyOpen => RowStoreErrorKind::InUse,
        redb::Error::Io(error) => of_io(error.kind()),
        redb::Error::PreviousIo => RowStoreErrorKind::Refused,
        _ => RowStoreErrorKind::Damaged,
    }
}

fn of_io(kind: ErrorKind) -> RowStoreErrorKind {
    match kind {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            RowStoreErrorKind::Full
        }
        ErrorKind::InvalidData | ErrorKind::UnexpectedEof => RowStoreErrorKind::Damaged,
        _ => RowStoreErrorKind::Refused,
    }
}
