//! The server: version, settings, encoding, and what stands between it and us.

use erpbridge_connector::{Finding, TlsMode};

use super::facts::{Facts, SettingScope};
use crate::config::PostgresConfig;
use crate::sql::identifier;

const RELOAD: &str = "SELECT pg_reload_conf()";

pub(super) fn check(facts: &Facts, config: &PostgresConfig) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(version(facts));
    findings.extend(pooler(facts));
    findings.extend(encryption(config));
    findings.extend(standby(facts));
    findings.extend(wal_level(facts));
    findings.extend(room(facts, "max_replication_slots", facts.server.slots_used, "slot"));
    findings.extend(room(facts, "max_wal_senders", facts.server.senders_used, "sender"));
    findings.extend(sender_timeout(facts));
    findings.extend(kept_log(facts));
    findings.extend(idle_slots(facts));
    findings.extend(encoding(facts));
    findings.extend(durability(facts));
    findings
}

fn version(facts: &Facts) -> Option<Finding> {
    let subject = format!("server version {}", facts.version);
    match facts.version {
        0..=13 => Some(Finding::error(
            subject,
            "logical messages and the columns this connector needs came with version 14",
            "upgrade the server to a supported version",
        )),
        14..=18 => None,
        _ => Some(Finding::warning(
            subject,
            "this version is newer than the newest this connector was written for (18)",
            "try it on a copy first",
        )),
    }
}

fn pooler(facts: &Facts) -> Option<Finding> {
    facts.server.pooled.then(|| {
        Finding::error(
            "connection",
            "a connection pooler stands in between: statements of one session reach different \
             server processes, or its settings get lost",
            "give the address of the server itself",
        )
    })
}

fn encryption(config: &PostgresConfig) -> Option<Finding> {
    let problem = match config.tls.mode {
        TlsMode::Disable if !config.is_local() => "rows and password travel in plain text",
        TlsMode::Require => "the server's certificate is not verified: anyone can pose as it",
        _ => return None,
    };
    Some(Finding::warning(
        "sslmode",
        problem,
        "set sslmode=verify-full, with sslrootcert for a private authority",
    ))
}

fn standby(facts: &Facts) -> Option<Finding> {
    if !facts.server.standby {
        return None;
    }
    let subject = "standby server";
    Some(if facts.version < 16 {
        Finding::error(
            subject,
            "before version 16 a standby has no logical decoding",
            "give the address of the primary",
        )
    } else {
        Finding::warning(
            subject,
            "creating a slot on a standby waits for the primary to log its open transactions",
            "while the first start waits, run this on the primary",
        )
        .with_sql("SELECT pg_log_standby_snapshot()")
    })
}

fn wal_level(facts: &Facts) -> Option<Finding> {
    let level = facts.setting("wal_level");
    (level != "logical").then(|| {
        Finding::error(
            "wal_level",
            format!("it is `{level}`; the log carries row changes only at `logical`"),
            "set it, then restart the server",
        )
        .with_sql("ALTER SYSTEM SET wal_level = 'logical'")
    })
}

/// A slot we have already counts among those used.
fn room(facts: &Facts, name: &str, used: i64, what: &str) -> Option<Finding> {
    let limit = facts.number(name)?;
    let ours = match &facts.slot {
        Some(slot) => what == "slot" || slot.active_pid.is_some(),
        None => false,
    };
    if ours || used < limit {
        return None;
    }
    let enough = std::cmp::max(10, used + 4);
    let finding = Finding::error(
        name,
        format!("all {limit} are in use; the bridge needs one replication {what} of its own"),
        "raise it, then restart the server",
    );
    Some(finding.with_sql(format!("ALTER SYSTEM SET {name} = {enough}")))
}

fn sender_timeout(facts: &Facts) -> Option<Finding> {
    (facts.number("wal_sender_timeout") == Some(0)).then(|| {
        Finding::warning(
            "wal_sender_timeout",
            "it is off: a connection that died unnoticed would hold the slot for ever",
            "set it",
        )
        .with_sql("ALTER SYSTEM SET wal_sender_timeout = '60s'")
        .with_sql(RELOAD)
    })
}

/// In megabytes; -1 is no limit.
fn kept_log(facts: &Facts) -> Option<Finding> {
    let name = "max_slot_wal_keep_size";
    let problem = match facts.number(name)? {
        -1 => "there is no limit: while the bridge is stopped the server keeps its log until the \
               disk is full, and then the ERP stops too"
            .to_owned(),
        size @ 0..1024 => format!(
            "only {size} MB of log are kept for the bridge: a short pause or one large \
             transaction loses the position, and a new snapshot is needed"
        ),
        _ => return None,
    };
    let finding = Finding::warning(
        name,
        problem,
        "set it below the free space of the log's disk, but above what is written in the longest \
         pause you want to survive (16 GB is only an example)",
    );
    Some(finding.with_sql("ALTER SYSTEM SET max_slot_wal_keep_size = '16GB'").with_sql(RELOAD))
}

fn idle_slots(facts: &Facts) -> Option<Finding> {
    let name = "idle_replication_slot_timeout";
    (facts.number(name).unwrap_or(0) > 0).then(|| {
        Finding::warning(
            name,
            "the server gives up a slot that nobody reads for that long, and with it our position",
            "make sure that no pause of the bridge lasts longer, or turn it off",
        )
        .with_sql(format!("ALTER SYSTEM SET {name} = 0"))
        .with_sql(RELOAD)
    })
}

