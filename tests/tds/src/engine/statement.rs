//! Batches: one statement after the other, for one session.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::bind::{Binder, Variables};
use super::context::end;
use super::node::Frame;
use super::session::{Session, Transition};
use super::{Context, procedures, scripts};
use crate::database::Database;
use crate::database::state::OpenTransaction;
use crate::problem::{Problem, Raised, Result};
use crate::sql::{Expression, Item, Parser, Query, Setting, Statement};
use crate::value::Value;
use crate::value::cast::cast;
use crate::value::kind::Type;

/// A bound parameter of a request.
#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    /// With the sign, as it came.
    pub(crate) name: String,
    pub(crate) of: Type,
    pub(crate) value: Value,
}

/// Where results go.
pub(crate) trait Output {
    /// A result begins.
    fn columns(&mut self, columns: &[(String, Type)]) -> Result<()>;
    /// A row of it.
    fn row(&mut self, row: &[Value]) -> Result<()>;
    /// A statement is done, with so many rows if it had a result.
    fn done(&mut self, rows: Option<u64>) -> Result<()>;
    /// A transaction begins or ends.
    fn transition(&mut self, transition: Transition) -> Result<()>;
}

/// A batch at work.
pub(crate) struct Batch<'b> {
    pub(crate) database: &'b Database,
    pub(crate) session: &'b mut Session,
    pub(crate) cancelled: &'b Arc<AtomicBool>,
    pub(crate) output: &'b mut dyn Output,
    variables: Variables,
}

impl<'b> Batch<'b> {
    pub(crate) fn new(
        database: &'b Database,
        session: &'b mut Session,
        cancelled: &'b Arc<AtomicBool>,
        output: &'b mut dyn Output,
    ) -> Self {
        Self { database, session, cancelled, output, variables: Variables::new() }
    }

    /// Reads and runs everything. The first error ends it; a deadlock, and any error under
    /// `XACT_ABORT`, also the transaction.
    pub(crate) fn run(mut self, sql: &str, parameters: &[Parameter]) -> Result<()> {
        for parameter in parameters {
            let named = (parameter.of, parameter.value.clone());
            self.variables.insert(parameter.name.to_lowercase(), named);
        }
        let done = Parser::new(sql)
            .and_then(|mut parser| parser.batch())
            .and_then(|statements| self.all(&statements));
        if let Err(Problem::Raised(raised)) = &done {
            self.roll_back_after(raised)?;
        }
        done
    }

    /// Undoes the transaction where an error does.
    fn roll_back_after(&mut self, raised: &Raised) -> Result<()> {
        let fatal = raised.number == 1205 || raised.number == 3952;
        if self.session.depth > 0 && (fatal || self.session.abort_on_error) {
            let told = end(self.database, self.session, Transition::RolledBack);
            self.output.transition(told)?;
        }
        Ok(())
    }

    fn all(&mut self, statements: &[Statement]) -> Result<()> {
        for statement in statements {
            self.one(statement)?;
            if self.session.depth == 0 {
                self.session.snapshot = None;
            }
        }
        Ok(())
    }

    pub(super) fn context(&mut self) -> Result<Context> {
        Context::begin(self.database, self.session, self.cancelled)
    }

    fn one(&mut self, statement: &Statement) -> Result<()> {
        match statement {
            Statement::Query(query) => return self.query(query),
            Statement::Set(setting) => self.set(setting)?,
            Statement::Declare(list) => {
                for (name, of, value) in list {
                    let value = match value {
                        Some(value) => self.value(value, *of)?,
                        None => Value::Null,
                    };
                    self.variables.insert(name.clone(), (*of, value));
                }
            }
            Statement::Assign(name, expression) => {
                let of = self.variable(name)?;
                let value = self.value(expression, of)?;
                self.variables.insert(name.clone(), (of, value));
            }
            Statement::If(condition, then, otherwise) => {
                let context = self.context()?;
                let test = Binder::new(&context, &self.variables).condition(condition)?;
                let holds = test.holds(&context, &Frame::EMPTY)? == Some(true);
                return self.all(if holds { then } else { otherwise });
            }
            Statement::Begin => self.begin()?,
            Statement::Commit => self.commit()?,
            Statement::Rollback(to) => self.roll_back(to.as_deref())?,
            Statement::Save(name) => self.save(name)?,
            Statement::Execute { name, arguments } => {
                return procedures::execute(self, name, arguments);
            }
            Statement::Use(name) => self.use_database(name)?,
            Statement::Print => {}
            Statement::Raise(message) => {
                let of = crate::value::kind::Kind::NVarChar(None).into();
                return match self.value(message, of)? {
                    Value::Text(text) => Err(Problem::raised(50_000, text.as_ref())),
                    _ => Err(Problem::raised(50_000, "")),
                };
            }
            other => scripts::run(self, other)?,
        }
        self.output.done(None)
    }

    fn variable(&self, name: &str) -> Result<Type> {
        let known = self.variables.get(name).map(|(of, _)| *of);
        known.ok_or_else(|| {
            Problem::raised(137, format!("Must declare the scalar variable \"{name}\"."))
        })
    }

