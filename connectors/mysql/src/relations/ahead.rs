//! What the log holds before we get there: statements that may change shapes.
//!
//! Looking ahead costs a second connection and no decoding of rows: some hundred megabytes of log
//! in a second. What has been looked through is remembered, so no part is looked through twice.

use std::collections::VecDeque;

use erpbridge_connector::{SourceError, SourceErrorKind, TableName, TableSelection};

use crate::binlog::{Event, Located, Query};
use crate::config::MysqlConfig;
use crate::position::{Coordinates, FIRST_OFFSET};
use crate::statement::Statement;
use crate::stream::{Entry, Filled, LogStream, Purpose};

/// So many statements ahead are remembered at most.
const MOST: usize = 100_000;

/// A statement that names wanted tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ahead {
    pub(crate) tables: Vec<TableName>,
    pub(crate) excerpt: String,
    pub(crate) ends: Coordinates,
}

/// A part of the log that has been looked through.
#[derive(Debug, Default)]
pub(crate) struct Lookout {
    seen: Option<(Coordinates, Coordinates)>,
    statements: VecDeque<Ahead>,
}

impl Lookout {
    /// Looks through the log from one place to another, as far as that has not been done.
    pub(crate) async fn look(
        &mut self,
        config: &MysqlConfig,
        selection: &dyn TableSelection,
        from: &Coordinates,
        to: &Coordinates,
    ) -> Result<(), SourceError> {
        let from = match &self.seen {
            Some((first, last)) if first.order(from).is_le() && from.order(last).is_le() => {
                last.clone()
            }
            _ => {
                self.statements.clear();
                self.seen = Some((from.clone(), from.clone()));
                from.clone()
            }
        };
        if from.order(to).is_lt() {
            let reached = self.read(config, selection, &from, to).await?;
            if let Some((_, last)) = &mut self.seen {
                *last = reached;
            }
        }
        Ok(())
    }

    /// The statements between two places that name a table.
    pub(crate) fn naming<'a>(
        &'a self,
        table: &TableName,
        after: &Coordinates,
        until: &Coordinates,
    ) -> impl Iterator<Item = &'a Ahead> {
        let (after, until) = (after.clone(), until.clone());
        let table = table.clone();
        self.between(after, until).filter(move |ahead| ahead.tables.contains(&table))
    }

    /// The statements that end after one place and not after another.
    pub(crate) fn between(
        &self,
        after: Coordinates,
        until: Coordinates,
    ) -> impl Iterator<Item = &Ahead> {
        self.statements.iter().filter(move |ahead| {
            after.order(&ahead.ends).is_lt() && ahead.ends.order(&until).is_le()
        })
    }

    /// Forgets what lies before this place.
    pub(crate) fn pass(&mut self, place: &Coordinates) {
        while self.statements.front().is_some_and(|ahead| ahead.ends.order(place).is_le()) {
            self.statements.pop_front();
        }
    }

    async fn read(
        &mut self,
        config: &MysqlConfig,
        selection: &dyn TableSelection,
        from: &Coordinates,
        to: &Coordinates,
    ) -> Result<Coordinates, SourceError> {
        let mut stream =
            LogStream::open(config, &Entry::At(enterable(from)), Purpose::Look).await?;
        loop {
            while let Some(located) = stream.event()? {
                if let Event::Query(query) = &located.event {
                    self.note(selection, *query, &located, from)?;
                }
            }
            let at = stream.at().clone();
            if !at.order(to).is_lt() || stream.fill().await? == Filled::Ended {
                return Ok(at);
            }
        }
    }

    fn note(
        &mut self,
        selection: &dyn TableSelection,
        query: Query<'_>,
        located: &Located<'_>,
        from: &Coordinates,
    ) -> Result<(), SourceError> {
        if matches!(query.text, b"BEGIN" | b"COMMIT") {
            return Ok(());
        }
        let statement = Statement::new(query.text);
        let tables = statement.reshapes(&String::from_utf8_lossy(query.database), selection);
        let ends = Coordinates::new(located.file, located.ends);
        if tables.is_empty() || ends.order(from).is_le() {
            return Ok(());
        }
        if self.statements.len() >= MOST {
            let message = format!("the log holds more than {MOST} statements about mapped tables");
            return Err(
                SourceError::new(SourceErrorKind::Schema, message).with_hint("take a new snapshot")
            );
        }
        self.statements.push_back(Ahead { tables, excerpt: statement.excerpt(), ends });
        Ok(())
    }
}

/// Beyond 4 GiB the protocol cannot name a place: the file is read from its beginning.
pub(crate) fn enterable(place: &Coordinates) -> Coordinates {
    if u32::try_from(place.offset).is_ok() {
        place.clone()
    } else {
        Coordinates::new(place.file.clone(), FIRST_OFFSET)
    }
}
