//! The server: what it is, what it forgets in a crash, and where its changes come from.

use erpbridge_connector::{Finding, TlsMode, is_local};

use super::facts::Facts;
use crate::binlog::Family;
use crate::config::MysqlConfig;

pub(super) fn check(facts: &Facts, config: &MysqlConfig) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(version(facts));
    findings.extend(encryption(config));
    findings.extend(number(facts));
    findings.extend(replica(facts));
    findings.extend(cluster(facts));
    findings.extend(durability(facts));
    findings
}

fn version(facts: &Facts) -> Option<Finding> {
    let (major, minor, _) = facts.version;
    let (name, oldest, newest) = match facts.family {
        Family::MySql => ("MySQL", (5, 6), 9),
        Family::MariaDb => ("MariaDB", (10, 0), 12),
    };
    let subject = format!("{name} {major}.{minor}");
    if (major, minor) < oldest {
        return Some(Finding::error(
            subject,
            format!("{}.{} is the oldest server whose log is understood", oldest.0, oldest.1),
            "upgrade the server",
        ));
    }
    (major > newest).then(|| {
        Finding::warning(
            subject,
            format!("it is newer than the newest this connector was written for ({newest})"),
            "try it on a copy first",
        )
    })
}

fn encryption(config: &MysqlConfig) -> Option<Finding> {
    let problem = match config.tls.mode {
        TlsMode::Disable if !is_local(&config.host) => "rows and password travel in plain text",
        TlsMode::Require => "the server's certificate is not verified: anyone can pose as it",
        _ => return None,
    };
    let mend = "set ssl-mode=verify_identity, with ssl-ca for a private authority";
    Some(Finding::warning("ssl-mode", problem, mend))
}

/// A server without a number refuses to give out its log.
fn number(facts: &Facts) -> Option<Finding> {
    (facts.number("server_id") == Some(0)).then(|| {
        Finding::error(
            "server_id",
            "it is 0: such a server gives its log to nobody",
            "give it a number that no other server of the same replication has, also in its \
             configuration file",
        )
        .with_sql("SET GLOBAL server_id = 1")
    })
}

/// What a replica takes over goes into its own log only if it is told so.
fn replica(facts: &Facts) -> Option<Finding> {
    let logs = facts.is_on("log_slave_updates") || facts.is_on("log_replica_updates");
    (facts.replica && !logs).then(|| {
        Finding::error(
            "log_slave_updates",
            "it is off: what this replica takes over from its primary is not in its own log",
            "turn it on in the configuration file and restart the server, or give the address of \
             the primary",
        )
    })
}

fn cluster(facts: &Facts) -> Option<Finding> {
    facts.is_on("wsrep_on").then(|| {
        Finding::warning(
            "wsrep_on",
            "each node of a Galera cluster writes a log of its own: a position of one means \
             nothing to another",
            "give the address of one node, not of a load balancer",
        )
    })
}

/// The log is given out as soon as it is written. If it is lost in a crash, events are out for
/// commits that are undone; if it is lost and the tables are not, changes are in no log.
fn durability(facts: &Facts) -> Vec<Finding> {
    let setting = |name: &str, problem: &str| {
        (facts.knows(name) && facts.number(name) != Some(1)).then(|| {
            Finding::warning(
                name,
                problem,
                "set it to 1, also in the configuration file (each commit then waits for the disk)",
            )
            .with_sql(format!("SET GLOBAL {name} = 1"))
        })
    };
    let log = "a crash of the machine loses the end of the log: changes that stay in the tables \
               are then in no event, or events are out for changes that are gone";
    let tables = "a crash takes back what the ERP's users believe saved, and events of it are out";
    let settings = [("sync_binlog", log), ("innodb_flush_log_at_trx_commit", tables)];
    settings.into_iter().filter_map(|(name, problem)| setting(name, problem)).collect()
}
