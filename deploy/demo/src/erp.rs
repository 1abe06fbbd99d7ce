//! The made-up ERP: its database, made and filled, and what the bridge is given to read it.

use erpbridge_test_support::oracle::journal;
use erpbridge_test_support::{Failure, Flavour, Mysql, Postgres, Result};
use mysql_async::prelude::Queryable;

use crate::database::{Client, Source};

/// Tables, keys and what the company owns before the simulation.
const SCHEMA: &str = include_str!("../schema.sql");
const SCHEMA_MARIADB: &str = include_str!("../schema.mariadb.sql");
/// Role, grants, replica identities and publication: what an administrator runs for the bridge.
const GRANTS: &str = include_str!("../grants.sql");
const GRANTS_MARIADB: &str = include_str!("../grants.mariadb.sql");

/// The database.
pub const DATABASE: &str = "legacy";
/// The publication the bridge follows.
pub const PUBLICATION: &str = "erpbridge";
/// The tables in it, with their schema.
pub const TABLES: [&str; 6] =
    ["legacy.spma", "legacy.itma", "legacy.pohd", "legacy.poln", "legacy.stmv", "legacy.stbl"];
/// The bridge's role and its password, as in the grants.
const ROLE: (&str, &str) = ("erpbridge", "demo");

/// People do not wait for what others are about to do.
const SESSION: &str = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";

/// The ERP's database server.
#[derive(Debug)]
pub enum Erp {
    /// On `PostgreSQL`.
    Postgres(Postgres),
    /// On `MariaDB`.
    MariaDb(Mysql),
}

impl Erp {
    /// Starts a private server and loads the ERP into it.
    pub async fn start(source: Source) -> Result<Self> {
        match source {
            Source::Postgres => {
                let server = Postgres::start().await?;
                server.create_database(DATABASE).await?;
                server.execute_in(DATABASE, SCHEMA).await?;
                server.execute_in(DATABASE, GRANTS).await?;
                Ok(Self::Postgres(server))
            }
            Source::MariaDb => {
                let server = Mysql::start(Flavour::MariaDb).await?;
                server.execute(SCHEMA_MARIADB).await?;
                server.execute(GRANTS_MARIADB).await?;
                server.execute(journal::mariadb::SCHEMA).await?;
                Ok(Self::MariaDb(server))
            }
        }
    }

    /// Which database it lives in.
    pub fn source(&self) -> Source {
        match self {
            Self::Postgres(_) => Source::Postgres,
            Self::MariaDb(_) => Source::MariaDb,
        }
    }

    /// A connection as the ERP's own programs have one.
    pub async fn client(&self) -> Result<Client> {
        Ok(match self {
            Self::Postgres(server) => Client::Postgres(server.client_of(DATABASE).await?),
            Self::MariaDb(server) => {
                let mut client = server.client_of(DATABASE).await?;
                let set = client.query_drop(SESSION).await;
                set.map_err(|error| Failure::caused("cannot set up a session", &error))?;
                Client::MariaDb(client)
            }
        })
    }

    /// What the bridge connects to: its own role, over TCP, with a password.
    pub fn url(&self) -> String {
        match self {
            Self::Postgres(server) => server.url_for(ROLE.0, ROLE.1, DATABASE),
            Self::MariaDb(server) => server.url_for(ROLE.0, ROLE.1, DATABASE),
        }
    }

    /// The source's part of the bridge's configuration that says where it is, on one line.
    pub fn connection(&self) -> String {
        let url = self.url();
        match self {
            Self::Postgres(_) => {
                format!("postgres: {{ url: \"{url}\", publication: {PUBLICATION} }}")
            }
            Self::MariaDb(_) => format!("mysql: {{ url: \"{url}\" }}"),
        }
    }
}
