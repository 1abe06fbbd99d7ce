//! The local offset store: sled, on a thread of its own.
//!
//! sled is asked from one thread only, and never waited for without a deadline. It may block
//! (measured: `flush` on a full disk never returns) or panic (on a damaged log), and neither may
//! stop publishing, because what it holds is a copy: the stream is the truth. A thread that hangs
//! in the kernel is left behind; later calls fail at once instead of queueing behind it.
//!
//! "Saved" means: handed to the kernel and written out. It survives `kill -9`; whether it survives
//! a power failure depends on the disk, and nothing here relies on it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::record::Written;
use super::{OffsetRecord, directory, value};

/// How long the store may take to open.
const OPEN_DEADLINE: Duration = Duration::from_secs(10);
/// How long one call may take.
const CALL_DEADLINE: Duration = Duration::from_secs(5);
/// Calls that may wait for the thread.
const WAITING_CALLS: usize = 16;
/// The store holds a few hundred bytes per source.
const CACHE_BYTES: u64 = 1024 * 1024;
const EXPORT_FORMAT: &str = "erpbridge-offsets/1";

type Job = Box<dyn FnOnce(&sled::Db) + Send>;

/// Why the store could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Two bridges on one directory would overwrite each other's offsets.
    #[error("another erpbridge runs on this state directory: \"{}\"", directory.display())]
    Locked {
        /// The directory.
        directory: PathBuf,
    },
    /// Not even a fresh store could be opened.
    #[error("cannot open the offsets in \"{}\"", directory.display())]
    Open {
        /// The directory.
        directory: PathBuf,
        /// The error underneath.
        #[source]
        cause: sled::Error,
    },
    /// A damaged store could not be renamed.
    #[error("cannot set aside the damaged offsets in \"{}\"", directory.display())]
    SetAside {
        /// The directory.
        directory: PathBuf,
        /// The error underneath.
        #[source]
        cause: std::io::Error,
    },
    /// The disk did not answer in time.
    #[error("the offset store did not answer within {} s", waited.as_secs())]
    Timeout {
        /// How long it was waited for.
        waited: Duration,
    },
    /// The store's thread is gone.
    #[error("the offset store failed earlier and is closed")]
    Closed,
    /// The store refused.
    #[error("cannot {action} the offsets")]
    Store {
        /// What was tried.
        action: &'static str,
        /// The error underneath.
        #[source]
        cause: sled::Error,
    },
    /// The text is not an export.
    #[error("cannot read the exported offsets: {message}")]
    Import {
        /// What is wrong with it.
        message: String,
    },
}

impl StateError {
    /// What a person should do, where one is needed.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Locked { .. } => {
                Some("stop the other process, or give this one a state directory of its own")
            }
            Self::Open { .. } | Self::SetAside { .. } => {
                Some("check the rights on the directory and the free space of its disk")
            }
            Self::Import { .. } => Some("give it what `erpbridge offsets export` printed"),
            Self::Timeout { .. } | Self::Closed | Self::Store { .. } => None,
        }
    }
}

/// The offsets of every source on this machine.
#[derive(Debug)]
pub struct OffsetStore {
    jobs: SyncSender<Job>,
    ended: oneshot::Receiver<()>,
    patience: Duration,
    set_aside: Option<PathBuf>,
}

struct Opened {
    db: sled::Db,
    set_aside: Option<PathBuf>,
}

impl OffsetStore {
    /// Opens the store in `directory`, which is created if need be. A store that is damaged is
    /// renamed, and a fresh one opened in its place.
    pub async fn open(directory: &Path) -> Result<Self, StateError> {
        let directory = directory.to_owned();
        let (jobs, queue) = sync_channel(WAITING_CALLS);
        let (opened_to, opened) = oneshot::channel();
        let (ended_to, ended) = oneshot::channel();
        let run = move || {
            // Dropped when the store is closed and its lock released.
            let _ended: oneshot::Sender<()> = ended_to;
            serve(&directory, opened_to, &queue);
        };
        let thread = thread::Builder::new().name("erpbridge-offsets".to_owned()).spawn(run);
        thread.map_err(|_| StateError::Closed)?;
        let set_aside = match timeout(OPEN_DEADLINE, opened).await {
            Err(_) => Err(StateError::Timeout { waited: OPEN_DEADLINE }),
            Ok(Err(_)) => Err(StateError::Closed),
            Ok(Ok(opened)) => opened,
        }?;
        Ok(Self { jobs, ended, patience: CALL_DEADLINE, set_aside })
    }

