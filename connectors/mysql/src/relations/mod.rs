//! The shape of each table at each place of the log: the fence between rows and wrong names.
//!
//! A row of the log is a list of cells. Which columns they are stands beside them only under
//! `binlog_row_metadata=FULL`; otherwise it must be known from elsewhere, as of that very place.
//! `information_schema` shows what is now. Reading it late, while the log is behind, would give
//! values to the wrong columns without anybody noticing: two columns of one type that changed
//! places look the same to the log.
//!
//! So nothing is believed that is not proven, in this order:
//!
//! 1. **The log names the columns.** Then it is right, whatever else is known.
//! 2. **The shape is known** from here on ([`history`]): it was read at an earlier place, and every
//!    change since has been seen.
//! 3. **The server is asked now**, and the log between here and now is looked through for statements
//!    that name the table ([`ahead`]). If there is none, what is now was here. If there is one, the
//!    shape at this place is unknown, and the source stops before a row is misread.
//!
//! No statement is parsed. A word that could be the table's name is enough, so a comment may cost
//! a question, but no trick of syntax goes unseen. That includes tables that take another's place
//! (`RENAME TABLE`, as tools for changes without downtime do it): from there on the name has the
//! shape of what took its place.
//!
//! **What is left** is a change without any trace (`sql_log_bin = 0`). It shows where the log
//! announces a table in another form, and near the end of the log, where the shapes are compared
//! with the server's. In between, two columns of one type may have changed places unseen: only
//! names in the log protect from that.

mod ahead;
mod history;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use erpbridge_connector::{
    ReplicaIdentity, SourceError, SourceErrorKind, TableName, TableSchema, TableSelection,
};
use tokio::time::Instant;

use crate::assemble::{Announcement, Changed};
use crate::catalog::Table;
use crate::config::MysqlConfig;
use crate::observer::{Known, Observer};
use crate::position::Coordinates;
use crate::shape::TableShape;
pub(crate) use ahead::enterable;
use ahead::{Ahead, Lookout};
pub(crate) use history::History;

/// A shape is compared with the server's at most this often.
const COMPARE_EVERY: Duration = Duration::from_secs(30);

/// So near to its end the log is looked through at once; farther away only if rows ask for it.
const NEAR_FILES: u64 = 1;

/// So near to its end a known shape is compared with the server's.
const AT_END: u64 = 1 << 20;

/// Knows the shapes of tables.
pub(crate) struct Relations<'a> {
    config: &'a MysqlConfig,
    selection: Arc<dyn TableSelection>,
    observer: &'a Observer<'a>,
    history: History,
    lookout: Lookout,
    compared: HashMap<TableName, Instant>,
}

impl<'a> Relations<'a> {
    /// With what is known of the log to be read.
    pub(crate) fn new(
        config: &'a MysqlConfig,
        selection: Arc<dyn TableSelection>,
        observer: &'a Observer<'a>,
        history: History,
    ) -> Self {
        let (lookout, compared) = (Lookout::default(), HashMap::new());
        Self { config, selection, observer, history, lookout, compared }
    }

    /// What is known by now.
    pub(crate) fn into_history(self) -> History {
        self.history
    }

    /// Makes what is known fit for reading from this place on: catches up with what another bridge
    /// or an earlier crash left unseen, and asks for what is missing while that is easy.
    pub(crate) async fn begin(&mut self, place: &Coordinates) -> Result<(), SourceError> {
        self.history.keep(|name| self.selection.wants(name));
        self.catch_up(place).await?;
        self.history.keep_from(place);
        self.ask_early(place, None).await?;
        self.history.save().await
    }

    /// Looks for changes between the place up to which they have been seen and the beginning.
    async fn catch_up(&mut self, place: &Coordinates) -> Result<(), SourceError> {
        let Some(covered) = self.history.covered().cloned() else {
            self.history.begin(place);
            return Ok(());
        };
        if !covered.order(place).is_lt() {
            return Ok(());
        }
        match self.look(&covered, place).await {
            Ok(()) => {
                for Ahead { tables, ends, .. } in self.lookout.between(covered, place.clone()) {
                    for table in tables {
                        self.history.changes(table, ends);
                    }
                }
                self.history.cover(place);
            }
            Err(error) if error.kind() == SourceErrorKind::Connection => return Err(error),
            Err(error) => {
                tracing::warn!(%error, from = %covered, to = %place, "the shapes of tables that \
                    are kept here are too old; asking the server");
                self.history.begin(place);
            }
        }
        Ok(())
    }

