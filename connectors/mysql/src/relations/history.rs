//! Which shape each table had from which place of the log on, kept on disk.
//!
//! What is written here are facts about the log, so they stay true wherever reading is resumed:
//! the shape of a table at a place is the last one that begins at or before it. For that, every
//! change up to the place must have been seen. [`History::covered`] says up to where that is so;
//! what lies between it and the place of a start is looked through before anything is read.
//!
//! **Why not in the bridge's own store.** A position must be small enough for a message header, and
//! the shapes of a few hundred tables are not. They need not go where the positions go, either: a
//! bridge that takes over on another machine finds shapes by asking the server, as a first start
//! does, and only a change between its position and now stops it. So they are a file beside the
//! bridge's state, whose loss costs at most that.
//!
//! **When it is written.** A version reaches the disk before a row that is read by it is sent, and a
//! change as soon as it is seen. The place up to which everything has been seen may lag.
//!
//! The file is JSON, so that a person can add what the bridge could not find out.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use erpbridge_connector::{SourceError, SourceErrorKind, TableName};
use serde::{Deserialize, Serialize};

use crate::position::Coordinates;
use crate::shape::TableShape;

/// The file is rewritten for its place alone when the log has gone on by so much.
const COVERED_EVERY: u64 = 64 << 20;

/// A shape, and from where on it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Version {
    from: Coordinates,
    /// `None`: something changed here, and nobody has asked what yet.
    shape: Option<Arc<TableShape>>,
}

/// The shapes of one source.
#[derive(Debug)]
pub(crate) struct History {
    file: Option<PathBuf>,
    era: u16,
    covered: Option<Coordinates>,
    /// As in the file.
    stored: Option<Coordinates>,
    tables: BTreeMap<TableName, Vec<Version>>,
    changed: bool,
}

/// As it stands in the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    era: u16,
    covered: String,
    versions: Vec<StoredVersion>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredVersion {
    schema: String,
    table: String,
    from: String,
    shape: Option<TableShape>,
}

impl History {
    /// Nothing is known of this log.
    pub(crate) const fn new(file: Option<PathBuf>, era: u16) -> Self {
        Self { file, era, covered: None, stored: None, tables: BTreeMap::new(), changed: true }
    }

