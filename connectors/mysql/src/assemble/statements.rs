//! Statements in the log: the ends of transactions, changes of shapes, and what should not be
//! there.

use std::sync::Arc;

use erpbridge_connector::{
    SourceError, SourceErrorKind, SourceEvent, TableName, TableSchema, Truncated,
};

use super::open::Open;
use super::{Assembler, Changed, Coordinates, Located, Next, Outbox, Query, disorder};
use crate::statement::{Statement, Verb, same};

impl Assembler {
    pub(super) fn statement(
        &mut self,
        query: Query<'_>,
        located: &Located<'_>,
        out: &mut Outbox,
    ) -> Result<Next, SourceError> {
        // Nearly every statement of a log is one of these two.
        match query.text {
            b"BEGIN" => return self.begin_statement(located).map(|()| Next::On),
            b"COMMIT" => return self.commit(located, out).map(|()| Next::On),
            _ => {}
        }
        let statement = Statement::new(query.text);
        let database = String::from_utf8_lossy(query.database);
        match statement.verb() {
            Verb::Begin => self.begin_statement(located)?,
            Verb::Commit => self.commit(located, out)?,
            Verb::Rollback => self.rollback(located, out)?,
            Verb::XaStart => {
                self.begin_statement(located)?;
                self.name_open(&statement)?;
            }
            Verb::XaCommit => self.end_prepared(&statement, true, located, out)?,
            Verb::XaRollback => self.end_prepared(&statement, false, located, out)?,
            Verb::Inside => {}
            Verb::Harmless => self.end_unless_explicit(located, out),
            Verb::Rows => self.refuse_rows(&statement, &database, located, out)?,
            Verb::Truncate => return Ok(self.truncated(&statement, &database, located, out)),
            Verb::Other => return Ok(self.other(&statement, &database, located, out)),
        }
        Ok(Next::On)
    }

    fn begin_statement(&mut self, located: &Located<'_>) -> Result<(), SourceError> {
        match &mut self.open {
            Some(open) if open.explicit => Err(disorder("a transaction begins inside another")),
            // Its identifier came before.
            Some(open) => {
                open.explicit = true;
                Ok(())
            }
            None => {
                self.begin(Open { explicit: true, ..Open::new(located) });
                Ok(())
            }
        }
    }

    fn name_open(&mut self, statement: &Statement) -> Result<(), SourceError> {
        let xid = statement.xid().ok_or_else(|| disorder("an XA transaction without a name"))?;
        if let Some(open) = &mut self.open {
            open.xid = Some(xid);
        }
        Ok(())
    }

    fn rollback(&mut self, located: &Located<'_>, out: &mut Outbox) -> Result<(), SourceError> {
        let Some(open) = self.open.take() else { return Ok(()) };
        self.abandon(&open, located)?;
        self.end(&Open { in_batch: false, ..open }, located, out);
        Ok(())
    }

    /// The log has a statement where it should have rows.
    fn refuse_rows(
        &mut self,
        statement: &Statement,
        database: &str,
        located: &Located<'_>,
        out: &mut Outbox,
    ) -> Result<(), SourceError> {
        let known = self.open.as_ref().is_some_and(|open| open.known);
        let wanted = self
            .selection
            .named()
            .iter()
            .any(|name| name.schema == database || statement.enters(&name.schema));
        let tables = statement.tables(database, &*self.selection);
        if !known && (wanted || !tables.is_empty()) {
            return Err(statement_format(&statement.first_word(), database, located));
        }
        self.end_unless_explicit(located, out);
        Ok(())
    }

    fn truncated(
        &mut self,
        statement: &Statement,
        database: &str,
        located: &Located<'_>,
        out: &mut Outbox,
    ) -> Next {
        if self.open.is_none() {
            self.begin(Open::new(located));
        }
        let known = self.open.as_ref().is_some_and(|open| open.known);
        let wanted = statement.tables(database, &*self.selection);
        let exact = statement.truncated(database);
        let tables: Vec<TableName> = wanted
            .into_iter()
            .filter(|name| exact.as_ref().is_none_or(|exact| same(exact, name)))
            .collect();
        if known || tables.is_empty() {
            self.end_unless_explicit(located, out);
            return Next::On;
        }
        Next::Truncated(tables)
    }

    /// Takes the shapes of tables that were emptied, and ends the transaction of that statement.
    /// It has no rows, so it is an event of its own.
    pub fn truncate(
        &mut self,
        tables: Vec<Arc<TableSchema>>,
        located: &Located<'_>,
        out: &mut Outbox,
    ) -> Result<(), SourceError> {
        self.hand_over(out);
        let mut open =
            self.open.take().ok_or_else(|| disorder("a truncate outside a transaction"))?;
        let ordinal = open.count(1, 0, usize::MAX);
        (open.window, open.cut, open.in_batch) = (0, false, false);
        self.move_to(located, Some(&open));
        let mut transaction = open.transaction(self.places.identity().era, self.resume());
        transaction.complete = true;
        self.last_commit_at = std::cmp::max(self.last_commit_at, Some(open.committed_at));
        out.push_back(SourceEvent::Truncated(Truncated { tables, transaction, ordinal }));
        Ok(())
    }

    /// Anything else: perhaps a change of shapes.
    fn other(
        &mut self,
        statement: &Statement,
        database: &str,
        located: &Located<'_>,
        out: &mut Outbox,
    ) -> Next {
        let tables = statement.reshapes(database, &*self.selection);
        let begins = self.open.as_ref().map_or_else(
            || Coordinates::new(located.file, located.begins),
            |open| open.begins.clone(),
        );
        self.end_unless_explicit(located, out);
        if tables.is_empty() {
            return Next::On;
        }
        self.tables.forget(&tables);
        let ends = Coordinates::new(located.file, located.ends);
        Next::Changed(Changed { tables, excerpt: statement.excerpt(), begins, ends })
    }

    /// A statement that stands alone is a transaction of its own.
    fn end_unless_explicit(&mut self, located: &Located<'_>, out: &mut Outbox) {
        match self.open.take() {
            Some(open) if open.explicit => self.open = Some(open),
            Some(open) => self.end(&open, located, out),
            None => self.move_to(located, None),
        }
    }
}

fn statement_format(verb: &str, database: &str, located: &Located<'_>) -> SourceError {
    let message = format!(
        "the log holds a statement instead of the rows it changed: {verb}, run in database \
         `{database}`, before {}:{}",
        located.file, located.ends
    );
    SourceError::new(SourceErrorKind::Setup, message).with_hint(
        "run SET GLOBAL binlog_format = 'ROW', end the sessions that use another format, and take \
         a new snapshot",
    )
}