    /// Asks for the shapes of wanted tables that are unknown at this place, if the log ends near by:
    /// later it may be too late.
    async fn ask_early(
        &mut self,
        place: &Coordinates,
        only: Option<&[TableName]>,
    ) -> Result<(), SourceError> {
        let Known { tables, end } = match only {
            Some(only) => self.observer.named(only).await?,
            None => self.observer.known(|name| self.selection.wants(name)).await?,
        };
        if end.file_number().saturating_sub(place.file_number()) > NEAR_FILES {
            return Ok(());
        }
        let unknown = |table: &Table| self.history.at(&table.shape.name(), place).is_none();
        let unknown: Vec<Table> = tables.into_iter().filter(unknown).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        self.look(place, &end).await?;
        for Table { shape, .. } in unknown {
            let name = shape.name();
            if self.lookout.naming(&name, place, &end).next().is_none() {
                self.history.found(&name, place, shape);
            }
        }
        Ok(())
    }

    async fn look(&mut self, from: &Coordinates, to: &Coordinates) -> Result<(), SourceError> {
        self.lookout.look(self.config, self.selection.as_ref(), from, to).await
    }

    /// The shape of a table that the log announces here.
    pub(crate) async fn shape(
        &mut self,
        announcement: &Announcement,
        place: &Coordinates,
        log_end: Option<&Coordinates>,
    ) -> Result<Arc<TableShape>, SourceError> {
        let name = &announcement.name;
        let known = self.history.at(name, place);
        if let Some(named) = self.named(announcement, known.clone()).await? {
            return self.keep(name, place, named).await;
        }
        let Some(known) = known else {
            let shape = self.prove(name, place).await?;
            return self.keep(name, place, shape).await;
        };
        if self.worth_comparing(name, place, log_end) {
            self.compare(name, &known, place).await?;
        }
        Ok(known)
    }

    /// The shapes of tables that a statement empties.
    pub(crate) async fn schemas(
        &mut self,
        names: &[TableName],
        place: &Coordinates,
        identity: ReplicaIdentity,
    ) -> Result<Vec<Arc<TableSchema>>, SourceError> {
        let mut schemas = Vec::new();
        for name in names {
            let shape = match self.history.at(name, place) {
                Some(known) => known,
                // What its columns were matters to nobody if they cannot be found out.
                None => Arc::new(match self.prove(name, place).await {
                    Err(error) if error.kind() != SourceErrorKind::Schema => return Err(error),
                    Err(_) => TableShape {
                        schema: name.schema.clone(),
                        table: name.table.clone(),
                        columns: Vec::new(),
                    },
                    Ok(shape) => shape,
                }),
            };
            schemas.push(Arc::new(shape.schema(identity)));
        }
        Ok(schemas)
    }

    /// A statement may have changed tables. That it did is on disk before anything after it is
    /// sent.
    pub(crate) async fn changed(&mut self, changed: &Changed) -> Result<(), SourceError> {
        let Changed { tables, excerpt, ends, .. } = changed;
        tracing::info!(statement = %excerpt, place = %ends, "a statement names mapped tables");
        for table in tables {
            self.history.changes(table, ends);
        }
        self.history.cover(ends);
        self.history.save().await?;
        self.lookout.pass(ends);
        match self.ask_early(ends, Some(tables)).await {
            // The next row asks again.
            Err(error) if error.kind() == SourceErrorKind::Connection => Ok(()),
            asked => asked,
        }?;
        self.history.save().await
    }

    /// Everything up to this place has been read.
    pub(crate) async fn cover(&mut self, place: &Coordinates) -> Result<(), SourceError> {
        self.history.cover(place);
        self.lookout.pass(place);
        self.history.save().await
    }

    /// Reading ends here.
    pub(crate) async fn end(&mut self, place: &Coordinates) -> Result<(), SourceError> {
        self.history.cover(place);
        self.history.write().await
    }

