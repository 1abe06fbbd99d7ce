//! Ownership over all mappings of a configuration: two that claim to speak for the same side of
//! the same company's entity contradict each other, and nobody downstream could tell which is
//! right.

use std::collections::BTreeMap;

use erpbridge_connector::Finding;

use super::Mapping;
use super::file::{Compiled, Voice};
use crate::document::{Findings, Place};

/// What contradicts what, among the mappings of all sources.
pub fn contradictions<'m>(mappings: impl IntoIterator<Item = &'m Mapping>) -> Vec<Finding> {
    let mut findings = Findings::new();
    let mut owners: BTreeMap<(&str, &str), Vec<(&Compiled, &Place)>> = BTreeMap::new();
    let compiled = mappings.into_iter().flat_map(|mapping| mapping.compiled.iter());
    for mapping in compiled {
        for ((entity, axis), claim) in &mapping.authority {
            if claim.voice == Voice::Replica {
                continue;
            }
            let others = owners.entry((entity, axis)).or_default();
            for (_, place) in others.iter().filter(|(other, _)| share_company(mapping, other)) {
                let problem = format!("two mappings speak for `{axis}` of `{entity}`");
                let mend = format!("say `replica` here or at {place}");
                findings.error(&claim.place, problem, mend);
            }
            others.push((mapping, &claim.place));
        }
    }
    findings.into_vec()
}

/// Whether two mappings may speak of the same company. Where that is not known, they may.
fn share_company(one: &Compiled, other: &Compiled) -> bool {
    match (companies(one), companies(other)) {
        (Some(one), Some(other)) => one.iter().any(|company| other.contains(company)),
        _ => true,
    }
}

fn companies(mapping: &Compiled) -> Option<Vec<&str>> {
    let mut all = Vec::new();
    for table in mapping.tables.values() {
        all.extend(table.company.as_ref().unwrap_or(&mapping.company).tokens()?);
    }
    Some(all)
}