    /// What was kept of the log of this era; a file that cannot be read is no loss that matters.
    pub(crate) fn open(file: Option<PathBuf>, era: u16) -> Self {
        let Some(path) = &file else { return Self::new(None, era) };
        let read = match std::fs::read(path) {
            Ok(bytes) => Self::read(&bytes, era),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(%error, file = %path.display(), "the shapes of tables cannot be read");
                None
            }
        };
        match read {
            Some(read) => Self { file, ..read },
            None => Self::new(file, era),
        }
    }

    fn read(bytes: &[u8], era: u16) -> Option<Self> {
        let stored: Stored = serde_json::from_slice(bytes)
            .inspect_err(|error| tracing::warn!(%error, "the file of tables' shapes is damaged"))
            .ok()?;
        if stored.era != era {
            return None;
        }
        let covered: Coordinates = stored.covered.parse().ok()?;
        let mut history = Self::new(None, era);
        for StoredVersion { schema, table, from, shape } in stored.versions {
            let from = from.parse().ok()?;
            history.put(TableName { schema, table }, from, shape.map(Arc::new));
        }
        history.stored = Some(covered.clone());
        (history.covered, history.changed) = (Some(covered), false);
        Some(history)
    }

    /// Up to here every change has been seen.
    pub(crate) const fn covered(&self) -> Option<&Coordinates> {
        self.covered.as_ref()
    }

    /// Every change up to here has been seen.
    pub(crate) fn cover(&mut self, place: &Coordinates) {
        if self.covered.as_ref().is_none_or(|covered| covered.order(place).is_lt()) {
            self.covered = Some(place.clone());
        }
    }

    /// Forgets everything; what follows is seen from here on.
    pub(crate) fn begin(&mut self, place: &Coordinates) {
        self.tables.clear();
        (self.covered, self.changed) = (Some(place.clone()), true);
    }

    /// Another server's log goes on where this one was left at `place`: what holds there holds
    /// from its beginning.
    pub(crate) fn move_to(&mut self, era: u16, place: &Coordinates) {
        self.keep_from(place);
        for versions in self.tables.values_mut() {
            versions.truncate(1);
            for version in versions {
                version.from = Coordinates::new("0", 0);
            }
        }
        (self.era, self.covered, self.stored, self.changed) = (era, None, None, true);
    }

    /// Keeps these tables only: of the others, changes are not seen any more.
    pub(crate) fn keep(&mut self, wanted: impl Fn(&TableName) -> bool) {
        let before = self.tables.len();
        self.tables.retain(|name, _| wanted(name));
        self.changed |= self.tables.len() != before;
    }

    /// Forgets what does not hold at this place any more, nor after it.
    pub(crate) fn keep_from(&mut self, place: &Coordinates) {
        for versions in self.tables.values_mut() {
            let holds = versions.iter().rposition(|version| version.from.order(place).is_le());
            drop(versions.drain(..holds.unwrap_or(0)));
        }
    }

    /// The shape of a table at a place; `None` if that is not known.
    pub(crate) fn at(&self, table: &TableName, place: &Coordinates) -> Option<Arc<TableShape>> {
        self.version(table, place)?.shape.clone()
    }

    fn version(&self, table: &TableName, place: &Coordinates) -> Option<&Version> {
        let versions = self.tables.get(table)?;
        versions.iter().rfind(|version| version.from.order(place).is_le())
    }

    /// From this place on the table may have another shape. Seen a second time, it is not news; and
    /// of a table that is unknown there is nothing to be forgotten (where a mapping takes all tables
    /// of a database, each word of a statement could be one).
    pub(crate) fn changes(&mut self, table: &TableName, from: &Coordinates) {
        let Some(versions) = self.tables.get(table) else { return };
        if versions.iter().all(|known| known.from != *from) {
            self.put(table.clone(), from.clone(), None);
        }
    }

    /// The table has this shape at this place, and had it since its last change.
    pub(crate) fn found(&mut self, table: &TableName, place: &Coordinates, shape: TableShape) {
        let from = match self.version(table, place) {
            Some(version) if version.shape.as_deref() == Some(&shape) => return,
            // A change that has not been asked about, or one without a trace.
            Some(Version { from, shape: None }) => from.clone(),
            _ => place.clone(),
        };
        self.put(table.clone(), from, Some(Arc::new(shape)));
    }

    fn put(&mut self, table: TableName, from: Coordinates, shape: Option<Arc<TableShape>>) {
        let versions = self.tables.entry(table).or_default();
        versions.retain(|version| version.from != from);
        versions.push(Version { from, shape });
        versions.sort_by(|left, right| left.from.order(&right.from));
        self.changed = true;
    }

    /// Writes the file if there is something new in it that matters.
    pub(crate) async fn save(&mut self) -> Result<(), SourceError> {
        let advanced = match (&self.stored, &self.covered) {
            (Some(stored), Some(covered)) => {
                stored.file != covered.file
                    || covered.offset.saturating_sub(stored.offset) >= COVERED_EVERY
            }
            (stored, covered) => stored.is_some() != covered.is_some(),
        };
        if self.changed || advanced { self.write().await } else { Ok(()) }
    }

    /// Writes the file.
    pub(crate) async fn write(&mut self) -> Result<(), SourceError> {
        let (Some(file), Some(covered)) = (&self.file, &self.covered) else { return Ok(()) };
        let stored = self.stored(covered);
        let (file, shown) = (file.clone(), file.display().to_string());
        let written = tokio::task::spawn_blocking(move || replace(&file, &stored)).await;
        let written = written.unwrap_or_else(|lost| Err(std::io::Error::other(lost)));
        written.map_err(|error| {
            let message = format!("keep the shapes of tables in `{shown}`");
            SourceError::new(SourceErrorKind::Setup, message)
                .with_cause(error)
                .with_hint("make room on that disk, and let the bridge write there")
        })?;
        (self.stored, self.changed) = (self.covered.clone(), false);
        Ok(())
    }

    fn stored(&self, covered: &Coordinates) -> Stored {
        let version = |(table, version): (&TableName, &Version)| StoredVersion {
            schema: table.schema.clone(),
            table: table.table.clone(),
            from: version.from.to_string(),
            shape: version.shape.as_deref().cloned(),
        };
        let tables = self.tables.iter();
        let versions = tables.flat_map(|(table, list)| list.iter().map(move |one| (table, one)));
        Stored {
            era: self.era,
            covered: covered.to_string(),
            versions: versions.map(version).collect(),
        }
    }

    /// Where it is kept.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }
}

