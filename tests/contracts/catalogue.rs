//! The metrics the product serves, as its own text exposition tells them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use erpbridge::metrics::Metrics;

use crate::{assert_none, files, read};

/// What the exposition says about one metric.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Served {
    /// `counter`, `gauge` or `histogram`.
    pub(crate) kind: String,
    /// Its labels; `le` of a histogram is left out.
    pub(crate) labels: BTreeSet<String>,
}

/// Every metric by name.
pub(crate) struct Catalogue(BTreeMap<String, Served>);

impl Catalogue {
    /// Asks the product, with every series shown once.
    pub(crate) fn served() -> Self {
        let metrics = Metrics::new().unwrap();
        metrics.introduce("erp1", &["procurement.purchaseorder.released".to_owned()]);
        for of_table in
            [&metrics.snapshot_rows, &metrics.snapshot_rows_estimate, &metrics.snapshot_complete]
        {
            of_table.with_label_values(&["erp1", "public.orders"]).set(0);
        }
        let text = String::from_utf8(metrics.render().unwrap()).unwrap();
        Self::read(&text)
    }

    /// The metric a query means by this name: a histogram is queried by `_bucket`, `_sum` and
    /// `_count`, and by nothing else.
    pub(crate) fn queried(&self, name: &str) -> Option<&Served> {
        let of_histogram = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|suffix| self.0.get(name.strip_suffix(suffix)?))
            .filter(|served| served.kind == "histogram");
        of_histogram.or_else(|| self.0.get(name).filter(|served| served.kind != "histogram"))
    }

    fn read(text: &str) -> Self {
        let mut catalogue = BTreeMap::new();
        let mut of_type = (String::new(), String::new());
        for line in text.lines() {
            if let Some(type_line) = line.strip_prefix("# TYPE ") {
                let (name, kind) = type_line.split_once(' ').unwrap();
                of_type = (name.to_owned(), kind.to_owned());
            } else if !line.starts_with('#') {
                let (name, kind) = of_type.clone();
                let served = Served { kind, labels: labels_of_sample(line) };
                catalogue.entry(name).or_insert(served);
            }
        }
        Self(catalogue)
    }
}

/// The label names of one line of the exposition. No value here holds a comma or a brace.
fn labels_of_sample(line: &str) -> BTreeSet<String> {
    let inside = line.split_once('{').and_then(|(_, rest)| rest.split_once('}')).unwrap().0;
    inside
        .split(',')
        .map(|pair| pair.split_once('=').unwrap().0.to_owned())
        .filter(|label| label != "le")
        .collect()
}

/// Every word in a text that looks like a metric of ours. Words that end in `_` are the beginning
/// of a pattern.
pub(crate) fn metric_names(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with("erpbridge_") && !word.ends_with('_'))
        .map(str::to_owned)
        .collect()
}

/// The tables of `docs/metrics.md`: name, type and labels of every row.
fn documented() -> BTreeMap<String, Served> {
    let page = read("docs/metrics.md");
    let rows = page.lines().filter(|line| line.starts_with("| `erpbridge_"));
    let mut documented = BTreeMap::new();
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let labels = cells[3].split(',').map(|label| label.trim().trim_matches('`').to_owned());
        let served = Served { kind: cells[2].to_owned(), labels: labels.collect() };
        let former = documented.insert(cells[1].trim_matches('`').to_owned(), served);
        assert_eq!(former, None, "docs/metrics.md describes {} twice", cells[1]);
    }
    documented
}

#[test]
fn every_metric_in_a_dashboard_alert_or_runbook_is_served() {
    let served = Catalogue::served();
    let written: Vec<PathBuf> = [
        files("grafana/dashboards", "json"),
        files("deploy/prometheus", "yml"),
        files("deploy/runbooks", "md"),
    ]
    .concat();
    let mut findings = Vec::new();
    for path in written {
        let unknown =
            metric_names(&read(&path)).into_iter().filter(|n| served.queried(n).is_none());
        findings.extend(unknown.map(|name| format!("{}: no metric {name}", path.display())));
    }
    assert_none(&findings);
}

#[test]
fn the_metric_page_and_the_product_tell_the_same() {
    let (served, documented) = (Catalogue::served().0, documented());
    let names: BTreeSet<&String> = served.keys().chain(documented.keys()).collect();
    let findings: Vec<String> = names
        .into_iter()
        .filter(|name| served.get(*name) != documented.get(*name))
        .map(|name| {
            let (is, says) = (served.get(name), documented.get(name));
            format!("{name}: served as {is:?}, documented as {says:?}")
        })
        .collect();
    assert_none(&findings);
}

#[test]
fn a_histogram_is_queried_by_its_parts_only() {
    let served = Catalogue::served();
    assert!(served.queried("erpbridge_publish_seconds_bucket").is_some());
    assert!(served.queried("erpbridge_publish_seconds").is_none());
    assert!(served.queried("erpbridge_queue_bytes_count").is_none());
    assert!(served.queried("erpbridge_no_such_total").is_none());
}
