//! When a rule is asked: what became of the row.

use super::names::word;
use crate::canonical::EventDef;
use crate::document::{Fields, Findings, Node};

/// What became of a row, after its table's filter had its say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mapping) enum Step {
    /// It is new, or moved into the filter.
    Inserted = 1,
    /// It changed.
    Updated = 2,
    /// It is gone, or moved out of the filter.
    Deleted = 4,
    /// A snapshot found it.
    Read = 8,
    /// It moved to another table.
    Moved = 16,
}

/// The steps a rule fires on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::mapping) struct When(u8);

impl When {
    pub(super) fn with(self, step: Step) -> Self {
        Self(self.0 | step as u8)
    }

    /// Whether the rule fires on this step.
    pub(in crate::mapping) fn has(self, step: Step) -> bool {
        self.0 & step as u8 != 0
    }

    /// Whether it fires on any change in the log.
    pub(in crate::mapping) fn sees_log(self) -> bool {
        self.0 & !(Step::Read as u8) != 0
    }

    /// Whether it fires on any step but the row's end.
    pub(in crate::mapping) fn tells_state(self) -> bool {
        self.0 & !(Step::Deleted as u8 | Step::Moved as u8) != 0
    }
}

const WHEN: [(&str, Step); 4] = [
    ("inserted", Step::Inserted),
    ("updated", Step::Updated),
    ("deleted", Step::Deleted),
    ("moved", Step::Moved),
];

/// The steps a rule names, or those that follow from what else it says.
pub(super) fn when(fields: &Fields<'_>, findings: &mut Findings) -> When {
    let mut when = When::default();
    match fields.get("when") {
        None if fields.get("transition").is_some() || fields.get("became").is_some() => {
            when = when.with(Step::Inserted).with(Step::Updated);
        }
        None => {}
        Some(node) => {
            for word in node.as_list_or_one() {
                when = one_step(when, word, findings);
            }
        }
    }
    if fields.get("snapshot").and_then(|node| node.as_bool(findings)).unwrap_or(false) {
        when = when.with(Step::Read);
    }
    when
}

fn one_step(when: When, node: &Node, findings: &mut Findings) -> When {
    if matches!(node.text(), Some("read" | "snapshot")) {
        let mend = "write `snapshot: true` beside `when`";
        findings.error(&node.place, "rows found by a snapshot are not a change", mend);
        return when;
    }
    word(node, &WHEN, findings).map_or(when, |step| when.with(step))
}

/// What the keys that choose a change say must fit together.
pub(super) fn check_when(
    fields: &Fields<'_>,
    when: When,
    event: &EventDef,
    findings: &mut Findings,
) {
    if when == When::default() {
        let mend =
            "add `when: [inserted, updated]`, `transition: …`, `became: …` or `snapshot: true`";
        findings.error(fields.place(), "the rule never fires", mend);
    }
    for step in ["transition", "became"].iter().filter_map(|key| fields.entry(key)) {
        if when.has(Step::Deleted) || when.has(Step::Moved) {
            let mend = "write a rule of its own for `when: deleted`";
            findings.error(&step.place, "a row that is gone makes no transition", mend);
        }
        if when.has(Step::Read) {
            let mend = format!("write a rule without `{}` for the snapshot", step.key);
            findings.error(&step.place, "a snapshot sees states, not transitions", mend);
        }
    }
    if let Some(changed) = fields.entry("changed")
        && !when.has(Step::Updated)
    {
        findings.error(&changed.place, "only an update changes columns", "add `when: updated`");
    }
    if when.has(Step::Deleted) && event.needs_after {
        let problem = format!("`{}` tells how things are, and a deleted row is not", event.name);
        findings.error(fields.place(), problem, "take `deleted` out of `when`");
    }
}