fn encoding(facts: &Facts) -> Option<Finding> {
    (facts.server.encoding == "SQL_ASCII").then(|| {
        Finding::warning(
            "server encoding SQL_ASCII",
            "the server does not know which characters its bytes are; a value that is not UTF-8 \
             stops the source",
            "convert the database to an encoding, or make sure that all clients write UTF-8",
        )
    })
}

/// The log is sent only as far as it is durable on this server, so no event is out for a commit
/// that a crash takes back. But the ERP's users were told that it is saved.
fn durability(facts: &Facts) -> Vec<Finding> {
    let problem = "commits are confirmed to the ERP before they are durable: a crash takes back \
                   what its users believe saved, and no event tells of it";
    let mend = "turn it on for everything that writes business data";
    let mut findings = Vec::new();
    if facts.setting("synchronous_commit") == "off" {
        findings.push(
            Finding::warning("synchronous_commit", problem, mend)
                .with_sql("ALTER SYSTEM SET synchronous_commit = 'on'")
                .with_sql(RELOAD),
        );
    }
    for scope in &facts.asynchronous_commit {
        let (subject, target) = scope_text(scope);
        findings.push(
            Finding::warning(format!("synchronous_commit of {subject}"), problem, mend)
                .with_sql(format!("ALTER {target} SET synchronous_commit = 'on'")),
        );
    }
    findings
}

fn scope_text(scope: &SettingScope) -> (String, String) {
    match (&scope.role, &scope.database) {
        (Some(role), Some(database)) => (
            format!("role {role} in database {database}"),
            format!("ROLE {} IN DATABASE {}", identifier(role), identifier(database)),
        ),
        (Some(role), None) => (format!("role {role}"), format!("ROLE {}", identifier(role))),
        (None, Some(database)) => {
            (format!("database {database}"), format!("DATABASE {}", identifier(database)))
        }
        (None, None) => ("all roles".to_owned(), "ROLE ALL".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use erpbridge_connector::Severity;

    use super::*;

    fn facts(version: u32, settings: &[(&str, &str)]) -> Facts {
        let settings = settings.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Facts { version, settings, ..Facts::default() }
    }

    fn config(url: &str) -> PostgresConfig {
        PostgresConfig::from_url("north", url).unwrap()
    }

    fn subjects(facts: &Facts, url: &str) -> Vec<(Severity, String)> {
        let findings = check(facts, &config(url));
        findings.into_iter().map(|finding| (finding.severity, finding.subject)).collect()
    }

    const GOOD: &[(&str, &str)] = &[
        ("wal_level", "logical"),
        ("max_replication_slots", "10"),
        ("max_wal_senders", "10"),
        ("wal_sender_timeout", "60000"),
        ("max_slot_wal_keep_size", "16384"),
        ("synchronous_commit", "on"),
    ];

    #[test]
    fn versions_from_14_to_18_are_taken_without_a_word() {
        for version in 14..=18 {
            assert!(subjects(&facts(version, GOOD), "postgres://u@localhost/d").is_empty());
        }
        let subject = |version| subjects(&facts(version, GOOD), "postgres://u@localhost/d");
        assert_eq!(subject(13), [(Severity::Error, "server version 13".to_owned())]);
        assert_eq!(subject(19), [(Severity::Warning, "server version 19".to_owned())]);
    }

    #[test]
    fn plain_text_beyond_this_machine_is_a_warning() {
        let facts = facts(15, GOOD);
        assert!(subjects(&facts, "postgres://u@127.0.0.1/d").is_empty());
        assert!(subjects(&facts, "postgres://u@db.example/d").is_empty());
        for mode in ["disable", "require"] {
            let url = format!("postgres://u@db.example/d?sslmode={mode}");
            assert_eq!(subjects(&facts, &url), [(Severity::Warning, "sslmode".to_owned())]);
        }
    }

    #[test]
    fn a_standby_before_16_cannot_be_followed() {
        let mut facts = facts(15, GOOD);
        facts.server.standby = true;
        assert_eq!(subjects(&facts, "postgres://u@localhost/d")[0].0, Severity::Error);
        facts.version = 16;
        assert_eq!(subjects(&facts, "postgres://u@localhost/d")[0].0, Severity::Warning);
    }

    #[test]
    fn full_slots_and_senders_are_told_with_a_number_that_suffices() {
        let mut facts = facts(15, GOOD);
        facts.server.slots_used = 10;
        facts.server.senders_used = 10;
        let findings = check(&facts, &config("postgres://u@localhost/d"));
        let sql: Vec<_> = findings.iter().flat_map(|finding| finding.sql.clone()).collect();
        assert_eq!(
            sql,
            [
                "ALTER SYSTEM SET max_replication_slots = 14",
                "ALTER SYSTEM SET max_wal_senders = 14"
            ]
        );
    }

    #[test]
    fn asynchronous_commits_are_told_wherever_they_were_set() {
        let mut facts = facts(15, GOOD);
        facts.settings.insert("synchronous_commit".to_owned(), "off".to_owned());
        facts.asynchronous_commit = vec![
            SettingScope { role: Some("Erp App".to_owned()), database: Some("erp".to_owned()) },
            SettingScope { role: None, database: Some("erp".to_owned()) },
        ];
        let findings = check(&facts, &config("postgres://u@localhost/d"));
        let sql: Vec<_> = findings.iter().flat_map(|finding| finding.sql.clone()).collect();
        assert_eq!(
            sql,
            [
                "ALTER SYSTEM SET synchronous_commit = 'on'",
                "SELECT pg_reload_conf()",
                "ALTER ROLE \"Erp App\" IN DATABASE \"erp\" SET synchronous_commit = 'on'",
                "ALTER DATABASE \"erp\" SET synchronous_commit = 'on'"
            ]
        );
    }
}
