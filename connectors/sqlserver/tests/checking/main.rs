//! What `check` finds on servers that are not ready, and that the statements it prints mend it.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod capture;
mod server;
mod tables;

use erpbridge_connector::testkit::Tables;
use erpbridge_connector::{Finding, Severity, TableName};
use erpbridge_sqlserver::{Secret, SqlServerConfig, check};
use erpbridge_test_tds::{Database, Login, PASSWORD, ServerFacts, TdsServer, USER};
use tiberius::{AuthMethod, Client, Config, EncryptionLevel};
use tokio::net::TcpStream;
use tokio_util::compat::TokioAsyncWriteCompatExt;

/// A server with the table `dbo.item`, and a login that has what it needs.
struct Site {
    tds: TdsServer,
    config: SqlServerConfig,
    wanted: Vec<TableName>,
}

impl Site {
    /// Nothing is captured yet.
    async fn bare(facts: ServerFacts) -> Self {
        let tds = TdsServer::builder().facts(facts).start().await;
        tds.database().create_table("dbo.item", "id int NOT NULL PRIMARY KEY, note nvarchar(20)");
        let login = Login::new("bridge", PASSWORD).select("cdc").select("dbo.item");
        tds.login(login.view_server_state().view_database_state().msdb());
        let url = format!("sqlserver://bridge@127.0.0.1:{}/ERP", tds.port());
        let mut config = SqlServerConfig::from_url("north", &url).unwrap();
        config.password = Some(Secret::new(PASSWORD));
        let item = TableName::new("dbo", "item");
        Self { tds, config, wanted: vec![item] }
    }

    /// All is as it should be.
    async fn ready() -> Self {
        let site = Self::bare(ServerFacts::default()).await;
        site.erp().enable_cdc();
        site.erp().set_retention(7 * 24 * 60);
        site.erp().capture("dbo.item").enable();
        site.erp().idle();
        site
    }

    fn erp(&self) -> &Database {
        self.tds.database()
    }

    async fn findings(&self) -> Vec<Finding> {
        check(&self.config, &Tables::new(&self.wanted)).await.unwrap()
    }

    /// The only finding, of this severity, that says these words.
    async fn found(&self, severity: Severity, words: &[&str]) -> Finding {
        let findings = self.findings().await;
        let [finding] = findings.as_slice() else { panic!("one finding: {findings:#?}") };
        assert_eq!(finding.severity, severity, "{finding:#?}");
        let told = format!("{finding:?}");
        for word in words {
            assert!(told.contains(word), "\"{word}\" is not in {told}");
        }
        finding.clone()
    }

    /// Runs the statements of findings, each as a batch of its own, with every right.
    async fn mend(&self, findings: &[Finding]) {
        let mut config = Config::new();
        config.host("127.0.0.1");
        config.port(self.tds.port());
        config.database("ERP");
        config.authentication(AuthMethod::sql_server(USER, PASSWORD));
        config.encryption(EncryptionLevel::NotSupported);
        let stream = TcpStream::connect(config.get_addr()).await.unwrap();
        let mut client = Box::pin(Client::connect(config, stream.compat_write())).await.unwrap();
        for statement in findings.iter().flat_map(|finding| &finding.sql) {
            let ran = client.simple_query(statement.as_str()).await.unwrap().into_results().await;
            ran.unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
    }

    /// The statements of these findings leave nothing to be said.
    async fn is_mended_by(&self, findings: &[Finding]) {
        self.mend(findings).await;
        let left = self.findings().await;
        assert!(left.is_empty(), "after {findings:#?} there is still {left:#?}");
    }
}

#[tokio::test]
async fn a_server_that_is_ready_gets_no_finding() {
    let findings = Site::ready().await.findings().await;
    assert!(findings.is_empty(), "{findings:#?}");
}

#[tokio::test]
async fn what_the_check_prints_enables_everything_from_nothing() {
    let site = Site::bare(ServerFacts::default()).await;
    // Each round tells what the one before made visible: first the database, then its tables.
    for _ in 0..4 {
        let findings = site.findings().await;
        if findings.is_empty() {
            return;
        }
        site.mend(&findings).await;
        site.erp().idle();
    }
    panic!("still: {:#?}", site.findings().await);
}
