//! The databases the ERP can live in, behind one face: a connection, a transaction, a row.
//!
//! Statements are written with `$1`, `$2`, …; where the two databases say a thing differently, a
//! `Sql` holds both.

use std::error::Error as StdError;
use std::fmt;
use std::str::FromStr;

use erpbridge_test_support::{Failure, Result};
use mysql_async::prelude::{FromValue, Queryable};
use mysql_async::{Conn, Params, TxOpts, Value};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{FromSql, ToSql};

/// Which database the ERP lives in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// `PostgreSQL`.
    #[default]
    Postgres,
    /// `MariaDB`.
    MariaDb,
}

impl Source {
    /// Every one of them.
    pub const ALL: [Self; 2] = [Self::Postgres, Self::MariaDb];
}

impl FromStr for Source {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "postgres" => Ok(Self::Postgres),
            "mariadb" => Ok(Self::MariaDb),
            other => Err(Failure::new(format!(
                "there is no demo for DEMO_SOURCE=\"{other}\": set it to postgres or mariadb"
            ))),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Postgres => "PostgreSQL",
            Self::MariaDb => "MariaDB",
        })
    }
}

/// A statement in the words of each database.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sql {
    pub(crate) postgres: &'static str,
    pub(crate) mariadb: &'static str,
}

impl Sql {
    /// One that both understand.
    pub(crate) const fn of_both(text: &'static str) -> Self {
        Self { postgres: text, mariadb: text }
    }
}

/// What stands for `$1` and so on.
pub(crate) trait Parameter: Sync {
    fn postgres(&self) -> &(dyn ToSql + Sync);
    fn mariadb(&self) -> Value;
}

macro_rules! parameters {
    ($($kind:ty),+) => {$(
        impl Parameter for $kind {
            fn postgres(&self) -> &(dyn ToSql + Sync) {
                self
            }

            fn mariadb(&self) -> Value {
                self.to_owned().into()
            }
        }
    )+};
}

parameters!(i16, i32, i64, f32, f64, String, &str);

/// What a cell can be read as.
pub(crate) trait Cell: for<'r> FromSql<'r> + FromValue {}

impl<T: for<'r> FromSql<'r> + FromValue> Cell for T {}

/// Why a statement was refused.
#[derive(Debug)]
pub enum Error {
    /// By `PostgreSQL`.
    Postgres(tokio_postgres::Error),
    /// By `MariaDB`.
    MariaDb(mysql_async::Error),
}

impl Error {
    /// Two people waited for each other and the database chose one: nothing of it happened.
    pub(crate) fn may_be_tried_again(&self) -> bool {
        match self {
            Self::Postgres(error) => error.code() == Some(&SqlState::T_R_DEADLOCK_DETECTED),
            Self::MariaDb(mysql_async::Error::Server(told)) => told.code == 1213,
            Self::MariaDb(_) => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(error) => error.fmt(f),
            Self::MariaDb(error) => error.fmt(f),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Postgres(error) => error.source(),
            Self::MariaDb(error) => error.source(),
        }
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Postgres(error)
    }
}

impl From<mysql_async::Error> for Error {
    fn from(error: mysql_async::Error) -> Self {
        Self::MariaDb(error)
    }
}

/// A connection.
pub enum Client {
    /// To `PostgreSQL`.
    Postgres(tokio_postgres::Client),
    /// To `MariaDB`.
    MariaDb(Conn),
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Postgres(_) => "Client::Postgres",
            Self::MariaDb(_) => "Client::MariaDb",
        })
    }
}

/// `MariaDB` has no name for a transaction before it is committed. So it gets one here, which the
/// journal's triggers write down, and when it is committed the journal is told what it came to be.
const BEGUN: &str = "SET @erpbridge_transaction = UUID_SHORT()";
const COMMITTED: &str = "INSERT INTO erpbridge_audit.commits (token, gtid) \
                         VALUES (@erpbridge_transaction, @@last_gtid)";

impl Client {
    /// Begins a transaction. Dropped without commit, it is rolled back.
    pub(crate) async fn begin(&mut self) -> std::result::Result<Work<'_>, Error> {
        Ok(match self {
            Self::Postgres(client) => Work::Postgres(client.transaction().await?),
            Self::MariaDb(client) => {
                client.query_drop(BEGUN).await?;
                Work::MariaDb(client.start_transaction(TxOpts::default()).await?)
            }
        })
    }

    /// To be called after a commit.
    pub(crate) async fn committed(&mut self) -> std::result::Result<(), Error> {
        if let Self::MariaDb(client) = self {
            client.query_drop(COMMITTED).await?;
        }
        Ok(())
    }

    /// Which database it leads to.
    pub fn source(&self) -> Source {
        match self {
            Self::Postgres(_) => Source::Postgres,
            Self::MariaDb(_) => Source::MariaDb,
        }
    }

    /// The first cell of the first row, as text; none without rows.
    pub async fn text(&mut self, sql: &str) -> std::result::Result<Option<String>, Error> {
        Ok(match self {
            Self::Postgres(client) => {
                client.query_opt(sql, &[]).await?.and_then(|row| row.get::<_, Option<String>>(0))
            }
            Self::MariaDb(client) => client.query_first::<Option<String>, _>(sql).await?.flatten(),
        })
    }
}

