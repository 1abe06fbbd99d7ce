//! One SQL session: everything is asked over such.
//!
//! This is the only place that knows the client library. Questions go in as text with parameters,
//! answers come out as [`Row`]s of our own [`Cell`]s, so the library can be exchanged here.
//!
//! **No session outlives a doubt.** An answer that did not come in time, a broken connection or an
//! answer read only in part leaves the session unusable: it answers nothing any more, so that no
//! late answer is taken for that of the next question. An error that the server told leaves it as
//! it was.

mod connect;
mod decode;
mod failure;

use std::borrow::Cow;
use std::time::Duration;

use erpbridge_connector::SourceError;
use futures_util::TryStreamExt;
use tiberius::{Client, ColumnData, IntoSql, Query, QueryItem, QueryStream};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::compat::Compat;

use crate::cell::Cell;
use crate::error_number::{DEADLOCK, is_contention};

pub use connect::connect;
pub use failure::{Told, told};

/// How often a statement is tried that loses against locks.
const ATTEMPTS: u32 = 5;

/// The pause between.
const CONTENTION_PAUSE: Duration = Duration::from_millis(100);

type Driver = Client<Compat<TcpStream>>;

/// How long a goodbye may take.
const CLOSE_DEADLINE: Duration = Duration::from_secs(2);

/// A session with pinned settings.
pub struct Session {
    driver: Option<Driver>,
    deadline: Duration,
    /// An answer is under way, or was left there.
    in_doubt: bool,
    /// A transaction was begun, which a deadlock would end.
    in_transaction: bool,
}

/// A value that is bound to a place in a statement: `@P1` is the first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Parameter<'v> {
    /// `varbinary`
    Bytes(&'v [u8]),
    /// `bigint`
    Integer(i64),
    /// `nvarchar`
    Text(&'v str),
    /// `float`
    Float(f64),
}

impl<'v> IntoSql<'v> for Parameter<'v> {
    fn into_sql(self) -> ColumnData<'v> {
        match self {
            Self::Bytes(bytes) => ColumnData::Binary(Some(Cow::Borrowed(bytes))),
            Self::Integer(number) => ColumnData::I64(Some(number)),
            Self::Text(text) => ColumnData::String(Some(Cow::Borrowed(text))),
            Self::Float(number) => ColumnData::F64(Some(number)),
        }
    }
}

/// One row of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Row(Vec<Cell>);

impl From<Vec<Cell>> for Row {
    fn from(cells: Vec<Cell>) -> Self {
        Self(cells)
    }
}

impl Row {
    /// The cell in this place; NULL beyond the end.
    pub fn cell(&self, place: usize) -> &Cell {
        self.0.get(place).unwrap_or(&Cell::Null)
    }

    /// All cells from this place on.
    pub fn cells_from(&self, place: usize) -> &[Cell] {
        self.0.get(place..).unwrap_or_default()
    }

    /// The whole number in this place.
    pub fn integer(&self, place: usize) -> Option<i64> {
        self.cell(place).integer()
    }

    /// The characters in this place.
    pub fn text(&self, place: usize) -> Option<&str> {
        self.cell(place).text()
    }

    /// The characters in this place; none for NULL.
    pub fn string(&self, place: usize) -> String {
        self.text(place).unwrap_or_default().to_owned()
    }

    /// The bytes in this place.
    pub fn bytes(&self, place: usize) -> Option<&[u8]> {
        self.cell(place).bytes()
    }

    /// Whether this place holds a one, of a `bit` or a number.
    pub fn flag(&self, place: usize) -> bool {
        matches!(self.cell(place), Cell::Bool(true) | Cell::Integer(1))
    }

    /// About how many bytes it takes.
    pub fn weight(&self) -> usize {
        self.0.iter().map(|cell| 8 + cell.weight()).sum()
    }
}

impl Session {
    fn new(driver: Driver, deadline: Duration) -> Self {
        Self { driver: Some(driver), deadline, in_doubt: false, in_transaction: false }
    }

    /// Whether it may be asked.
    pub fn is_usable(&self) -> bool {
        self.driver.is_some() && !self.in_doubt
    }

