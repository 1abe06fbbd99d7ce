//! Code tables of a proposal: what is known of the codes that were seen, and what is left open.

use erpbridge_connector::{Column, ColumnKind};
use serde_json::Value as Json;

use super::table::{Proposal, written};
use crate::canonical::{FieldDef, usual_unit};

/// Words for states, where a code is one.
const STATES: &[(&str, &[&str])] = &[
    ("draft", &["draft", "new", "entered"]),
    ("pending_approval", &["pending", "pending_approval", "submitted"]),
    ("approved", &["approved"]),
    ("rejected", &["rejected"]),
    ("released", &["released", "sent", "issued"]),
    ("closed", &["closed", "done", "complete", "completed"]),
    ("cancelled", &["cancelled", "canceled", "void"]),
];

/// A column with more different texts than this, or with longer ones, is no column of codes; its
/// texts may be anything, and stay where they are.
const MOST_CODES: usize = 40;
const LONGEST_CODE: usize = 20;

/// The key under which a code table may have a code nobody has seen yet.
const INVENTED: &str = "X";

impl<'s> Proposal<'s> {
    /// The unit of something that is counted in it.
    pub(super) fn unit(&mut self) -> Option<String> {
        let column = self.column("unit", |column| column.kind == ColumnKind::Text)?;
        let table = self.units(column);
        Some(format!("{{ from: {}, code: {table} }} # GUESS", written(&column.name)))
    }

    /// The name of the table of units; it is written at its first use.
    pub(super) fn units(&mut self, column: &'s Column) -> String {
        let table = format!("{}_units", self.alias);
        if !self.taken.contains(&column.name.as_str()) {
            self.take(column);
            let what =
                "units of UN/ECE Recommendation 20: C62 (piece), KGM, MTR, LTR, XBX (box), ...";
            self.code_table(&table, column, what, usual_unit);
        }
        table
    }

    /// A state or a kind, where a column may hold it.
    pub(super) fn coded(&mut self, def: &FieldDef, all: &'static [String]) -> Option<String> {
        let code = |column: &Column| matches!(column.kind, ColumnKind::Text | ColumnKind::Integer);
        let lifecycle = def.name == "lifecycle_status";
        let column = self.column(if lifecycle { "status" } else { &def.name }, code)?;
        let name = self.take(column);
        self.guess(format!("column `{name}` holds the codes of `{}`", def.name));
        let table = format!("{}_{}", self.alias, if lifecycle { "lifecycle" } else { &def.name });
        let what = format!("one of {}", all.join(", "));
        self.code_table(&table, column, &what, |code| {
            let word = code.to_lowercase().replace([' ', '-'], "_");
            let known = STATES.iter().find(|(_, words)| words.contains(&word.as_str()));
            let meant = known.map_or(word.as_str(), |(state, _)| *state);
            all.iter().find(|known| *known == meant).map(String::as_str)
        });
        let field = format!("{{ from: {}, code: {table} }} # GUESS", written(name));
        if lifecycle {
            self.status = Some((name, table, all));
        }
        Some(field)
    }

    /// One line for each code that was seen; those whose meaning is not known are left to a person.
    fn code_table(
        &mut self,
        table: &str,
        column: &'s Column,
        what: &str,
        meaning: impl Fn(&str) -> Option<&'static str>,
    ) {
        let name = column.name.as_str();
        let seen = self.seen_codes(name);
        let (known, open): (Vec<&str>, Vec<&str>) =
            seen.iter().copied().partition(|code| meaning(code).is_some());
        self.codes.push(format!("  {table}:"));
        let known_lines = known.iter().filter_map(|code| {
            Some(format!("    {}: {} # GUESS", Json::from(*code), meaning(code)?))
        });
        self.codes.extend(known_lines);
        let invented = if seen.is_empty() { &[INVENTED][..] } else { &[] };
        if !open.is_empty() || !invented.is_empty() {
            self.codes.push(format!("    # FILL IN what each code means: {what}"));
            self.open.push(format!("what the codes of column `{name}` mean: {what}"));
        }
        let open_lines = open.iter().chain(invented);
        self.codes.extend(open_lines.map(|code| format!("    # {}:", Json::from(*code))));
        self.codes.push("    \"*\": dead_letter # a code that is not in the table".to_owned());
        if seen.is_empty() {
            self.codeless.push(name);
        }
        let example = open.first().or(known.first()).copied().unwrap_or(INVENTED);
        // A column of numbers can hold no letter.
        let number = column.kind != ColumnKind::Text && seen.is_empty();
        self.cells.push((name, if number { "1".to_owned() } else { example.to_owned() }));
    }

    /// The codes of a column; none if its texts are too many or too long to be codes.
    fn seen_codes(&self, column: &str) -> Vec<&'s str> {
        let seen = self.sketch.seen(column);
        let short = |text: &&str| text.chars().count() <= LONGEST_CODE;
        if seen.len() <= MOST_CODES && seen.iter().all(short) { seen } else { Vec::new() }
    }
}
