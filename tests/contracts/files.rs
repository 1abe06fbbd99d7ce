//! Files that point to files, and files that must be readable as what they are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use saphyr_parser::Parser;

use crate::{assert_none, files, read, root};

/// One alert of the rules file: its name and its lines.
struct Alert<'a> {
    name: &'a str,
    lines: Vec<&'a str>,
}

impl Alert<'_> {
    /// The value of a key that stands in one line.
    fn value(&self, key: &str) -> Option<&str> {
        self.lines.iter().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "))
    }
}

fn alerts(rules: &str) -> Vec<Alert<'_>> {
    let of_block = |block| {
        let mut lines = str::lines(block).map(str::trim);
        Alert { name: lines.next().unwrap(), lines: lines.collect() }
    };
    rules.split("- alert: ").skip(1).map(of_block).collect()
}

#[test]
fn every_alert_says_how_bad_it_is_what_it_means_and_where_to_read_on() {
    let rules = read("deploy/prometheus/rules.yml");
    let mut findings = Vec::new();
    for alert in alerts(&rules) {
        let severity = alert.value("severity").unwrap_or("");
        if !["warning", "critical"].contains(&severity) {
            findings.push(format!("{}: severity {severity:?}", alert.name));
        }
        for key in ["summary", "description"] {
            if alert.value(key).is_none() {
                findings.push(format!("{}: no {key}", alert.name));
            }
        }
        let page = alert.value("runbook_url").unwrap_or("");
        if !page.starts_with("deploy/runbooks/") || !root().join(page).is_file() {
            findings.push(format!("{}: no runbook {page:?}", alert.name));
        }
    }
    assert_none(&findings);
}

#[test]
fn every_runbook_belongs_to_an_alert_and_leads_from_symptom_to_act() {
    let rules = read("deploy/prometheus/rules.yml");
    let named: BTreeSet<(PathBuf, &str)> = alerts(&rules)
        .iter()
        .map(|alert| (PathBuf::from(alert.value("runbook_url").unwrap()), alert.name))
        .collect();
    let index = read("deploy/runbooks/README.md");
    for (page, alert) in &named {
        let text = read(page);
        assert!(
            text.starts_with(&format!("# {alert}\n")),
            "{} is not headed {alert}",
            page.display()
        );
        for part in ["## Symptom", "## Check", "## Act"] {
            assert!(text.contains(part), "{} has no {part}", page.display());
        }
        assert!(index.contains(&format!("| {alert} |")), "the index does not name {alert}");
    }
    let pages = files("deploy/runbooks", "md").into_iter().filter(|p| !p.ends_with("README.md"));
    assert_eq!(
        pages.collect::<BTreeSet<_>>(),
        named.into_iter().map(|(page, _)| page).collect(),
        "a runbook without an alert, or the other way round"
    );
}

#[test]
fn every_alert_has_a_silent_and_a_firing_case() {
    let (rules, cases) =
        (read("deploy/prometheus/rules.yml"), read("deploy/prometheus/rules_test.yml"));
    let names: BTreeSet<&str> = alerts(&rules).iter().map(|alert| alert.name).collect();
    for name in names {
        // A silent case is written in one line, `{ eval_time, alertname }`; a firing one lists
        // what is expected below.
        let silent = cases.contains(&format!("alertname: {name} }}"));
        let firing = cases.contains(&format!("alertname: {name}\n        exp_alerts:\n"));
        assert!(silent && firing, "{name}: silent case {silent}, firing case {firing}");
    }
}

#[test]
fn links_between_pages_lead_somewhere() {
    let pages = [
        files("deploy/runbooks", "md"),
        files("docs", "md"),
        files("docs/events", "md"),
        vec!["grafana/README.md".into(), "examples/consumers/README.md".into()],
    ]
    .concat();
    let mut findings = Vec::new();
    for page in pages {
        let text = read(&page);
        let directory = root().join(&page).parent().map(Path::to_owned).unwrap();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        let local = links.map(|(link, _)| link).filter(|link| !link.contains("://"));
        let broken = local.filter(|link| !directory.join(link.split('#').next().unwrap()).exists());
        findings.extend(broken.map(|link| format!("{}: {link} is not there", page.display())));
    }
    assert_none(&findings);
}

#[test]
fn yaml_files_are_yaml() {
    let written = [
        files("deploy", "yaml"),
        files("deploy/prometheus", "yml"),
        files("grafana/provisioning/datasources", "yml"),
        files("grafana/provisioning/dashboards", "yml"),
    ]
    .concat();
    for path in written {
        let text = read(&path);
        for event in Parser::new_from_str(&text) {
            assert!(event.is_ok(), "{}: {}", path.display(), event.unwrap_err());
        }
    }
}