    /// The value of an expression without rows, as this type.
    pub(super) fn value(&mut self, expression: &Expression, of: Type) -> Result<Value> {
        let context = self.context()?;
        let node = Binder::new(&context, &self.variables).expression(expression)?;
        let value = node.value(&context, &Frame::EMPTY)?;
        cast(&value, node.of, of, 0)
    }

    fn query(&mut self, query: &Query) -> Result<()> {
        let context = self.context()?;
        let plan = Binder::new(&context, &self.variables).query(query)?;
        let assigned = assignments(query);
        let mut count = 0_u64;
        if assigned.is_empty() {
            self.output.columns(&plan.columns)?;
            plan.run(&context, None, &mut |row| {
                count += 1;
                if count.is_multiple_of(256) {
                    context.check_cancelled()?;
                }
                self.output.row(row)?;
                Ok(true)
            })?;
            self.session.rows = count;
            return self.output.done(Some(count));
        }
        let mut last = None;
        plan.run(&context, None, &mut |row| {
            last = Some(row.to_vec());
            count += 1;
            Ok(true)
        })?;
        for ((name, value), (_, from)) in
            assigned.iter().zip(last.into_iter().flatten()).zip(&plan.columns)
        {
            let of = self.variable(name)?;
            let value = cast(&value, *from, of, 0)?;
            self.variables.insert(name.clone(), (of, value));
        }
        self.session.rows = count;
        self.output.done(None)
    }

    fn set(&mut self, setting: &Setting) -> Result<()> {
        match setting {
            Setting::Isolation("snapshot")
                if self.session.depth > 0 && !self.session.in_snapshot() =>
            {
                return Err(Problem::raised(
                    3951,
                    format!(
                        "Transaction failed in database '{}' because the statement was run under snapshot isolation but the transaction did not start in snapshot isolation. You cannot change the isolation level of the transaction to snapshot after the transaction has started unless the transaction was originally started under snapshot isolation level.",
                        self.database.state().data.name
                    ),
                ));
            }
            Setting::Isolation(level) => self.session.isolation = level,
            Setting::LockTimeout(milliseconds) => self.session.lock_timeout = *milliseconds,
            Setting::DeadlockPriority(priority) => self.session.deadlock_priority = *priority,
            Setting::Switch(name, on) if name == "xact_abort" => self.session.abort_on_error = *on,
            Setting::Switch(name, true) if name == "implicit_transactions" => {
                return Err(Problem::unknown("SET IMPLICIT_TRANSACTIONS ON"));
            }
            Setting::Switch(..) => {}
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<()> {
        self.session.depth += 1;
        if self.session.depth > 1 {
            return Ok(());
        }
        let mut state = self.database.state();
        state.data.next_object += 1;
        let number = 1_000_000 + u64::from(state.data.next_object.unsigned_abs());
        state.open.insert(self.session.id, OpenTransaction { number, began: None });
        drop(state);
        self.session.transaction = number;
        self.session.snapshot = None;
        self.output.transition(Transition::Begun(number))
    }

    fn commit(&mut self) -> Result<()> {
        match self.session.depth {
            0 => Err(Problem::raised(
                3902,
                "The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION.",
            )),
            1 => {
                let told = end(self.database, self.session, Transition::Committed);
                self.output.transition(told)
            }
            _ => {
                self.session.depth -= 1;
                Ok(())
            }
        }
    }

    fn roll_back(&mut self, to: Option<&str>) -> Result<()> {
        if self.session.depth == 0 {
            return Err(Problem::raised(
                3903,
                "The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION.",
            ));
        }
        let saved = |name: &str| {
            self.session.savepoints.iter().any(|saved| saved.eq_ignore_ascii_case(name))
        };
        if to.is_some_and(saved) {
            return Ok(());
        }
        let told = end(self.database, self.session, Transition::RolledBack);
        self.output.transition(told)
    }

    /// A savepoint is a record in the log, the first of a transaction that wrote nothing before.
    fn save(&mut self, name: &str) -> Result<()> {
        if self.session.depth == 0 {
            return Err(Problem::raised(
                628,
                "Cannot issue SAVE TRANSACTION when there is no active transaction.",
            ));
        }
        let mut state = self.database.state();
        let lsn = state.data.reserve(1);
        if let Some(open) = state.open.get_mut(&self.session.id) {
            open.began.get_or_insert(lsn);
        }
        drop(state);
        self.session.savepoints.push(name.to_owned());
        Ok(())
    }

    fn use_database(&mut self, name: &str) -> Result<()> {
        let own = self.database.state().data.name.clone();
        // What scripts run there is about the server and its jobs, and the same from everywhere.
        let system = ["master", "msdb"];
        if [own.as_str()].iter().chain(&system).any(|known| name.eq_ignore_ascii_case(known)) {
            return Ok(());
        }
        Err(Problem::raised(
            911,
            format!(
                "Database '{name}' does not exist. Make sure that the name is entered correctly."
            ),
        ))
    }
}

/// The variables that a query sets, if it sets any.
fn assignments(query: &Query) -> Vec<String> {
    let [(select, _)] = query.selects.as_slice() else { return Vec::new() };
    let names = select.items.iter().filter_map(|item| match item {
        Item::Assign(name, _) => Some(name.clone()),
        _ => None,
    });
    names.collect()
}
