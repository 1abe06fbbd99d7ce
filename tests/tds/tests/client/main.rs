//! The scripted server against a real client: tiberius, as the connector uses it.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![expect(clippy::indexing_slicing, reason = "a missing element is a failed test")]

mod asked;
mod changes;
mod cleartext;
mod faults;
mod health;
mod locks;
mod rights;
mod secure;
mod types;

use erpbridge_test_tds::{Lsn, PASSWORD, TdsServer, USER};
use tiberius::{AuthMethod, Client, Config, EncryptionLevel, Row, ToSql};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt};

type Sql = Client<Compat<TcpStream>>;

fn config(server: &TdsServer, user: &str, password: &str) -> Config {
    let mut config = Config::new();
    config.host("localhost");
    config.port(server.port());
    config.database("ERP");
    config.application_name("a test");
    config.authentication(AuthMethod::sql_server(user, password));
    config.encryption(EncryptionLevel::NotSupported);
    config
}

async fn connect(config: Config) -> tiberius::Result<Sql> {
    let stream = TcpStream::connect(config.get_addr()).await?;
    stream.set_nodelay(true)?;
    Box::pin(Client::connect(config, stream.compat_write())).await
}

async fn client(server: &TdsServer) -> Sql {
    connect(config(server, USER, PASSWORD)).await.unwrap()
}

async fn rows(client: &mut Sql, sql: &str, parameters: &[&dyn ToSql]) -> Vec<Row> {
    try_rows(client, sql, parameters).await.unwrap()
}

async fn try_rows(
    client: &mut Sql,
    sql: &str,
    parameters: &[&dyn ToSql],
) -> tiberius::Result<Vec<Row>> {
    client.query(sql, parameters).await?.into_first_result().await
}

/// Runs a batch and throws its results away.
async fn run(client: &mut Sql, sql: &str) -> tiberius::Result<()> {
    client.simple_query(sql).await?.into_results().await.map(|_| ())
}

/// The number of the server's error.
fn code<T: std::fmt::Debug>(outcome: tiberius::Result<T>) -> u32 {
    outcome.unwrap_err().code().expect("an error of the server")
}

fn int(row: &Row, column: usize) -> i32 {
    row.get::<i32, _>(column).unwrap()
}

fn text(row: &Row, column: usize) -> Option<&str> {
    row.get::<&str, _>(column)
}

fn lsn(row: &Row, column: usize) -> Lsn {
    Lsn(row.get::<&[u8], _>(column).unwrap().try_into().unwrap())
}