    /// Asks and reads every row. `doing` says for errors what is asked and of what.
    pub async fn rows(
        &mut self,
        doing: &str,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, SourceError> {
        let mut answer = self.ask(doing, sql, parameters).await?;
        let mut rows = Vec::new();
        while let Some(row) = answer.next().await? {
            rows.push(row);
        }
        Ok(rows)
    }

    /// The same, and asks again where the statement lost against somebody else's lock. Such
    /// questions read only, so it makes no difference how often they are asked. But a deadlock
    /// takes the transaction away with everything it saw; in one, nothing is asked again after it.
    pub async fn patient_rows(
        &mut self,
        doing: &str,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, SourceError> {
        let mut attempts = 1;
        loop {
            match self.rows(doing, sql, parameters).await {
                Err(error) if attempts < ATTEMPTS && self.may_ask_again(&error) => {
                    tracing::debug!(%error, attempts, "asking again");
                    attempts += 1;
                    tokio::time::sleep(CONTENTION_PAUSE).await;
                }
                answered => return answered,
            }
        }
    }

    fn may_ask_again(&self, error: &SourceError) -> bool {
        match told(error) {
            Some(DEADLOCK) => !self.in_transaction,
            Some(number) => is_contention(number),
            None => false,
        }
    }

    /// Asks and reads the first row.
    pub async fn row(
        &mut self,
        doing: &str,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Option<Row>, SourceError> {
        Ok(self.patient_rows(doing, sql, parameters).await?.into_iter().next())
    }

    /// Runs statements that answer nothing.
    pub async fn run(&mut self, doing: &str, sql: &str) -> Result<(), SourceError> {
        self.rows(doing, sql, &[]).await.map(drop)
    }

    /// Begins a transaction by these statements. It lasts as long as the session.
    pub async fn begin(&mut self, doing: &str, sql: &str) -> Result<(), SourceError> {
        self.in_transaction = true;
        self.run(doing, sql).await
    }

    /// Asks and hands the rows over as they come. A statement without parameters goes as a batch,
    /// so that what it sets holds for the session.
    pub async fn ask<'s>(
        &'s mut self,
        doing: &'s str,
        sql: &'s str,
        parameters: &[Parameter<'s>],
    ) -> Result<Answer<'s>, SourceError> {
        let usable = self.is_usable();
        let Self { driver, deadline, in_doubt, .. } = self;
        let driver = driver.as_mut().filter(|_| usable).ok_or_else(|| failure::gone(doing))?;
        *in_doubt = true;
        match timeout(*deadline, begin(driver, sql, parameters)).await {
            Ok(Ok(rows)) => Ok(Answer { rows, in_doubt, doing, deadline: *deadline }),
            Ok(Err(error)) => {
                *in_doubt = !failure::leaves_session(&error);
                Err(failure::server_error(error, doing))
            }
            Err(_) => Err(failure::late(doing, *deadline)),
        }
    }

    /// Says goodbye. How that ends changes nothing any more.
    pub async fn close(mut self) {
        if let Some(driver) = self.driver.take().filter(|_| !self.in_doubt) {
            drop(timeout(CLOSE_DEADLINE, driver.close()).await);
        }
    }
}

async fn begin<'d>(
    driver: &'d mut Driver,
    sql: &str,
    parameters: &[Parameter<'_>],
) -> Result<QueryStream<'d>, tiberius::error::Error> {
    if parameters.is_empty() {
        return driver.simple_query(sql).await;
    }
    let mut query = Query::new(sql);
    for parameter in parameters {
        query.bind(*parameter);
    }
    query.query(driver).await
}

/// Rows on their way. Dropped before its end, it leaves the session in doubt.
pub struct Answer<'s> {
    rows: QueryStream<'s>,
    in_doubt: &'s mut bool,
    doing: &'s str,
    deadline: Duration,
}

impl Answer<'_> {
    /// The next row; none at the end.
    pub async fn next(&mut self) -> Result<Option<Row>, SourceError> {
        loop {
            match timeout(self.deadline, self.rows.try_next()).await {
                Ok(Ok(Some(QueryItem::Row(row)))) => return decode::row(row, self.doing).map(Some),
                Ok(Ok(Some(QueryItem::Metadata(_)))) => {}
                Ok(Ok(None)) => {
                    *self.in_doubt = false;
                    return Ok(None);
                }
                Ok(Err(error)) => {
                    *self.in_doubt = !failure::leaves_session(&error);
                    return Err(failure::server_error(error, self.doing));
                }
                Err(_) => return Err(failure::late(self.doing, self.deadline)),
            }
        }
    }
}