/// Replaces the file in one step that survives a power failure.
fn replace(file: &Path, stored: &Stored) -> std::io::Result<()> {
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory)?;
    let fresh = file.with_extension("new");
    let mut written = std::fs::File::create(&fresh)?;
    serde_json::to_writer(&mut written, stored)?;
    written.flush()?;
    written.sync_all()?;
    std::fs::rename(&fresh, file)?;
    std::fs::File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(offset: u64) -> Coordinates {
        Coordinates::new("binlog.000001", offset)
    }

    fn item() -> TableName {
        TableName::new("erp", "item")
    }

    fn shape(columns: usize) -> TableShape {
        let column = |number| crate::shape::ColumnShape {
            name: format!("c{number}"),
            data_type: "int".into(),
            column_type: "int(11)".into(),
            character_set: None,
            octet_length: None,
            datetime_precision: None,
            nullable: true,
            key: None,
            generated: false,
        };
        let columns = (0..columns).map(column).collect();
        TableShape { schema: "erp".into(), table: "item".into(), columns }
    }

    fn width(history: &History, offset: u64) -> Option<usize> {
        history.at(&item(), &place(offset)).map(|shape| shape.columns.len())
    }

    #[test]
    fn a_shape_holds_from_its_change_to_the_next() {
        let mut history = History::new(None, 0);
        history.found(&item(), &place(100), shape(1));
        history.changes(&item(), &place(200));
        history.found(&item(), &place(250), shape(2));
        history.changes(&item(), &place(300));
        let widths = [50, 100, 199, 200, 299, 300].map(|offset| width(&history, offset));
        assert_eq!(widths, [None, Some(1), Some(1), Some(2), Some(2), None]);
        // Read again after a restart, the changes are known.
        history.changes(&item(), &place(200));
        assert_eq!(width(&history, 299), Some(2));
    }

    #[test]
    fn what_no_longer_holds_is_forgotten() {
        let mut history = History::new(None, 0);
        for (offset, columns) in [(100, 1), (200, 2), (300, 3)] {
            history.changes(&item(), &place(offset));
            history.found(&item(), &place(offset), shape(columns));
        }
        history.keep_from(&place(250));
        assert_eq!([150, 250, 350].map(|at| width(&history, at)), [None, Some(2), Some(3)]);
        history.move_to(1, &place(250));
        assert_eq!(history.at(&item(), &Coordinates::new("a.000009", 4)).unwrap().columns.len(), 2);
        history.keep(|_| false);
        assert_eq!(width(&history, 350), None);
    }

    #[tokio::test]
    async fn what_is_known_survives_a_restart_and_not_another_log() {
        let directory = tempfile::tempdir().unwrap();
        let file = Some(directory.path().join("shapes/north.json"));
        let mut history = History::open(file.clone(), 3);
        history.begin(&place(4));
        history.found(&item(), &place(100), shape(2));
        history.changes(&item(), &place(200));
        history.cover(&place(250));
        history.save().await.unwrap();

        let again = History::open(file.clone(), 3);
        assert_eq!((width(&again, 150), width(&again, 200)), (Some(2), None));
        assert_eq!(again.covered(), Some(&place(250)));
        assert_eq!(History::open(file.clone(), 4).covered(), None);
        std::fs::write(file.as_ref().unwrap(), "{").unwrap();
        assert_eq!(width(&History::open(file, 3), 150), None);
    }
}