    /// Where a damaged store was put, if this one replaces one.
    pub fn set_aside(&self) -> Option<&Path> {
        self.set_aside.as_deref()
    }

    /// What is remembered of a source: the newest record, or the one before if that is damaged.
    pub async fn load(&self, source: &str) -> Result<Option<OffsetRecord>, StateError> {
        let [newest, before] = keys(source);
        self.call("load", move |db| {
            let newest = db.get(&newest)?;
            let before = db.get(&before)?;
            Ok(newest.iter().chain(&before).find_map(|bytes| value::decode(bytes)))
        })
        .await
    }

    /// Remembers where a source stands, and returns when it is written out.
    pub async fn save(&self, record: &OffsetRecord) -> Result<(), StateError> {
        let [newest, before] = keys(&record.source);
        let bytes = value::encode(record);
        self.call("save", move |db| {
            let mut change = sled::Batch::default();
            if let Some(previous) = db.get(&newest)? {
                change.insert(before.as_str(), previous);
            }
            change.insert(newest.as_str(), bytes);
            db.apply_batch(change)?;
            db.flush().map(drop)
        })
        .await
    }

    /// Every source's record, by name.
    pub async fn all(&self) -> Result<Vec<OffsetRecord>, StateError> {
        self.call("list", |db| {
            let values = db.scan_prefix("off/").filter_map(|entry| match entry {
                Ok((key, _)) if is_previous(&key) => None,
                Ok((_, bytes)) => value::decode(&bytes).map(Ok),
                Err(error) => Some(Err(error)),
            });
            values.collect()
        })
        .await
    }

    /// Forgets a source.
    pub async fn remove(&self, source: &str) -> Result<(), StateError> {
        let keys = keys(source);
        self.call("remove", move |db| {
            let mut change = sled::Batch::default();
            for key in &keys {
                change.remove(key.as_str());
            }
            db.apply_batch(change)?;
            db.flush().map(drop)
        })
        .await
    }

    /// Every record as JSON text.
    pub async fn export(&self) -> Result<String, StateError> {
        let records = self.all().await?;
        let export = Export {
            format: EXPORT_FORMAT.to_owned(),
            offsets: records.iter().map(Written::from).collect(),
        };
        let text = serde_json::to_string_pretty(&export);
        Ok(text.expect("a struct of text and numbers is JSON"))
    }

    /// Saves every record of an export. Returns how many there were.
    pub async fn import(&self, text: &str) -> Result<usize, StateError> {
        let export: Export = serde_json::from_str(text)
            .map_err(|error| StateError::Import { message: error.to_string() })?;
        if export.format != EXPORT_FORMAT {
            let message = format!("its format is \"{}\", not \"{EXPORT_FORMAT}\"", export.format);
            return Err(StateError::Import { message });
        }
        let records: Vec<OffsetRecord> = export.offsets.into_iter().map(Into::into).collect();
        for record in &records {
            self.save(record).await?;
        }
        Ok(records.len())
    }

    /// Closes the store and waits until its lock is released.
    pub async fn close(self) -> Result<(), StateError> {
        drop(self.jobs);
        // An error here is the sender dropped: the thread has ended, which is what is waited for.
        let ended = timeout(self.patience, self.ended).await;
        ended.map(drop).map_err(|_| StateError::Timeout { waited: self.patience })
    }

    /// Lets the store fail for good, as a damaged log would.
    #[cfg(test)]
    pub(crate) async fn break_down(&self) {
        let panicked = self.call::<()>("try", |_| panic!("as a damaged log would")).await;
        assert!(matches!(panicked, Err(StateError::Closed)));
    }

