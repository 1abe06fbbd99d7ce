//! What an ERP means by deleting a row.

use super::formula::Pick;
use super::names::word;
use crate::document::{Content, Findings, Node, Place};
use crate::mapping::keys;
use crate::mapping::stage::{Stage, Written};

/// The meaning of a delete.
#[derive(Clone, Debug)]
pub(in crate::mapping) struct Deleted {
    /// What a plain delete means.
    pub meaning: Meaning,
    /// A row deleted here and inserted there in one transaction has only moved.
    pub moved: Option<Moved<Written>>,
    /// Where it was written.
    pub place: Place,
}

/// What a plain delete means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mapping) enum Meaning {
    /// The business called it off.
    Cancelled,
    /// It moved to a history table; nothing happened to it.
    Archived,
    /// What it recorded was taken back.
    Reversed,
    /// It should never have been, or is simply gone.
    Physical,
    /// Nothing anybody needs to know.
    Ignore,
}

/// Where rows move to.
#[derive(Clone, Debug)]
pub(in crate::mapping) struct Moved<S: Stage> {
    /// Alias of the table.
    pub to: Box<str>,
    /// What holds the key the row has there.
    pub by: Box<[Pick<S>]>,
}

const NAMES: [(&str, Meaning); 5] = [
    ("cancelled", Meaning::Cancelled),
    ("archived", Meaning::Archived),
    ("reversed", Meaning::Reversed),
    ("physical", Meaning::Physical),
    ("ignore", Meaning::Ignore),
];

impl Deleted {
    /// Reads a word, or `{ moved_to: table, by: [columns], otherwise: word }`.
    pub(super) fn parse(node: &Node, findings: &mut Findings) -> Option<Self> {
        let place = node.place.clone();
        if !matches!(node.content, Content::Map(_)) {
            return Some(Self { meaning: word(node, &NAMES, findings)?, moved: None, place });
        }
        let fields = node.fields(keys::DELETED, findings)?;
        let to = fields.required("moved_to", findings).and_then(|node| node.as_text(findings));
        let by = fields.required("by", findings).map(|node| Pick::parse_list(node, findings));
        let otherwise = fields.required("otherwise", findings)?;
        let meaning = word(otherwise, &NAMES, findings)?;
        Some(Self { meaning, moved: Some(Moved { to: to?.into(), by: by? }), place })
    }
}

impl Meaning {
    /// Whether an event with this name says what the delete means.
    pub(super) fn fits(self, event: &str) -> bool {
        match self {
            Self::Cancelled => event == "cancelled",
            Self::Archived => event == "archived",
            Self::Reversed => event == "reversed",
            Self::Physical => !["cancelled", "archived", "reversed"].contains(&event),
            Self::Ignore => false,
        }
    }
}
