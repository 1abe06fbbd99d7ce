//! From documents to one compiled mapping: names within it are resolved, its parts are checked
//! against each other.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::codec::{CodeTables, Codec};
use super::codes::CodeTable;
use super::field::Shape;
use super::names::{ColumnName, check_name, one_of};
use super::reading::ReadingRules;
use super::rule::{Rule, Shared, Step};
use super::scope::Scope;
use super::table::{Deleted, Table};
use crate::document::{Content, Entry, Fields, Findings, Node};
use crate::mapping::keys;

/// One mapping: all files of one name.
#[derive(Clone, Debug)]
pub(in crate::mapping) struct Compiled {
    /// `<name>@<content hash>`.
    pub version: String,
    /// Reading rules of all columns.
    pub read: ReadingRules,
    /// Whose rows they are.
    pub company: Scope<ColumnName>,
    /// Where they are.
    pub plant: Option<Scope<ColumnName>>,
    /// Its tables by alias.
    pub tables: BTreeMap<String, Table>,
    /// Its rules in the order they were written.
    pub rules: Vec<Rule>,
}

/// Compiles the files of one mapping. Findings may be errors; then the result is not to be used.
pub(in crate::mapping) fn compile(
    version: &str,
    nodes: &[&Node],
    findings: &mut Findings,
) -> Option<Compiled> {
    let files: Vec<Fields<'_>> =
        nodes.iter().filter_map(|node| node.fields(keys::FILE, findings)).collect();
    let sets = shared(&files, "fields", findings);
    let sets = sets.into_iter().map(|entry| (entry.key.as_str(), entry)).collect();
    let shared = Shared { codes: codes(&files, findings), fields: sets };
    let tables = tables(&files, findings);
    let events = lists(&files, "events", findings);
    let rules: Vec<Rule> =
        events.iter().filter_map(|node| Rule::parse(node, &shared, findings)).collect();
    for table in tables.values() {
        check_table(table, &rules, findings);
    }
    for rule in &rules {
        check_table_of(rule, &tables, findings);
    }
    warn_unused_codes(&shared.codes, &rules, findings);
    warn_unused_sets(&shared, &events, findings);
    let read = once(&files, "read", findings);
    let plant = once(&files, "plant", findings);
    let company = once(&files, "company", findings);
    let place = files.first().map(Fields::place)?;
    if company.is_none() && tables.values().any(|table| table.company.is_none()) {
        let mend = "add `company: { constant: <token> }` or `company: { column: <name> }`";
        findings.error(place, "whose rows are these?", mend);
    }
    let company = company.and_then(|entry| Scope::parse("company", &entry.value, findings));
    Some(Compiled {
        version: version.to_owned(),
        read: read.map(|entry| ReadingRules::parse(&entry.value, findings)).unwrap_or_default(),
        // Without a company of the mapping every table has its own, and this is never looked at.
        company: company
            .unwrap_or_else(|| Scope::Constant(crate::canonical::subject::UNKNOWN.into())),
        plant: plant.and_then(|entry| Scope::parse("plant", &entry.value, findings)),
        tables,
        rules,
    })
}

/// A key that only one file of a mapping may have.
fn once<'n>(files: &[Fields<'n>], key: &str, findings: &mut Findings) -> Option<&'n Entry> {
    let mut entries = files.iter().filter_map(|file| file.entry(key));
    let first = entries.next()?;
    for entry in entries {
        let problem = format!("`{key}` is said twice in this mapping");
        findings.error(&entry.place, problem, format!("keep one; the other is at {}", first.place));
    }
    Some(first)
}

fn lists<'n>(files: &[Fields<'n>], key: &str, findings: &mut Findings) -> Vec<&'n Node> {
    let nodes = files.iter().filter_map(|file| file.get(key));
    nodes.filter_map(|node| node.as_list(findings)).flatten().collect()
}

/// The entries of a map that all files of a mapping share.
fn shared<'n>(files: &[Fields<'n>], key: &str, findings: &mut Findings) -> Vec<&'n Entry> {
    let nodes = files.iter().filter_map(|file| file.get(key));
    let entries: Vec<&Entry> = nodes.filter_map(|node| node.as_map(findings)).flatten().collect();
    let mut seen: BTreeMap<&str, &Entry> = BTreeMap::new();
    for &entry in &entries {
        match seen.get(entry.key.as_str()) {
            Some(first) if first.place.file != entry.place.file => {
                let problem = format!("`{}` is written in two files", entry.key);
                let mend = format!("keep one; the other is at {}", first.place);
                findings.error(&entry.place, problem, mend);
            }
            Some(_) => {}
            None => {
                seen.insert(&entry.key, entry);
            }
        }
    }
    entries
}

