//! Ownership: which source speaks for which side of an entity.

use std::collections::BTreeMap;

use super::names::{one_of, word};
use crate::canonical::{EventDef, catalog};
use crate::document::{Entry, Findings, Node, Place};

/// Whether a mapping speaks for an axis, or repeats what another source says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mapping) enum Voice {
    /// It speaks for it.
    Owner,
    /// It repeats it.
    Replica,
}

/// What a mapping says of one axis of an entity.
#[derive(Clone, Debug)]
pub(in crate::mapping) struct Claim {
    /// Owner or replica.
    pub voice: Voice,
    /// Where it was written.
    pub place: Place,
}

/// Claims by `family.entity` and axis. `content` stands for everything that is on no axis.
pub(in crate::mapping) type Authority = BTreeMap<(String, String), Claim>;

/// The axis of all that is no state.
pub(in crate::mapping) const CONTENT: &str = "content";

/// Reads `{ family.entity: owner }` or `{ family.entity: { axis: owner, axis: replica } }`.
pub(super) fn parse(node: &Node, findings: &mut Findings) -> Authority {
    let mut authority = Authority::new();
    for entry in node.as_map(findings).unwrap_or_default() {
        let Some(axes) = axes(entry, findings) else { continue };
        let claim = |node: &Node, findings: &mut Findings| {
            let voice =
                word(node, &[("owner", Voice::Owner), ("replica", Voice::Replica)], findings);
            Some(Claim { voice: voice?, place: node.place.clone() })
        };
        if entry.value.text().is_some() {
            let Some(claim) = claim(&entry.value, findings) else { continue };
            authority
                .extend(axes.into_iter().map(|axis| ((entry.key.clone(), axis), claim.clone())));
            continue;
        }
        let known: Vec<&str> = axes.iter().map(String::as_str).collect();
        let Some(fields) = entry.value.fields(&known, findings) else { continue };
        for axis in fields.entries().iter().filter(|axis| axes.contains(&axis.key)) {
            let claim = claim(&axis.value, findings);
            authority.extend(claim.map(|claim| ((entry.key.clone(), axis.key.clone()), claim)));
        }
    }
    authority
}

fn axes(entry: &Entry, findings: &mut Findings) -> Option<Vec<String>> {
    let name = |event: &&EventDef| format!("{}.{}", event.family, event.entity);
    if let Some(event) = catalog().events().find(|event| name(event) == entry.key) {
        let axes = event.axes.iter().map(|axis| axis.name.clone());
        return Some(axes.chain([CONTENT.to_owned()]).collect());
    }
    let mut known: Vec<String> = catalog().events().map(|event| name(&event)).collect();
    known.dedup();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let problem = format!("there is no entity `{}`", entry.key);
    findings.error(&entry.place, problem, one_of(&known, &entry.key));
    None
}
