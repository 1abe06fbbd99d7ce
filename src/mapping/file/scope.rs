//! Company and plant: whose row it is, as a subject token.

use std::collections::HashMap;
use std::sync::Arc;

use super::codes::CodeTable;
use super::names::ColumnName;
use crate::canonical::subject::token;
use crate::document::{Fields, Findings, Node, Place};
use crate::mapping::keys;

/// Where a company or plant comes from.
#[derive(Clone, Debug)]
pub(in crate::mapping) enum Scope<C> {
    /// Every row has the same.
    Constant(Box<str>),
    /// A column tells, through a table of tokens if there is one.
    Column(C, Option<Arc<CodeTable>>),
}

impl Scope<ColumnName> {
    /// `{ constant: token }` or `{ column: name, aliases: { raw: token, "*": … } }`.
    pub(super) fn parse(what: &str, node: &Node, findings: &mut Findings) -> Option<Self> {
        let fields = node.fields(keys::SCOPE, findings)?;
        match (fields.get("constant"), fields.get("column")) {
            (Some(constant), None) => Self::constant(constant, &fields, findings),
            (None, Some(column)) => {
                let aliases = fields.get("aliases");
                let aliases = aliases.and_then(|aliases| parse_aliases(what, aliases, findings));
                Some(Self::Column(ColumnName::parse(column, findings)?, aliases))
            }
            _ => {
                let mend = "write `constant: <token>`, or `column: <name>` with `aliases`";
                findings.error(fields.place(), format!("where does the {what} come from?"), mend);
                None
            }
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

/// An alias table is a code table whose values are tokens, each given to one raw value only:
/// two companies under one token could not be told apart again.
fn parse_aliases(what: &str, node: &Node, findings: &mut Findings) -> Option<Arc<CodeTable>> {
    let name = format!("{what} aliases");
    let table = CodeTable::parse(&name, node, findings)?;
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
