//! The log: whether it holds row changes, whole rows, of the mapped databases, and for how long.

use std::collections::BTreeSet;

use erpbridge_connector::Finding;

use super::facts::{Facts, positive};

/// Less than this is too short for a weekend.
const SHORTEST_DAYS: u64 = 3;

const DAY: u64 = 86_400;

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    if !facts.is_on("log_bin") {
        return vec![absent()];
    }
    let mut findings = Vec::new();
    findings.extend(format(facts));
    findings.extend(partial_json(facts));
    findings.extend(image(facts));
    findings.extend(metadata(facts));
    findings.extend(filters(facts));
    findings.extend(retention(facts));
    findings
}

fn absent() -> Finding {
    Finding::error(
        "log_bin",
        "the server writes no binary log",
        "set log_bin and binlog_format=ROW in the configuration file and restart the server",
    )
}

/// A session keeps the format it began with, so the ERP has to connect anew.
fn format(facts: &Facts) -> Option<Finding> {
    let format = facts.setting("binlog_format");
    // The setting went when nothing but rows was left.
    (facts.knows("binlog_format") && format != "ROW").then(|| {
        Finding::error(
            "binlog_format",
            format!("it is {format}: the log holds statements, which do not say what a row was"),
            "set it, also in the configuration file, and let the ERP connect anew: sessions keep \
             the format they began with",
        )
        .with_sql("SET GLOBAL binlog_format = 'ROW'")
    })
}

fn partial_json(facts: &Facts) -> Option<Finding> {
    facts.setting("binlog_row_value_options").contains("PARTIAL_JSON").then(|| {
        Finding::error(
            "binlog_row_value_options",
            "the log holds only what changed inside a JSON document, not the document",
            "turn it off, also in the configuration file",
        )
        .with_sql("SET GLOBAL binlog_row_value_options = ''")
    })
}

fn image(facts: &Facts) -> Option<Finding> {
    let image = facts.setting("binlog_row_image");
    (facts.knows("binlog_row_image") && image != "FULL").then(|| {
        Finding::warning(
            "binlog_row_image",
            format!(
                "it is {image}: of a row the log holds only the key and what changed; mappings \
                 see no old values, and all other columns are absent, except in columns that the \
                 bridge remembers"
            ),
            "log whole rows, and set it in the configuration file, too; or remember the rows \
             (`keep: all` on each table in its mapping)",
        )
        .with_sql("SET GLOBAL binlog_row_image = 'FULL'")
    })
}

/// Without names in the log, what a column is called at some place of it has to be worked out.
fn metadata(facts: &Facts) -> Option<Finding> {
    let metadata = facts.setting("binlog_row_metadata");
    (facts.knows("binlog_row_metadata") && metadata != "FULL").then(|| {
        Finding::warning(
            "binlog_row_metadata",
            format!(
                "it is {metadata}: the log does not name the columns of a row; after a change of a \
                 table's shape the source may have to stop, because their order cannot be told"
            ),
            "let the log name them (a few bytes for each statement); set it in the configuration \
             file, too",
        )
        .with_sql("SET GLOBAL binlog_row_metadata = 'FULL'")
    })
}

fn filters(facts: &Facts) -> Vec<Finding> {
    let Some(filter) = &facts.filter else { return Vec::new() };
    let databases: BTreeSet<&str> =
        facts.tables.iter().map(|table| table.name.schema.as_str()).collect();
    let left_out = databases.into_iter().filter(|database| filter.leaves_out(database));
    let finding = |database: &str| {
        Finding::error(
            format!("database {database}"),
            "its changes are left out of the log",
            "correct binlog_do_db or binlog_ignore_db in the configuration file and restart the \
             server",
        )
    };
    left_out.map(finding).collect()
}

/// How long the server keeps its log; it does so for nobody in particular, and does not know who
/// still needs it.
fn retention(facts: &Facts) -> Option<Finding> {
    if facts.on_rds {
        return Some(managed());
    }
    if positive(facts, "max_binlog_total_size") {
        return Some(limited());
    }
    let by_age = !facts.knows("binlog_expire_logs_auto_purge")
        || facts.is_on("binlog_expire_logs_auto_purge");
    let seconds = facts.number("binlog_expire_logs_seconds").filter(|seconds| *seconds > 0);
    let days = facts.number("expire_logs_days").filter(|days| *days > 0);
    let kept = seconds.or(days.map(|days| days * DAY)).filter(|_| by_age)?;
    (kept < SHORTEST_DAYS * DAY).then(|| short(facts, kept))
}

fn short(facts: &Facts, seconds: u64) -> Finding {
    let (name, week) = if facts.knows("binlog_expire_logs_seconds") {
        ("binlog_expire_logs_seconds", 7 * DAY)
    } else {
        ("expire_logs_days", 7)
    };
    Finding::warning(
        name,
        format!(
            "the log is removed after {} hours, read or not: if the bridge is stopped for longer, \
             a new snapshot is needed",
            seconds / 3600
        ),
        "keep it for longer than the longest pause you want to survive, if the disk has room (a \
         week is only an example); set it in the configuration file, too",
    )
    .with_sql(format!("SET GLOBAL {name} = {week}"))
}

fn limited() -> Finding {
    Finding::warning(
        "max_binlog_total_size",
        "the log is removed when it grows beyond this size, read or not: a pause of the bridge, or \
         one large transaction, may need a new snapshot",
        "make sure that it is more than what is written in the longest pause you want to survive",
    )
}

fn managed() -> Finding {
    Finding::warning(
        "binlog retention hours",
        "Amazon RDS removes the log as soon as it does not need it itself, unless told otherwise; \
         whether it was told cannot be seen",
        "set it, if that has not been done",
    )
    .with_sql("CALL mysql.rds_set_configuration('binlog retention hours', 168)")
}