fn codes(files: &[Fields<'_>], findings: &mut Findings) -> CodeTables {
    let entries = shared(files, "codes", findings).into_iter().filter_map(|entry| {
        let table = CodeTable::parse(&entry.key, &entry.value, findings)?;
        Some((entry.key.clone(), Arc::new(table)))
    });
    entries.collect()
}

fn tables(files: &[Fields<'_>], findings: &mut Findings) -> BTreeMap<String, Table> {
    let entries = shared(files, "tables", findings).into_iter().filter_map(|entry| {
        check_name(&entry.key, &entry.place, findings);
        let table = Table::parse(&entry.key, &entry.place, &entry.value, findings)?;
        Some((entry.key.clone(), table))
    });
    entries.collect()
}

/// What the table says of deletes, and what its rules make of them, must be the same.
fn check_table(table: &Table, rules: &[Rule], findings: &mut Findings) {
    let own: Vec<&Rule> = rules.iter().filter(|rule| rule.on == table.alias).collect();
    if own.is_empty() {
        let problem = format!("no event uses the table `{}`", table.alias);
        findings.warning(&table.place, problem, "remove the table, or write an event `on` it");
        return;
    }
    let Some(deleted) = table.deleted else {
        let problem = format!("what does it mean when a row of `{}` is deleted?", table.alias);
        let mend = "add `deleted:` with one of cancelled, archived, reversed, physical, ignore";
        findings.warning(&table.place, problem, mend);
        return;
    };
    let mut firing = own.iter().filter(|rule| rule.when.has(Step::Deleted)).peekable();
    if firing.peek().is_none() && deleted != Deleted::Ignore {
        let problem = format!("no rule says that a row of `{}` was deleted", table.alias);
        let mend = "write an event with `when: deleted`, or `deleted: ignore`";
        findings.error(&table.place, problem, mend);
    }
    for rule in firing.filter(|rule| !deleted.fits(&rule.event.event)) {
        let problem =
            format!("`{}` is not what `{}` says a delete means", rule.event.name, table.alias);
        let mend = format!("change the event, or `deleted:` on line {}", table.place.line);
        findings.error(&rule.place, problem, mend);
    }
}

fn check_table_of(rule: &Rule, tables: &BTreeMap<String, Table>, findings: &mut Findings) {
    if !tables.contains_key(&rule.on) {
        let known: Vec<&str> = tables.keys().map(String::as_str).collect();
        let problem = format!("there is no table `{}` in this mapping", rule.on);
        findings.error(&rule.place, problem, one_of(&known, &rule.on));
    }
}

fn warn_unused_codes(codes: &CodeTables, rules: &[Rule], findings: &mut Findings) {
    let used: HashSet<&str> = rules.iter().flat_map(Rule::code_tables).collect();
    let mut unused: Vec<_> = codes.values().filter(|table| !used.contains(&*table.name)).collect();
    unused.sort_by_key(|table| table.place.line);
    for table in unused {
        let problem = format!("no event uses the code table `{}`", table.name);
        findings.warning(&table.place, problem, "remove it, or use it with `code:`");
    }
}

fn warn_unused_sets(shared: &Shared<'_>, events: &[&Node], findings: &mut Findings) {
    let used = |name: &str| {
        events.iter().any(|event| match &event.content {
            Content::Map(entries) => entries
                .iter()
                .any(|entry| entry.key == "fields" && entry.value.text() == Some(name)),
            _ => false,
        })
    };
    for (name, entry) in shared.fields.iter().filter(|(name, _)| !used(name)) {
        let problem = format!("no event uses the set of fields `{name}`");
        findings.warning(&entry.place, problem, format!("remove it, or write `fields: {name}`"));
    }
}

impl Rule {
    fn code_tables(&self) -> impl Iterator<Item = &str> {
        let parts = self.fields.iter().flat_map(|field| match &field.shape {
            Shape::One(part) => [Some(part), None],
            Shape::Quantity(value, other) | Shape::Money(value, other) => {
                [Some(value), Some(other)]
            }
        });
        let parts = parts.flatten().chain(&self.number).chain(&self.effective);
        let tables = parts.filter_map(|part| match &part.codec {
            Codec::Code(table) => Some(table.name.as_str()),
            _ => None,
        });
        tables.chain(self.transition.iter().map(|transition| transition.codes.name.as_str()))
    }
}
