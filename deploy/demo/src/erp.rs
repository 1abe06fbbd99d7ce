//! The made-up ERP: its database, made and filled, and what the bridge is given to read it.

use erpbridge_test_support::{Postgres, Result};
use tokio_postgres::Client;

/// Tables, keys and what the company owns before the simulation.
const SCHEMA: &str = include_str!("../schema.sql");
/// Role, grants, replica identities and publication: what an administrator runs for the bridge.
const GRANTS: &str = include_str!("../grants.sql");

/// The database.
pub const DATABASE: &str = "legacy";
/// The publication the bridge follows.
pub const PUBLICATION: &str = "erpbridge";
/// The tables in it, with their schema.
pub const TABLES: [&str; 6] =
    ["legacy.spma", "legacy.itma", "legacy.pohd", "legacy.poln", "legacy.stmv", "legacy.stbl"];
/// The bridge's role and its password, as in `grants.sql`.
const ROLE: (&str, &str) = ("erpbridge", "demo");

/// The ERP's database server.
#[derive(Debug)]
pub struct Erp {
    server: Postgres,
}

impl Erp {
    /// Starts a private server and loads the ERP into it.
    pub async fn start() -> Result<Self> {
        let server = Postgres::start().await?;
        server.create_database(DATABASE).await?;
        server.execute_in(DATABASE, SCHEMA).await?;
        server.execute_in(DATABASE, GRANTS).await?;
        Ok(Self { server })
    }

    /// A connection as the ERP's own programs have one.
    pub async fn client(&self) -> Result<Client> {
        self.server.client_of(DATABASE).await
    }

    /// What the bridge connects to: its own role, over TCP, with a password.
    pub fn url(&self) -> String {
        self.server.url_for(ROLE.0, ROLE.1, DATABASE)
    }

    /// The server.
    pub fn server(&self) -> &Postgres {
        &self.server
    }
}
