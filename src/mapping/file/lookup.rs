//! Lookups: rows that belong to a row, found by their key.

use super::formula::{Formula, Pick};
use super::names::{ColumnName, check_name, word};
use crate::document::{Content, Entry, Findings, Node, Place};
use crate::mapping::keys;
use crate::mapping::stage::Written;

/// What happens when the row looked for is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::mapping) enum Missing {
    /// The event cannot be made.
    #[default]
    DeadLetter,
    /// What is asked of it is null.
    Null,
    /// The change waits for the row, and what happens to its own row later waits behind it.
    Wait(Patience),
}

/// How long a change waits: microseconds of the source's own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::mapping) struct Patience(pub i64);

impl Default for Patience {
    fn default() -> Self {
        Self(7 * DAY)
    }
}

const DAY: i64 = 24 * 60 * 60 * 1_000_000;
/// A row that did not come in a year does not come.
const LONGEST: i64 = 366 * DAY;

impl Missing {
    /// How long a change waits, if it does.
    pub(in crate::mapping) fn patience(self) -> Option<Patience> {
        match self {
            Self::Wait(patience) => Some(patience),
            Self::DeadLetter | Self::Null => None,
        }
    }

    /// Reads `dead_letter`, `null`, `wait` or `{ wait: 3d }`.
    fn parse(node: &Node, findings: &mut Findings) -> Option<Self> {
        let words = [
            ("dead_letter", Self::DeadLetter),
            ("null", Self::Null),
            ("wait", Self::Wait(Patience::default())),
        ];
        match &node.content {
            _ if node.is_null() => Some(Self::Null),
            Content::Map(_) => {
                let fields = node.fields(keys::MISSING, findings)?;
                Patience::parse(fields.required("wait", findings)?, findings).map(Self::Wait)
            }
            _ => word(node, &words, findings),
        }
    }
}

impl Patience {
    fn parse(node: &Node, findings: &mut Findings) -> Option<Self> {
        let micros = i64::try_from(node.as_duration(findings)?.as_micros()).unwrap_or(i64::MAX);
        if !(1..=LONGEST).contains(&micros) {
            let mend = "write a time between `1s` and `366d`";
            findings.error(&node.place, "nothing waits that short or that long", mend);
            return None;
        }
        Some(Self(micros))
    }
}

/// Rows of another table that belong to rows of this one.
#[derive(Clone, Debug)]
pub(in crate::mapping) struct Lookup {
    /// The name paths begin with.
    pub name: String,
    /// Alias of the table it leads to.
    pub to: String,
    /// What holds the key of the row it leads to.
    pub by: Box<[Pick<Written>]>,
    /// Which rows lead anywhere; all, if nothing is said.
    pub condition: Option<Formula>,
    /// What happens when it is not there.
    pub missing: Missing,
    /// Where it was written.
    pub place: Place,
}

impl Lookup {
    /// Reads `name: { to, by, if, missing }`.
    pub(super) fn parse(entry: &Entry, findings: &mut Findings) -> Option<Self> {
        check_name(&entry.key, &entry.place, findings);
        if entry.key.contains('.') {
            let mend = "write a name without dots: paths are made of them";
            findings.error(&entry.place, "a lookup's name ends at its first dot", mend);
        }
        let fields = entry.value.fields(keys::LOOKUP, findings)?;
        let to = fields.required("to", findings).and_then(|node| node.as_text(findings));
        let by = fields.required("by", findings).map(|node| Pick::parse_list(node, findings));
        let condition = fields.get("if").and_then(|node| Formula::still(node, findings));
        let missing = match fields.get("missing") {
            None => Missing::DeadLetter,
            Some(node) => Missing::parse(node, findings)?,
        };
        let (name, place) = (entry.key.clone(), entry.place.clone());
        Some(Self { name, to: to?.to_owned(), by: by?, condition, missing, place })
    }
}

impl Lookup {
    /// What its rows are led by, as it is written: columns, expressions, and the condition.
    pub(in crate::mapping) fn leads(&self) -> Vec<(&'static str, &str)> {
        let by = self.by.iter().map(|pick| match pick {
            Pick::Column(column) => ("column", column.name.as_str()),
            Pick::Formula(formula) => ("expr", formula.expression.text()),
        });
        by.chain(self.condition.iter().map(|only| ("if", only.expression.text()))).collect()
    }

    /// Every column of its own table that it names.
    pub(super) fn columns(&self) -> Vec<ColumnName> {
        let by = self.by.iter().flat_map(Pick::columns);
        by.chain(self.condition.iter().flat_map(Formula::columns)).collect()
    }
}
