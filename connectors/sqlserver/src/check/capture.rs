//! Capture: whether it is enabled, may be read, is alive, and keeps changes for long enough.

use std::time::Duration;

use erpbridge_connector::Finding;

use super::facts::{Capture, Facts, Server};
use crate::config::SqlServerConfig;
use crate::observer::{STALE, age};
use crate::sql::identifier;

/// An error of capture is told for so many minutes.
const RECENT: i64 = 60;

/// Changes that are kept for less than a long weekend.
const SHORT: Duration = Duration::from_hours(72);

pub(super) fn check(facts: &Facts, config: &SqlServerConfig) -> Vec<Finding> {
    if !facts.has_feature() {
        return Vec::new();
    }
    let mut findings: Vec<Finding> = enabled(facts, config).into_iter().collect();
    findings.extend(alive(facts));
    findings.extend(failing(facts));
    findings.extend(retention(facts));
    findings
}

fn enabled(facts: &Facts, config: &SqlServerConfig) -> Option<Finding> {
    let database = format!("database {}", config.database);
    match facts.capture {
        Capture::On(_) => None,
        Capture::Off => {
            let finding = Finding::error(
                database,
                "change data capture is not enabled",
                "enable it as sysadmin; on a managed service see its manual",
            );
            let statement =
                format!("USE {}; EXEC sys.sp_cdc_enable_db", identifier(&config.database));
            Some(finding.with_sql(statement))
        }
        Capture::Hidden => {
            let finding = Finding::error(
                database,
                "this login may not read the change tables",
                "grant it SELECT on the schema cdc",
            );
            let user = identifier(&facts.server.user);
            Some(finding.with_sql(format!("GRANT SELECT ON SCHEMA::cdc TO {user}")))
        }
    }
}

fn alive(facts: &Facts) -> Option<Finding> {
    let (newest, now) = facts.newest.as_ref()?;
    let age = age(newest.at, *now);
    (age > STALE).then(|| {
        let finding = Finding::error(
            "the capture job",
            format!(
                "it has written nothing for {} minutes, though it writes every five even where \
                 nothing happens",
                age.as_secs() / 60
            ),
            "start it, and look into the Agent's history why it stopped",
        );
        finding.with_sql("EXEC sys.sp_cdc_start_job @job_type = N'capture'")
    })
}

fn failing(facts: &Facts) -> Option<Finding> {
    let error = facts.capture_error.as_ref().filter(|error| error.minutes_ago <= RECENT)?;
    let problem = format!(
        "it failed {} minutes ago: {} (error {})",
        error.minutes_ago, error.message, error.number
    );
    let mend = "see sys.dm_cdc_errors and mend what it names";
    Some(Finding::warning("the capture job", problem, mend))
}

fn retention(facts: &Facts) -> Option<Finding> {
    facts.newest.as_ref()?;
    let Some(kept) = facts.retention else { return Some(untold(&facts.server)) };
    if kept >= SHORT {
        return None;
    }
    let finding = Finding::warning(
        "the cleanup job",
        format!(
            "it keeps changes for {} hours only: a bridge that stands still for longer must read \
             all tables again",
            kept.as_secs() / 3600
        ),
        "keep them for a week",
    );
    let statement = "EXEC sys.sp_cdc_change_job @job_type = N'cleanup', @retention = 10080";
    Some(finding.with_sql(statement))
}

/// Changes go by their age, whether they have been read or not.
fn untold(server: &Server) -> Finding {
    let problem = "this login may not see for how long changes are kept, so nothing can warn \
                   before they are gone";
    let mend = "let it read the jobs";
    let user = identifier(&server.user);
    let finding = Finding::warning("the cleanup job", problem, mend);
    finding.with_sql(format!(
        "USE msdb; CREATE USER {user} FOR LOGIN {login}; GRANT SELECT ON dbo.cdc_jobs TO {user}",
        login = identifier(&server.login)
    ))
}