    /// The shape as the log tells it, if it names the columns. Where nothing is known of the table
    /// the server's words for its types are taken, column by column, as far as they fit.
    async fn named(
        &self,
        announcement: &Announcement,
        known: Option<Arc<TableShape>>,
    ) -> Result<Option<TableShape>, SourceError> {
        let columns = announcement.columns().map_err(|error| {
            let message = format!("the log's announcement of `{}` is damaged", announcement.name);
            SourceError::new(SourceErrorKind::Decode, message).with_cause(error)
        })?;
        if columns.iter().any(|column| column.name.is_none()) {
            return Ok(None);
        }
        let mut now = known;
        if now.is_none() {
            let found = self.observer.named(std::slice::from_ref(&announcement.name)).await?;
            now = found.tables.into_iter().next().map(|table| Arc::new(table.shape));
        }
        Ok(TableShape::named(&announcement.map(), &columns, now.as_deref()))
    }

    /// The shape as the server has it now, if that is the one at this place.
    async fn prove(
        &mut self,
        name: &TableName,
        place: &Coordinates,
    ) -> Result<TableShape, SourceError> {
        let Known { tables, end } = self.observer.named(std::slice::from_ref(name)).await?;
        self.look(place, &end).await?;
        if let Some(change) = self.lookout.naming(name, place, &end).next() {
            return Err(self.ambiguous(name, place, change));
        }
        let found = tables.into_iter().next();
        found.map(|table| table.shape).ok_or_else(|| self.gone(name, place))
    }

    fn worth_comparing(
        &self,
        name: &TableName,
        place: &Coordinates,
        log_end: Option<&Coordinates>,
    ) -> bool {
        // Before the end is known, near may be far; that costs a question, too.
        let at_end = log_end.is_none_or(|end| {
            end.file == place.file && end.offset.saturating_sub(place.offset) <= AT_END
        });
        let compared = self.compared.get(name);
        at_end && compared.is_none_or(|compared| compared.elapsed() >= COMPARE_EVERY)
    }

    /// Looks whether the table was changed without a trace.
    async fn compare(
        &mut self,
        name: &TableName,
        known: &TableShape,
        place: &Coordinates,
    ) -> Result<(), SourceError> {
        let Known { tables, end } = self.observer.named(std::slice::from_ref(name)).await?;
        self.compared.insert(name.clone(), Instant::now());
        if tables.first().is_some_and(|table| table.shape == *known) {
            return Ok(());
        }
        self.look(place, &end).await?;
        // The change that is still to come explains the difference.
        let explained = self.lookout.naming(name, place, &end).next().is_some();
        if explained { Ok(()) } else { Err(untraced(name, place)) }
    }

    async fn keep(
        &mut self,
        name: &TableName,
        place: &Coordinates,
        shape: TableShape,
    ) -> Result<Arc<TableShape>, SourceError> {
        self.history.found(name, place, shape.clone());
        self.history.cover(place);
        self.history.save().await?;
        Ok(Arc::new(shape))
    }

    fn ambiguous(&self, name: &TableName, place: &Coordinates, change: &Ahead) -> SourceError {
        let message = format!(
            "which columns the rows of `{name}` at {place} have cannot be told: the table is \
             changed later, before {}: {}",
            change.ends, change.excerpt
        );
        self.stop(message)
    }

    fn gone(&self, name: &TableName, place: &Coordinates) -> SourceError {
        self.stop(format!(
            "which columns the rows of `{name}` at {place} had cannot be told: the \
             table is not there any more, or may not be looked at"
        ))
    }

    fn stop(&self, message: String) -> SourceError {
        let by_hand = match self.history.file() {
            Some(file) => format!(
                "; or add what the table looked like there to `{}` by hand, as its other entries are",
                file.display()
            ),
            None => String::new(),
        };
        SourceError::new(SourceErrorKind::Schema, message).with_hint(format!(
            "remove the stored offsets of this source to begin anew with a snapshot{by_hand}; and \
             set binlog_row_metadata=FULL where the server has it (MySQL 8.0, MariaDB 10.5): the \
             log then tells the columns itself"
        ))
    }
}

fn untraced(name: &TableName, place: &Coordinates) -> SourceError {
    let message = format!(
        "table `{name}` is not what it was, and the log before {place} does not say since when"
    );
    SourceError::new(SourceErrorKind::Schema, message).with_hint(
        "somebody changed it with sql_log_bin = 0: rows since then may have been misread; remove \
         the stored offsets of this source to begin anew with a snapshot",
    )
}