/// An open transaction.
pub(crate) enum Work<'c> {
    Postgres(tokio_postgres::Transaction<'c>),
    MariaDb(mysql_async::Transaction<'c>),
}

impl Work<'_> {
    /// Runs a statement and says how many rows it touched.
    pub(crate) async fn execute(
        &mut self,
        sql: Sql,
        parameters: &[&dyn Parameter],
    ) -> std::result::Result<u64, Error> {
        Ok(match self {
            Self::Postgres(transaction) => {
                transaction.execute(sql.postgres, &postgres(parameters)).await?
            }
            Self::MariaDb(transaction) => {
                let (sql, parameters) = mariadb(sql.mariadb, parameters);
                transaction.exec_drop(sql, parameters).await?;
                transaction.affected_rows()
            }
        })
    }

    /// Runs a query.
    pub(crate) async fn rows(
        &mut self,
        sql: Sql,
        parameters: &[&dyn Parameter],
    ) -> std::result::Result<Vec<Row>, Error> {
        Ok(match self {
            Self::Postgres(transaction) => {
                let rows = transaction.query(sql.postgres, &postgres(parameters)).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
            Self::MariaDb(transaction) => {
                let (sql, parameters) = mariadb(sql.mariadb, parameters);
                let rows: Vec<mysql_async::Row> = transaction.exec(sql, parameters).await?;
                rows.into_iter().map(Row::MariaDb).collect()
            }
        })
    }

    /// What `PostgreSQL` answers inside the transaction; none from the other.
    pub(crate) async fn postgres_text(
        &mut self,
        sql: &str,
    ) -> std::result::Result<Option<String>, Error> {
        Ok(match self {
            Self::Postgres(transaction) => transaction.query_one(sql, &[]).await?.get(0),
            Self::MariaDb(_) => None,
        })
    }

    pub(crate) async fn commit(self) -> std::result::Result<(), Error> {
        match self {
            Self::Postgres(transaction) => transaction.commit().await?,
            Self::MariaDb(transaction) => transaction.commit().await?,
        }
        Ok(())
    }

    pub(crate) async fn rollback(self) -> std::result::Result<(), Error> {
        match self {
            Self::Postgres(transaction) => transaction.rollback().await?,
            Self::MariaDb(transaction) => transaction.rollback().await?,
        }
        Ok(())
    }
}

/// A row of an answer.
pub(crate) enum Row {
    Postgres(tokio_postgres::Row),
    MariaDb(mysql_async::Row),
}

impl Row {
    /// A cell.
    ///
    /// # Panics
    /// If the cell is not there or not of that type.
    pub(crate) fn get<T: Cell>(&self, column: usize) -> T {
        match self {
            Self::Postgres(row) => row.get(column),
            Self::MariaDb(row) => row.get(column).expect("a cell the statement asked for"),
        }
    }
}

fn postgres<'p>(parameters: &[&'p dyn Parameter]) -> Vec<&'p (dyn ToSql + Sync)> {
    parameters.iter().map(|parameter| parameter.postgres()).collect()
}

/// `MariaDB` counts question marks; a parameter that is used twice is given twice.
fn mariadb(sql: &str, parameters: &[&dyn Parameter]) -> (String, Params) {
    let mut values = Vec::new();
    let mut parts = sql.split('$');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = part.split_at(digits);
        let place = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        values.extend(place.and_then(|place| parameters.get(place)).map(|p| p.mariadb()));
        text.push('?');
        text.push_str(rest);
    }
    // A statement without any must not be given an empty list.
    let values = if values.is_empty() { Params::Empty } else { Params::Positional(values) };
    (text, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_that_is_used_twice_is_given_twice() {
        let (sql, values) = mariadb("SELECT $2, $1 + $2", &[&1_i64, &"a"]);
        assert_eq!(sql, "SELECT ?, ? + ?");
        assert_eq!(values, Params::Positional(vec!["a".into(), 1_i64.into(), "a".into()]));
    }

    #[test]
    fn only_two_databases_are_known() {
        assert_eq!("mariadb".parse::<Source>().unwrap(), Source::MariaDb);
        let failure = "oracle".parse::<Source>().unwrap_err().to_string();
        assert!(failure.contains("oracle") && failure.contains("postgres or mariadb"), "{failure}");
    }
}
