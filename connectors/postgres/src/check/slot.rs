//! The slot: whether it still holds our place, and whether a new one could be made.

use erpbridge_connector::Finding;

use super::facts::{Facts, Slot};
use super::publication::drop_slot;
use crate::config::PostgresConfig;

pub(super) fn check(facts: &Facts, config: &PostgresConfig) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(slot) = &facts.slot {
        findings.extend(foreign(slot, config));
        findings.extend(lost(slot, config));
        findings.extend(active(slot, config));
    }
    findings.extend(long_transactions(facts, config));
    findings
}

fn subject(config: &PostgresConfig) -> String {
    format!("slot {}", config.slot)
}

fn foreign(slot: &Slot, config: &PostgresConfig) -> Option<Finding> {
    let problem = if !slot.here {
        "it is a physical slot, or belongs to another database of this server"
    } else if slot.plugin.as_deref() != Some("pgoutput") {
        "it was made for another decoder than pgoutput"
    } else if slot.temporary {
        "it is a temporary slot of somebody else's session"
    } else {
        return None;
    };
    Some(Finding::error(subject(config), problem, "configure a name of its own for this source"))
}

fn lost(slot: &Slot, config: &PostgresConfig) -> Option<Finding> {
    let status = slot.wal_status.as_deref();
    if status == Some("unreserved") {
        return Some(Finding::warning(
            subject(config),
            "the log it needs may be removed at the next checkpoint",
            "let the bridge run and catch up at once, and raise max_slot_wal_keep_size",
        ));
    }
    let why = match (&slot.invalidated, status) {
        (Some(reason), _) => reason.as_str(),
        (None, Some("lost")) => "the log it needs was removed",
        _ => return None,
    };
    let finding = Finding::error(
        subject(config),
        format!("the server has given it up ({why}): the changes since then are not in the log"),
        "drop it and start with a new snapshot",
    );
    Some(finding.with_sql(drop_slot(config)))
}

fn active(slot: &Slot, config: &PostgresConfig) -> Option<Finding> {
    slot.active_pid.map(|pid| {
        Finding::warning(
            subject(config),
            format!("server process {pid} is reading from it"),
            "if that is not this bridge, end the other reader: a slot has one position",
        )
    })
}

fn long_transactions(facts: &Facts, config: &PostgresConfig) -> impl Iterator<Item = Finding> {
    let effect = if facts.slot.is_some() {
        "the server keeps its log from then on"
    } else {
        "creating the slot waits for it"
    };
    let subject = subject(config);
    facts.long_transactions.iter().map(move |open| {
        Finding::warning(
            subject.clone(),
            format!("{} has been open for {} minutes: {effect}", open.what, open.minutes),
            "commit it or roll it back",
        )
    })
}

#[cfg(test)]
mod tests {
    use erpbridge_connector::Severity;

    use super::*;

    fn slot() -> Slot {
        Slot { plugin: Some("pgoutput".to_owned()), here: true, ..Slot::default() }
    }

    fn found(slot: Slot) -> Vec<(Severity, String)> {
        let config = PostgresConfig::from_url("north", "postgres://u@localhost/erp").unwrap();
        let facts = Facts { slot: Some(slot), ..Facts::default() };
        check(&facts, &config).into_iter().map(|found| (found.severity, found.problem)).collect()
    }

    #[test]
    fn a_healthy_slot_is_nothing_to_talk_about() {
        assert!(found(Slot { wal_status: Some("reserved".to_owned()), ..slot() }).is_empty());
        assert!(found(Slot { wal_status: Some("extended".to_owned()), ..slot() }).is_empty());
    }

    #[test]
    fn a_slot_the_server_gave_up_is_an_error_with_the_reason() {
        let cases = [
            (Some("lost"), None, "the log it needs was removed"),
            (Some("lost"), Some("idle_timeout"), "idle_timeout"),
            (None, Some("conflicting"), "conflicting"),
        ];
        for (status, reason, words) in cases {
            let found = found(Slot {
                wal_status: status.map(str::to_owned),
                invalidated: reason.map(str::to_owned),
                ..slot()
            });
            assert_eq!(found[0].0, Severity::Error);
            assert!(found[0].1.contains(words), "{found:?}");
        }
    }

    #[test]
    fn a_slot_at_risk_and_a_slot_in_use_are_warnings() {
        let at_risk = found(Slot { wal_status: Some("unreserved".to_owned()), ..slot() });
        assert_eq!(at_risk[0].0, Severity::Warning);
        let in_use = found(Slot { active_pid: Some(4711), ..slot() });
        assert!(in_use[0].1.contains("4711"));
    }

    #[test]
    fn a_slot_that_is_not_ours_is_refused() {
        let foreign = [
            Slot { here: false, ..slot() },
            Slot { plugin: Some("wal2json".to_owned()), ..slot() },
            Slot { temporary: true, ..slot() },
        ];
        for slot in foreign {
            assert_eq!(found(slot)[0].0, Severity::Error);
        }
    }
}
