//! The rules of a good dashboard, under the names Grafana's dashboard linter gives them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

use crate::catalogue::{Catalogue, metric_names};
use crate::{assert_none, files, read};

/// Panels that ship with every current Grafana and take a field configuration.
const PANELS: [&str; 7] =
    ["bargauge", "heatmap", "piechart", "stat", "state-timeline", "table", "timeseries"];
/// The schema version of Grafana 12.
const SCHEMA_VERSION: u64 = 41;

/// One dashboard file.
pub(crate) struct Dashboard {
    pub(crate) path: PathBuf,
    json: Value,
}

/// One query of a panel.
pub(crate) struct Target {
    pub(crate) panel: String,
    pub(crate) expression: String,
    legend: String,
}

impl Dashboard {
    /// Every dashboard of the project.
    pub(crate) fn all() -> Vec<Self> {
        let parse =
            |path: PathBuf| Self { json: serde_json::from_str(&read(&path)).unwrap(), path };
        files("grafana/dashboards", "json").into_iter().map(parse).collect()
    }

    /// Every panel, rows included, also those inside a collapsed row.
    fn panels(&self) -> Vec<&Value> {
        let top = self.json["panels"].as_array().unwrap();
        let inside = top.iter().filter_map(|panel| panel["panels"].as_array()).flatten();
        top.iter().chain(inside).collect()
    }

    /// Every panel that shows data.
    fn data_panels(&self) -> Vec<&Value> {
        self.panels().into_iter().filter(|panel| panel["type"] != "row").collect()
    }

    /// Every query.
    pub(crate) fn targets(&self) -> Vec<Target> {
        let targets_of = |panel: &Value| -> Vec<Target> {
            let targets = panel["targets"].as_array().unwrap();
            let target = |target: &Value| Target {
                panel: text(&panel["title"]).to_owned(),
                expression: text(&target["expr"]).to_owned(),
                legend: text(&target["legendFormat"]).to_owned(),
            };
            targets.iter().map(target).collect()
        };
        self.data_panels().into_iter().flat_map(targets_of).collect()
    }

    fn variable(&self, name: &str) -> &Value {
        let variables = self.json["templating"]["list"].as_array().unwrap();
        let found = variables.iter().find(|variable| variable["name"] == name);
        found.unwrap_or_else(|| panic!("{} has no variable {name}", self.path.display()))
    }
}

/// One use of a metric in a query: `before metric{selector}after`.
struct Use<'a> {
    before: &'a str,
    metric: &'a str,
    selector: &'a str,
    after: &'a str,
}

/// Every use of a metric of ours.
fn uses(expression: &str) -> Vec<Use<'_>> {
    let starts = expression.match_indices("erpbridge_").map(|(start, _)| start);
    starts
        .map(|start| {
            let (before, rest) = expression.split_at(start);
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
            let (metric, rest) = rest.split_at(end.unwrap_or(rest.len()));
            let selected = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
            let (selector, after) = selected.unwrap_or(("", rest));
            Use { before: before.trim_end(), metric, selector, after }
        })
        .collect()
}

/// The label names of a selector. No pattern of ours holds a comma.
fn selected_labels(selector: &str) -> impl Iterator<Item = &str> {
    selector.split(',').filter_map(|matcher| Some(matcher.split_once(['=', '!'])?.0.trim()))
}

/// The labels in every `by (…)`.
fn grouping_labels(expression: &str) -> BTreeSet<&str> {
    let lists = expression.split("by (").skip(1).filter_map(|rest| rest.split_once(')'));
    lists.flat_map(|(list, _)| list.split(',')).map(str::trim).collect()
}

