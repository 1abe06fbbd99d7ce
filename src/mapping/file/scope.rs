//! Company and plant: whose row it is, as a subject token.

use std::collections::HashMap;
use std::sync::Arc;

use super::codes::CodeTable;
use super::names::ColumnName;
use crate::canonical::subject::token;
use crate::document::{Fields, Findings, Node, Place};
use crate::mapping::keys;
use crate::mapping::stage::{Stage, Written};

/// Where a company or plant comes from.
#[derive(Clone, Debug)]
pub(in crate::mapping) enum Scope<S: Stage> {
    /// Every row has the same.
    Constant(Box<str>),
    /// A column tells, through a table of tokens if there is one.
    Column(S::Column, Option<Arc<CodeTable>>),
    /// A capture of the table's name tells; none for the name of its schema or database. Bound, it
    /// is a [constant](Self::Constant), unless the aliases have no token for the name: then this
    /// holds the name they do not know, or nothing if they give it none.
    Table(Option<Box<str>>, Option<Arc<CodeTable>>),
}

impl Scope<Written> {
    /// `{ constant: token }`, or `{ column: path, aliases: { raw: token, "*": … } }`, or `capture:`
    /// or `schema: true` in place of the column.
    pub(super) fn parse(what: &str, node: &Node, findings: &mut Findings) -> Option<Self> {
        let fields = node.fields(keys::SCOPE, findings)?;
        if let (Some(constant), None) = (fields.get("constant"), origin(&fields).next()) {
            return Self::constant(constant, &fields, findings);
        }
        let aliases = fields.get("aliases");
        let aliases = aliases.and_then(|aliases| parse_aliases(what, aliases, findings));
        let mut origins = origin(&fields).filter(|_| fields.get("constant").is_none());
        match (origins.next(), origins.next()) {
            (Some(("column", node)), None) => {
                Some(Self::Column(ColumnName::parse(node, findings)?, aliases))
            }
            (Some(("capture", node)), None) => {
                Some(Self::Table(Some(node.as_text(findings)?.into()), aliases))
            }
            (Some((_, node)), None) if node.as_bool(findings)? => Some(Self::Table(None, aliases)),
            _ => {
                let mend = "write `constant: <token>`, or `column: <path>` (or `capture:`, or \
                            `schema: true`) with `aliases`";
                findings.error(fields.place(), format!("where does the {what} come from?"), mend);
                None
            }
        }
    }

    /// Every token it can give, where that is known: to tell whether two mappings speak of the
    /// same company.
    pub(in crate::mapping) fn tokens(&self) -> Option<Vec<&str>> {
        match self {
            Self::Constant(token) => Some(vec![token]),
            Self::Column(_, Some(aliases)) | Self::Table(_, Some(aliases)) if !aliases.passes() => {
                Some(aliases.targets().map(|(token, _)| token).collect())
            }
            Self::Column(..) | Self::Table(..) => None,
        }
    }

    fn constant(node: &Node, fields: &Fields<'_>, findings: &mut Findings) -> Option<Self> {
        if let Some(aliases) = fields.entry("aliases") {
            let mend = "remove the aliases, or name a column";
            findings.error(&aliases.place, "a constant needs no aliases", mend);
        }
        let text = node.as_text(findings)?;
        check_token(text, &node.place, findings);
        Some(Self::Constant(text.into()))
    }
}

fn origin<'n>(fields: &Fields<'n>) -> impl Iterator<Item = (&'static str, &'n Node)> {
    let keys = ["column", "capture", "schema"].into_iter();
    let fields = *fields;
    keys.filter_map(move |key| Some((key, fields.get(key)?)))
}

/// An alias table is a code table whose values are tokens, each given to one raw value only:
/// two companies under one token could not be told apart again.
fn parse_aliases(what: &str, node: &Node, findings: &mut Findings) -> Option<Arc<CodeTable>> {
    let name = format!("{what} aliases");
    let table = CodeTable::parse(&name, &[node], findings)?;
    let mut targets: Vec<_> = table.targets().collect();
    targets.sort_by_key(|(_, place)| (place.line, place.column));
    let mut first: HashMap<&str, &Place> = HashMap::new();
    for (token, place) in targets {
        check_token(token, place, findings);
        if let Some(earlier) = first.insert(token, place) {
            let problem = format!("two values share the token `{token}`");
            let mend = format!("give each its own; the other is on line {}", earlier.line);
            findings.error(place, problem, mend);
        }
    }
    Some(Arc::new(table))
}

fn check_token(text: &str, place: &Place, findings: &mut Findings) {
    let legal = token(text);
    if legal != text {
        let problem = format!("`{text}` cannot stand in a subject");
        findings.error(place, problem, format!("write `{legal}`"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;

    fn problems(text: &str) -> Vec<String> {
        let mut findings = Findings::new();
        let node = Document::parse("t.yaml", text).unwrap();
        Scope::parse("plant", &node, &mut findings);
        findings.into_vec().into_iter().map(|finding| finding.problem).collect()
    }

    #[test]
    fn two_raw_values_never_share_a_token() {
        let text = "{ column: w, aliases: { A: m30, B: m30, '*': dead_letter } }";
        assert_eq!(problems(text), ["two values share the token `m30`"]);
    }

    #[test]
    fn tokens_are_legal_and_the_origin_is_one() {
        assert_eq!(problems("{ constant: acme }"), Vec::<String>::new());
        assert_eq!(problems("{ constant: A.B }"), ["`A.B` cannot stand in a subject"]);
        assert_eq!(problems("{ constant: a, column: b }"), ["where does the plant come from?"]);
        assert_eq!(problems("{}"), ["where does the plant come from?"]);
    }
}
