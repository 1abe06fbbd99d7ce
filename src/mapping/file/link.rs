//! Links: which entity came from which.

use super::formula::{Formula, Pick};
use super::names::one_of;
use super::rule::named;
use crate::canonical::catalog;
use crate::document::{Findings, Node, Place};
use crate::mapping::keys;
use crate::mapping::stage::Written;

/// A link between the entity of a row and another.
#[derive(Clone, Debug)]
pub(in crate::mapping) struct Link {
    /// Its id: part of the id of the events it makes.
    pub id: String,
    /// Alias of the table whose rows hold it.
    pub on: String,
    /// The entity of the row.
    pub from: String,
    /// Its key, if not the table's.
    pub key: Option<Box<[Pick<Written>]>>,
    /// The other entity.
    pub to: String,
    /// Whether the other is the ancestor.
    pub follows: bool,
    /// What holds the other's key.
    pub by: Box<[Pick<Written>]>,
    /// Which rows hold a link.
    pub condition: Option<Formula>,
    /// Where it was written.
    pub place: Place,
}

impl Link {
    pub(super) fn parse(node: &Node, findings: &mut Findings) -> Option<Self> {
        let fields = node.fields(keys::LINK, findings)?;
        let on = fields.required("on", findings).and_then(|node| node.as_text(findings));
        let from = fields.required("from", findings).and_then(|node| entity(node, findings));
        let by = fields.required("by", findings).map(|node| Pick::parse_list(node, findings));
        let (to, follows) = match (fields.get("leads_to"), fields.get("follows")) {
            (Some(to), None) => (entity(to, findings), false),
            (None, Some(to)) => (entity(to, findings), true),
            _ => {
                let mend = "write `follows:` for what it came from, or `leads_to:` for what came \
                            from it";
                findings.error(fields.place(), "where does the link lead?", mend);
                (None, false)
            }
        };
        let key = fields.get("key").map(|node| Pick::parse_list(node, findings));
        let condition = fields.get("if").and_then(|node| Formula::condition(node, findings));
        let (on, from, to) = (on?, from?, to?);
        let id = named(&fields, findings).unwrap_or_else(|| format!("link-{from}-{to}-{on}"));
        let (on, place) = (on.to_owned(), node.place.clone());
        Some(Self { id, on, from, key, to, follows, by: by?, condition, place })
    }
}

/// An entity by its family and name; what is kept of it is the name.
fn entity(node: &Node, findings: &mut Findings) -> Option<String> {
    let text = node.as_text(findings)?;
    let name = |event: &crate::canonical::EventDef| format!("{}.{}", event.family, event.entity);
    if let Some(event) = catalog().events().find(|event| name(event) == text) {
        return Some(event.entity.clone());
    }
    let mut known: Vec<String> = catalog().events().map(name).collect();
    known.dedup();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    findings.error(&node.place, format!("there is no entity `{text}`"), one_of(&known, text));
    None
}