/// The labels in every `{{…}}` of a legend.
fn legend_labels(legend: &str) -> BTreeSet<&str> {
    let labels = legend.split("{{").skip(1).filter_map(|rest| rest.split_once("}}"));
    labels.map(|(label, _)| label.trim()).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

/// Runs a rule on every panel that shows data and collects the panels that break it.
fn panels_against(rule: &str, keeps: impl Fn(&Value) -> bool) {
    let mut findings = Vec::new();
    for dashboard in Dashboard::all() {
        let breaking = dashboard.data_panels().into_iter().filter(|panel| !keeps(panel));
        let name =
            |panel: &Value| format!("{}: {} {rule}", dashboard.path.display(), panel["title"]);
        findings.extend(breaking.map(name));
    }
    assert_none(&findings);
}

/// Runs a rule on every use of a metric and collects the queries that break it.
fn uses_against(rule: &str, keeps: impl Fn(&Use<'_>) -> bool) {
    let mut findings = Vec::new();
    for dashboard in Dashboard::all() {
        for target in dashboard.targets() {
            for breaking in uses(&target.expression).into_iter().filter(|used| !keeps(used)) {
                let place = format!("{}: {:?}", dashboard.path.display(), target.panel);
                findings.push(format!("{place}: {} {rule}", breaking.metric));
            }
        }
    }
    assert_none(&findings);
}

#[test]
fn template_datasource_lets_the_reader_choose_a_prometheus() {
    for dashboard in Dashboard::all() {
        let variable = dashboard.variable("datasource");
        assert_eq!(variable["type"], "datasource");
        assert_eq!(variable["query"], "prometheus");
        assert_eq!(variable["label"], "Data source");
    }
}

#[test]
fn template_job_instance_and_source_select_several_and_all() {
    for dashboard in Dashboard::all() {
        for (name, label) in [("job", "Job"), ("instance", "Instance"), ("source", "Source")] {
            let variable = dashboard.variable(name);
            assert_eq!(variable["type"], "query", "{name}");
            assert_eq!(variable["label"], label, "{name}");
            assert_eq!(variable["datasource"]["uid"], "${datasource}", "{name}");
            assert_eq!(variable["multi"], true, "{name}");
            assert_eq!(variable["includeAll"], true, "{name}");
            assert_eq!(variable["allValue"], ".+", "{name}");
        }
    }
}

#[test]
fn template_on_time_change_reload_follows_the_chosen_time() {
    for dashboard in Dashboard::all() {
        for name in ["job", "instance", "source"] {
            assert_eq!(dashboard.variable(name)["refresh"], 2, "{name}");
        }
    }
}

#[test]
fn template_label_promql_asks_for_a_served_metric_and_label() {
    let served = Catalogue::served();
    for dashboard in Dashboard::all() {
        for name in ["job", "instance", "source"] {
            let query = text(&dashboard.variable(name)["query"]["query"]);
            assert!(query.starts_with("label_values("), "{query}");
            assert!(query.ends_with(&format!(", {name})")), "{query}");
            let names = metric_names(query);
            assert_eq!(names.len(), 1, "{query}");
            let metrics: Vec<_> = names.iter().filter_map(|name| served.queried(name)).collect();
            assert_eq!(metrics.len(), 1, "{query}");
        }
    }
}

#[test]
fn panel_datasource_is_the_chosen_one() {
    panels_against("does not use ${datasource}", |panel| {
        let chosen = |of: &Value| of["datasource"]["uid"] == "${datasource}";
        chosen(panel) && panel["targets"].as_array().unwrap().iter().all(chosen)
    });
}

#[test]
fn panel_title_description_says_what_is_shown() {
    panels_against("has no title or no description", |panel| {
        !text(&panel["title"]).is_empty() && text(&panel["description"]).ends_with('.')
    });
}

#[test]
fn panel_units_are_set() {
    panels_against("has no unit", |panel| {
        !text(&panel["fieldConfig"]["defaults"]["unit"]).is_empty()
    });
}

#[test]
fn panel_no_targets_asks_at_least_one_question() {
    panels_against("has no query", |panel| {
        let targets = panel["targets"].as_array();
        targets.is_some_and(|t| !t.is_empty() && t.iter().all(|t| !text(&t["expr"]).is_empty()))
    });
}

#[test]
fn panel_types_are_current_ones() {
    panels_against("is of a type this Grafana does not have", |panel| {
        PANELS.contains(&text(&panel["type"]))
    });
}

#[test]
fn target_job_and_target_instance_narrow_every_query() {
    let served = Catalogue::served();
    uses_against("is not narrowed by $job, $instance and $source", |used| {
        let narrowed = |by: &str| used.selector.contains(&format!("{by}=~\"${by}\""));
        let by_source =
            served.queried(used.metric).is_some_and(|metric| metric.labels.contains("source"));
        narrowed("job") && narrowed("instance") && (!by_source || narrowed("source"))
    });
}

#[test]
fn target_counter_agg_shows_no_counter_without_its_rate() {
    let served = Catalogue::served();
    uses_against("is a counter and not under rate() or increase()", |used| {
        let is_gauge = served.queried(used.metric).is_some_and(|metric| metric.kind == "gauge");
        is_gauge || ["rate(", "increase("].iter().any(|call| used.before.ends_with(call))
    });
}

#[test]
fn target_rate_interval_follows_the_scrape_interval() {
    uses_against("takes a range other than $__rate_interval", |used| {
        !used.after.starts_with('[') || used.after.starts_with("[$__rate_interval]")
    });
}

#[test]
fn labels_in_queries_are_labels_of_their_metric() {
    let served = Catalogue::served();
    uses_against("does not have one of the labels it is selected by", |used| {
        let Some(metric) = served.queried(used.metric) else { return false };
        selected_labels(used.selector)
            .all(|label| ["job", "instance"].contains(&label) || metric.labels.contains(label))
    });
}

#[test]
fn labels_in_groups_and_legends_are_there() {
    let served = Catalogue::served();
    let mut findings = Vec::new();
    for target in Dashboard::all().iter().flat_map(Dashboard::targets) {
        let metrics = metric_names(&target.expression);
        let labels: BTreeSet<&str> = metrics
            .iter()
            .filter_map(|name| served.queried(name))
            .flat_map(|metric| metric.labels.iter().map(String::as_str))
            .chain(["job", "instance", "le"])
            .collect();
        let groups = grouping_labels(&target.expression);
        let unknown = groups.difference(&labels).map(|l| format!("no label to group by: {l}"));
        let legend = legend_labels(&target.legend);
        let lost = legend.difference(&groups).map(|l| format!("the legend has lost {l}"));
        findings.extend(unknown.chain(lost).map(|f| format!("{:?}: {f}", target.panel)));
    }
    assert_none(&findings);
}

#[test]
fn uneditable_and_fixed_so_that_the_file_is_the_truth() {
    let mut uids = BTreeSet::new();
    for dashboard in Dashboard::all() {
        let (json, path) = (&dashboard.json, dashboard.path.display());
        assert_eq!(json["editable"], false, "{path}");
        assert_eq!(json["schemaVersion"], SCHEMA_VERSION, "{path}");
        assert_eq!(json.get("__inputs"), None, "{path}: provisioning does not fill inputs");
        assert_eq!(json.get("id"), None, "{path}: ids belong to one Grafana, uids to all");
        let uid = text(&json["uid"]).to_owned();
        assert!(uid.starts_with("erpbridge-") && uid.len() <= 40, "{path}: uid {uid:?}");
        assert!(uids.insert(uid), "{path}: the uid is taken");
    }
}

#[test]
fn panel_ids_are_unique_and_panels_do_not_overlap() {
    for dashboard in Dashboard::all() {
        let mut ids = BTreeSet::new();
        let mut cells = BTreeSet::new();
        for panel in dashboard.panels() {
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "id of {} is taken", panel["title"]);
            let place = |key: &str| panel["gridPos"][key].as_u64().unwrap();
            assert!(place("x") + place("w") <= 24, "{} is too wide", panel["title"]);
            for y in place("y")..place("y") + place("h") {
                for x in place("x")..place("x") + place("w") {
                    assert!(cells.insert((x, y)), "{} lies on another panel", panel["title"]);
                }
            }
        }
    }
}
