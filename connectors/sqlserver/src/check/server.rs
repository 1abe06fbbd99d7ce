//! The server: product, version, encryption, the Agent, snapshots.

use erpbridge_connector::{Finding, SnapshotMode};

use super::facts::{AZURE, Facts, Server};
use crate::config::SqlServerConfig;
use crate::sql::identifier;
use crate::tls;

/// The first version with change data capture that this connector knows: 2008 R2.
const OLDEST: [u32; 2] = [10, 50];

pub(super) fn check(facts: &Facts, config: &SqlServerConfig) -> Vec<Finding> {
    let mut findings: Vec<Finding> = version(&facts.server).into_iter().collect();
    findings.extend(edition(facts));
    findings.extend(encryption(config));
    if facts.has_feature() {
        findings.extend(agent(facts));
        findings.extend(snapshots(&facts.server, config));
        findings.extend(large_values(facts));
    }
    findings
}

fn version(server: &Server) -> Option<Finding> {
    let too_old = !server.version.is_empty() && server.version.as_slice() < OLDEST.as_slice();
    too_old.then(|| {
        Finding::error(
            "the server's version",
            format!("the server is version {}; 10.50 (2008 R2) is needed", spelled(server)),
            "upgrade the server",
        )
    })
}

fn spelled(server: &Server) -> String {
    server.version.iter().map(u32::to_string).collect::<Vec<_>>().join(".")
}

fn edition(facts: &Facts) -> Option<Finding> {
    let Server { edition_name, edition, .. } = &facts.server;
    let mend = match edition {
        4 => "move the database to the Standard, Enterprise or Developer edition",
        _ => {
            "install Service Pack 1 of SQL Server 2016 or a newer version, or use the Enterprise \
              edition"
        }
    };
    (!facts.has_feature()).then(|| {
        let version = spelled(&facts.server);
        let problem = format!("{edition_name} in version {version} has no change data capture");
        Finding::error("the server's edition", problem, mend)
    })
}

fn encryption(config: &SqlServerConfig) -> Option<Finding> {
    let warning = tls::warning(config)?;
    let mend = "give the server a certificate, its authority as ca_file, and set encrypt=required";
    Some(Finding::warning("encryption", warning, mend))
}

fn agent(facts: &Facts) -> Option<Finding> {
    (facts.agent_runs == Some(false)).then(|| {
        Finding::error(
            "the SQL Server Agent",
            "it is not running, and capture is one of its jobs: nothing would come",
            "start the service, and let it start with the server",
        )
    })
}

/// Without a moment of its own a snapshot is still right in the end, but tells some changes twice.
fn snapshots(server: &Server, config: &SqlServerConfig) -> Vec<Finding> {
    let mut findings = Vec::new();
    if config.snapshot == SnapshotMode::Never {
        return findings;
    }
    let database = &config.database;
    if !server.snapshots_allowed {
        let statement =
            format!("ALTER DATABASE {} SET ALLOW_SNAPSHOT_ISOLATION ON", identifier(database));
        let finding = Finding::warning(
            format!("database {database}"),
            "it does not allow snapshot isolation: tables are read as they are at each row, and \
             changes made meanwhile come twice",
            "allow it; the server then keeps old versions of changed rows in tempdb",
        );
        findings.push(finding.with_sql(statement));
    } else if !server.sees_transactions {
        let statement = match server.edition {
            AZURE => format!("GRANT VIEW DATABASE STATE TO {}", identifier(&server.user)),
            _ => format!("USE master; GRANT VIEW SERVER STATE TO {}", identifier(&server.login)),
        };
        let finding = Finding::warning(
            format!("login {}", config.user),
            "it may not ask for a transaction's place in the log: a snapshot has no exact place, \
             and changes made just before it come twice; nor can the Agent be checked",
            "grant it the right to see the server's state",
        );
        findings.push(finding.with_sql(statement));
    }
    findings
}

/// A larger value makes the ERP's own statement fail as soon as its table is captured.
fn large_values(facts: &Facts) -> Option<Finding> {
    let limit = facts.largest_value.filter(|limit| *limit >= 0)?;
    let has_large = facts.tables.iter().find(|table| {
        let large = |column: &crate::catalog::TableColumn| {
            column.sql_type.large() != crate::values::Large::No
        };
        !table.instances.is_empty() && table.columns.iter().any(large)
    })?;
    let finding = Finding::warning(
        has_large.name.to_string(),
        format!(
            "it has columns for large values, and the server refuses to write values above {limit} \
             bytes into captured tables (error 7139): the ERP would fail"
        ),
        "let values of any size be captured",
    );
    let statement = "EXEC sp_configure 'max text repl size', -1; RECONFIGURE";
    Some(finding.with_sql(statement))
}