    async fn call<T: Send + 'static>(
        &self,
        action: &'static str,
        work: impl FnOnce(&sled::Db) -> sled::Result<T> + Send + 'static,
    ) -> Result<T, StateError> {
        let (answer_to, answer) = oneshot::channel();
        let job: Job = Box::new(move |db| {
            // Nobody listens any more after the deadline; the work is done all the same.
            drop(answer_to.send(work(db)));
        });
        self.jobs.try_send(job).map_err(|_| StateError::Timeout { waited: Duration::ZERO })?;
        match timeout(self.patience, answer).await {
            Err(_) => Err(StateError::Timeout { waited: self.patience }),
            Ok(Err(_)) => Err(StateError::Closed),
            Ok(Ok(result)) => result.map_err(|cause| StateError::Store { action, cause }),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Export {
    format: String,
    offsets: Vec<Written>,
}

fn keys(source: &str) -> [String; 2] {
    [format!("off/{source}"), format!("off/{source}/prev")]
}

/// No source has a slash in its name.
fn is_previous(key: &[u8]) -> bool {
    key.split(|byte| *byte == b'/').count() > 2
}

/// The thread: opens the store, answers calls until the last caller is gone or a call panics.
fn serve(
    directory: &Path,
    opened_to: oneshot::Sender<Result<Option<PathBuf>, StateError>>,
    queue: &Receiver<Job>,
) {
    let db = match open_or_replace(directory) {
        Ok(Opened { db, set_aside }) => {
            if opened_to.send(Ok(set_aside)).is_err() {
                return;
            }
            db
        }
        Err(error) => {
            drop(opened_to.send(Err(error)));
            return;
        }
    };
    while let Ok(job) = queue.recv() {
        if catch_unwind(AssertUnwindSafe(|| job(&db))).is_err() {
            tracing::error!("the offset store panicked and is closed; the stream still knows");
            return;
        }
    }
}

fn open_or_replace(directory: &Path) -> Result<Opened, StateError> {
    let failure = match open(directory) {
        Ok(db) => return Ok(Opened { db, set_aside: None }),
        Err(failure) if failure.is_lock() => {
            return Err(StateError::Locked { directory: directory.to_owned() });
        }
        Err(failure) => failure,
    };
    if !failure.is_damage() {
        return Err(failure.into_error(directory));
    }
    let aside = directory::set_aside(directory).map_err(|cause| {
        let directory = directory.to_owned();
        StateError::SetAside { directory, cause }
    })?;
    tracing::warn!(
        set_aside = %aside.display(),
        reason = %failure,
        "offset store was damaged and is replaced by an empty one; the stream is read instead"
    );
    let db = open(directory).map_err(|failure| failure.into_error(directory))?;
    Ok(Opened { db, set_aside: Some(aside) })
}

/// Why sled did not open: its own error, or a panic.
#[derive(Debug, thiserror::Error)]
enum OpenFailure {
    #[error("{0}")]
    Error(#[from] sled::Error),
    #[error("it panicked")]
    Panic,
}

impl OpenFailure {
    fn is_lock(&self) -> bool {
        // sled tells this case apart only in the text.
        matches!(self, Self::Error(sled::Error::Io(error))
            if error.to_string().contains("could not acquire lock"))
    }

    /// Anything but a refusal of the file system: sled reads a damaged header as "made by an older
    /// version".
    fn is_damage(&self) -> bool {
        use std::io::ErrorKind::{InvalidData, StorageFull, UnexpectedEof};
        match self {
            Self::Error(sled::Error::Io(error)) => {
                matches!(error.kind(), StorageFull | InvalidData | UnexpectedEof)
            }
            Self::Error(_) | Self::Panic => true,
        }
    }

    fn into_error(self, directory: &Path) -> StateError {
        let cause = match self {
            Self::Error(cause) => cause,
            Self::Panic => sled::Error::ReportableBug("opening panicked".to_owned()),
        };
        StateError::Open { directory: directory.to_owned(), cause }
    }
}

fn open(directory: &Path) -> Result<sled::Db, OpenFailure> {
    let config = sled::Config::new()
        .path(directory)
        .mode(sled::Mode::LowSpace)
        .cache_capacity(CACHE_BYTES)
        .flush_every_ms(None);
    catch_unwind(AssertUnwindSafe(|| config.open()))
        .map_err(|_| OpenFailure::Panic)?
        .map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use erpbridge_connector::{Position, Sequence, Timestamp};

    use super::*;

    fn record(source: &str, stream_sequence: u64) -> OffsetRecord {
        OffsetRecord {
            source: source.to_owned(),
            epoch: 1,
            stream_sequence,
            position: Position::new(format!("p{stream_sequence}")),
            sequence: Some(Sequence::new("0A")),
            recorded_at: Timestamp::from_micros(5),
        }
    }

    fn directory() -> (tempfile::TempDir, PathBuf) {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("offsets");
        (parent, directory)
    }

    #[tokio::test]
    async fn a_saved_offset_is_there_after_reopening() {
        let (_parent, directory) = directory();
        let store = OffsetStore::open(&directory).await.unwrap();
        assert_eq!(store.load("erp1").await.unwrap(), None);
        store.save(&record("erp1", 1)).await.unwrap();
        store.save(&record("erp1", 2)).await.unwrap();
        store.close().await.unwrap();
        let store = OffsetStore::open(&directory).await.unwrap();
        assert_eq!(store.load("erp1").await.unwrap(), Some(record("erp1", 2)));
        assert_eq!(store.set_aside(), None);
    }

    #[tokio::test]
    async fn a_damaged_value_gives_way_to_the_one_before() {
        let (_parent, directory) = directory();
        let store = OffsetStore::open(&directory).await.unwrap();
        store.save(&record("erp1", 1)).await.unwrap();
        store.save(&record("erp1", 2)).await.unwrap();
        store.call("damage", |db| db.insert("off/erp1", "rubbish")).await.unwrap();
        assert_eq!(store.load("erp1").await.unwrap(), Some(record("erp1", 1)));
    }

    #[tokio::test]
    async fn a_second_bridge_on_the_directory_is_told_so() {
        let (_parent, directory) = directory();
        let store = OffsetStore::open(&directory).await.unwrap();
        let error = OffsetStore::open(&directory).await.unwrap_err();
        assert!(error.to_string().contains("another erpbridge runs on this state directory"));
        assert!(error.hint().is_some());
        store.close().await.unwrap();
        OffsetStore::open(&directory).await.unwrap();
    }

    #[tokio::test]
    async fn a_damaged_store_is_set_aside_and_replaced() {
        let (parent, directory) = directory();
        let store = OffsetStore::open(&directory).await.unwrap();
        store.save(&record("erp1", 1)).await.unwrap();
        store.close().await.unwrap();
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                std::fs::write(path, [0xA5; 4096]).unwrap();
            }
        }
        let store = OffsetStore::open(&directory).await.unwrap();
        assert_eq!(store.load("erp1").await.unwrap(), None);
        let aside = store.set_aside().unwrap();
        assert!(aside.exists() && aside.starts_with(parent.path()));
        store.save(&record("erp1", 2)).await.unwrap();
    }

    #[tokio::test]
    async fn a_call_that_panics_closes_the_store_and_nothing_else() {
        let (_parent, directory) = directory();
        let store = OffsetStore::open(&directory).await.unwrap();
        store.break_down().await;
        assert!(store.save(&record("erp1", 1)).await.is_err());
    }

    #[tokio::test]
    async fn a_disk_that_hangs_costs_a_caller_no_more_than_its_patience() {
        let (_parent, directory) = directory();
        let mut store = OffsetStore::open(&directory).await.unwrap();
        store.patience = Duration::from_millis(20);
        let (let_go, held) = std::sync::mpsc::channel::<()>();
        let hung = store.call("hang", move |_| {
            held.recv().unwrap_err();
            Ok(())
        });
        assert!(matches!(hung.await, Err(StateError::Timeout { .. })));
        for number in 0..100 {
            let saved = store.save(&record("erp1", number)).await;
            assert!(matches!(saved, Err(StateError::Timeout { .. })), "{number}");
        }
        drop(let_go);
        store.patience = CALL_DEADLINE;
        store.close().await.unwrap();
    }

    #[tokio::test]
    async fn an_export_can_be_imported_elsewhere() {
        let (_parent, first) = directory();
        let (_other_parent, second) = directory();
        let store = OffsetStore::open(&first).await.unwrap();
        for name in ["erp1", "prev"] {
            store.save(&record(name, 1)).await.unwrap();
            store.save(&record(name, 2)).await.unwrap();
        }
        let text = store.export().await.unwrap();
        let other = OffsetStore::open(&second).await.unwrap();
        assert_eq!(other.import(&text).await.unwrap(), 2);
        assert_eq!(other.all().await.unwrap(), [record("erp1", 2), record("prev", 2)]);
        other.remove("erp1").await.unwrap();
        assert_eq!(other.load("erp1").await.unwrap(), None);
        assert!(other.import("{}").await.is_err());
    }
}
