//! Queries and alerts, read by Prometheus' own tool. Without `promtool` these tests fail: a query
//! nobody parsed is not known to work.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::dashboards::Dashboard;
use crate::root;

/// What Grafana puts in place of its variables, as far as the grammar is concerned.
const MACROS: [(&str, &str); 2] = [("$__rate_interval", "1m"), ("$__range", "1h")];

/// Runs `promtool` and fails with what it said.
fn promtool(arguments: &[&str], file: &Path) {
    let run = Command::new("promtool").args(arguments).arg(root().join(file)).output();
    let output = run.unwrap_or_else(|e| {
        panic!("cannot run promtool: {e}; install it with `apt-get install prometheus`")
    });
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "promtool {arguments:?} {}:\n{said}", file.display());
}

/// One query as a recording rule. JSON is YAML, so `promtool` reads it as it is.
fn as_rule(number: usize, expression: &str) -> Value {
    let expression =
        MACROS.iter().fold(expression.to_owned(), |text, (name, value)| text.replace(name, value));
    json!({ "record": format!("panel:query{number}"), "expr": expression })
}

#[test]
fn every_query_of_a_dashboard_is_promql() {
    let directory = tempfile::tempdir().unwrap();
    for dashboard in Dashboard::all() {
        let targets = dashboard.targets();
        let rules: Vec<Value> =
            targets.iter().enumerate().map(|(n, target)| as_rule(n, &target.expression)).collect();
        let groups = json!({ "groups": [{ "name": "dashboard", "rules": rules }] });
        let file = directory.path().join("queries.json");
        std::fs::write(&file, groups.to_string()).unwrap();
        promtool(&["check", "rules"], &file);
    }
}

#[test]
fn the_alert_rules_are_valid() {
    promtool(
        &["check", "rules", "--lint=all", "--lint-fatal"],
        Path::new("deploy/prometheus/rules.yml"),
    );
}

#[test]
fn the_scrape_example_is_valid() {
    promtool(&["check", "config"], Path::new("deploy/prometheus/prometheus.yml"));
}

#[test]
fn every_alert_is_silent_and_fires_when_it_should() {
    promtool(&["test", "rules"], Path::new("deploy/prometheus/rules_test.yml"));
}
