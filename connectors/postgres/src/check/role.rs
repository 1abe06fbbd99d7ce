//! The role: what it may see.

use std::collections::BTreeSet;

use erpbridge_connector::Finding;

use super::facts::Facts;
use crate::config::PostgresConfig;
use crate::sql::{identifier, table};

pub(super) fn check(facts: &Facts, config: &PostgresConfig) -> Vec<Finding> {
    let role = identifier(&config.user);
    let mut findings = Vec::new();
    if !facts.server.replication_role {
        findings.push(
            Finding::error(
                format!("role {}", config.user),
                "it may not open replication connections",
                "give it the attribute (on a managed service, membership in the service's \
                 replication role)",
            )
            .with_sql(format!("ALTER ROLE {role} REPLICATION")),
        );
    }
    findings.extend(usage(facts, config));
    for wanted in facts.wanted() {
        if !wanted.select {
            findings.push(
                Finding::error(
                    wanted.name.to_string(),
                    format!("role {} may not read it, so the snapshot would fail", config.user),
                    "grant it",
                )
                .with_sql(format!("GRANT SELECT ON {} TO {role}", table(&wanted.name))),
            );
        }
        if wanted.row_security {
            findings.push(
                Finding::error(
                    wanted.name.to_string(),
                    "a row-level security policy would hide rows from the snapshot that the log \
                     shows",
                    "exempt the bridge's role from policies",
                )
                .with_sql(format!("ALTER ROLE {role} BYPASSRLS")),
            );
        }
    }
    findings
}

/// One finding per schema, not per table.
fn usage(facts: &Facts, config: &PostgresConfig) -> impl Iterator<Item = Finding> {
    let closed: BTreeSet<&str> = facts
        .wanted()
        .filter(|table| !table.usage)
        .map(|table| table.name.schema.as_str())
        .collect();
    let finding = |schema: &str| {
        Finding::error(
            format!("schema {schema}"),
            format!("role {} may not look into it", config.user),
            "grant it",
        )
        .with_sql(format!(
            "GRANT USAGE ON SCHEMA {} TO {}",
            identifier(schema),
            identifier(&config.user)
        ))
    };
    closed.into_iter().map(finding).collect::<Vec<_>>().into_iter()
}
