//! From documents to one compiled mapping: names within it are resolved, its parts are checked
//! against each other, and what a site's overlay says is laid over it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::authority::{self, Authority};
use super::children::Children;
use super::codec::CodeTables;
use super::codes::CodeTable;
use super::drift::Drift;
use super::exception::Exception;
use super::keeping::{Keeping, KeptTables};
use super::link::Link;
use super::names::{ColumnName, check_name, one_of};
use super::reading::ReadingRules;
use super::rule::{Rule, Shared};
use super::scope::Scope;
use super::table::{Keep, Table};
use super::when::Step;
use crate::document::{Entry, Fields, Findings, Node, Place};
use crate::mapping::keys;
use crate::mapping::stage::Written;

/// One mapping: all files of one name, and its overlays.
#[derive(Clone, Debug)]
pub(in crate::mapping) struct Compiled {
    /// Its name.
    pub name: String,
    /// `<name>@<content hash>`.
    pub version: String,
    /// Reading rules of all columns.
    pub read: ReadingRules,
    /// Whose rows they are.
    pub company: Scope<Written>,
    /// Where they are.
    pub plant: Option<Scope<Written>>,
    /// Which axes it speaks for.
    pub authority: Authority,
    /// What is done when the ERP changes.
    pub drift: Drift,
    /// Its tables by alias.
    pub tables: BTreeMap<String, Table>,
    /// Its rules in the order they were written.
    pub rules: Vec<Rule>,
    /// Its exceptions, in order.
    pub exceptions: Vec<Exception>,
    /// Its links, in order.
    pub links: Vec<Link>,
    /// What is remembered, by alias.
    pub kept: KeptTables,
}

/// Compiles the files of one mapping. Findings may be errors; then the result is not to be used.
pub(in crate::mapping) fn compile(
    name: &str,
    version: &str,
    nodes: &[&Node],
    overlays: &[&Node],
    findings: &mut Findings,
) -> Option<Compiled> {
    let files = all_fields(nodes, keys::FILE, findings);
    let over = all_fields(overlays, keys::OVERLAY, findings);
    let sets = shared(&files, "fields", findings);
    let sets = sets.into_iter().map(|entry| (entry.key.as_str(), entry)).collect();
    let shared = Shared { codes: codes(&files, &over, findings), fields: sets };
    let mut tables = tables(&files, findings);
    lay_over(&over, &mut tables, findings);
    let events = lists(&files, "events", findings);
    let rules = events.iter().filter_map(|node| Rule::parse(node, &shared, findings)).collect();
    let raised = lists(&files, "exceptions", findings);
    let exceptions =
        raised.iter().filter_map(|node| Exception::parse(node, &shared, findings)).collect();
    let links = lists(&files, "links", findings);
    let links = links.iter().filter_map(|node| Link::parse(node, findings)).collect();
    let read = [once(&over, "read", findings), once(&files, "read", findings)];
    let read = read.into_iter().flatten().map(|entry| ReadingRules::parse(&entry.value, findings));
    let read = read.reduce(|over, own| over.or(&own)).unwrap_or_default();
    let company = scope("company", &over, &files, findings);
    let plant = scope("plant", &over, &files, findings);
    let authority = once(&files, "authority", findings);
    let drift = once(&files, "drift", findings);
    let place = files.first().map(Fields::place)?;
    if company.is_none() && tables.values().any(|table| table.company.is_none()) {
        let mend = "add `company: { constant: <token> }` or `company: { column: <name> }`";
        findings.error(place, "whose rows are these?", mend);
    }
    let mut compiled = Compiled {
        name: name.to_owned(),
        version: version.to_owned(),
        read,
        // Without a company of the mapping every table has its own, and this is never looked at.
        company: company.map_or_else(
            || Scope::Constant(crate::canonical::subject::UNKNOWN.into()),
            |(scope, _)| scope,
        ),
        plant: plant.map(|(scope, _)| scope),
        authority: authority.map(|e| authority::parse(&e.value, findings)).unwrap_or_default(),
        drift: drift.map(|entry| Drift::parse(&entry.value, findings)).unwrap_or_default(),
        tables,
        rules,
        exceptions,
        links,
        kept: KeptTables::new(),
    };
    compiled.kept = compiled.keep(findings);
    compiled.check(&files, &shared, &events, findings);
    Some(compiled)
}

fn all_fields<'n>(nodes: &[&'n Node], known: &[&str], findings: &mut Findings) -> Vec<Fields<'n>> {
    nodes.iter().filter_map(|node| node.fields(known, findings)).collect()
}

impl Compiled {
    /// Every rule that makes events, those of exceptions included.
    pub(in crate::mapping) fn all_rules(&self) -> impl Iterator<Item = &Rule> {
        let raised = self.exceptions.iter().flat_map(|raised| [&raised.opened, &raised.closed]);
        self.rules.iter().chain(raised)
    }

    /// Whether rows of the table make events or links.
    pub(in crate::mapping) fn makes(&self, alias: &str) -> bool {
        self.all_rules().any(|rule| rule.on == alias)
            || self.links.iter().any(|link| link.on == alias)
    }

    /// Whether anything looks at the table.
    pub(in crate::mapping) fn uses(&self, alias: &str) -> bool {
        self.kept.contains_key(alias) || self.makes(alias) || self.moves_to(alias)
    }

    /// Whether whatever is needed of the table's old rows is remembered. A table that only others
    /// look up needs no more than what they ask of it.
    pub(in crate::mapping) fn remembers(&self, alias: &str) -> bool {
        let all = self.tables.get(alias).is_some_and(|table| matches!(table.keep, Keep::All));
        self.kept.contains_key(alias) && (all || !self.makes(alias))
    }

    /// Whether changes of other tables may wait for rows of the table.
    pub(in crate::mapping) fn awaits(&self, alias: &str) -> bool {
        let lookups = self.tables.values().flat_map(|table| &table.lookups);
        lookups
            .filter(|lookup| lookup.to == alias)
            .any(|lookup| lookup.missing.patience().is_some())
    }

    /// Whether rows of the table found by a snapshot make events.
    pub(in crate::mapping) fn snapshots(&self, alias: &str) -> bool {
        self.all_rules().any(|rule| rule.on == alias && rule.when.has(Step::Read))
    }

    /// Whether rows of another table move to this one.
    pub(in crate::mapping) fn moves_to(&self, alias: &str) -> bool {
        let moved =
            |table: &Table| table.deleted.as_ref().and_then(|deleted| deleted.moved.clone());
        self.tables.values().filter_map(moved).any(|moved| *moved.to == *alias)
    }

    fn keep(&self, findings: &mut Findings) -> KeptTables {
        let mut keeping = Keeping::new(&self.tables, findings);
        for rule in self.all_rules() {
            keeping.read(&rule.on, rule.columns());
            rule.children().for_each(|children: &Children| keeping.children(&rule.on, children));
        }
        for raised in &self.exceptions {
            keeping.read(&raised.opened.on, raised.columns());
        }
        for link in &self.links {
            keeping.link(&link.on, link.columns());
        }
        for table in self.tables.values() {
            let company = table.company.as_ref().unwrap_or(&self.company).columns();
            let plant = table.plant.as_ref().or(self.plant.as_ref());
            let scopes = company.into_iter().chain(plant.and_then(Scope::columns));
            let read = scopes.chain(table.filter.columns()).collect::<Vec<ColumnName>>();
            // A table that only others look up needs no company.
            if self.makes(&table.alias) {
                keeping.read(&table.alias, read);
            }
        }
        for table in self.tables.values().filter(|table| self.makes(&table.alias)) {
            keeping.filter(table);
        }
        keeping.finish()
    }
}

/// A key that only one file of a mapping may have.
pub(super) fn once<'n>(
    files: &[Fields<'n>],
    key: &str,
    findings: &mut Findings,
) -> Option<&'n Entry> {
    let mut entries = files.iter().filter_map(|file| file.entry(key));
    let first = entries.next()?;
    for entry in entries {
        let problem = format!("`{key}` is said twice in this mapping");
        findings.error(&entry.place, problem, format!("keep one; the other is at {}", first.place));
    }
    Some(first)
}

/// A scope: the overlay's, or else the mapping's.
fn scope(
    what: &str,
    over: &[Fields<'_>],
    files: &[Fields<'_>],
    findings: &mut Findings,
) -> Option<(Scope<Written>, Place)> {
    let entry = once(over, what, findings).or_else(|| once(files, what, findings))?;
    Some((Scope::parse(what, &entry.value, findings)?, entry.place.clone()))
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

fn codes(files: &[Fields<'_>], over: &[Fields<'_>], findings: &mut Findings) -> CodeTables {
    let local = shared(over, "codes", findings);
    let own = shared(files, "codes", findings);
    for entry in local.iter().filter(|entry| !own.iter().any(|own| own.key == entry.key)) {
        let known: Vec<&str> = own.iter().map(|entry| entry.key.as_str()).collect();
        let problem = format!("the mapping has no code table `{}`", entry.key);
        findings.error(&entry.place, problem, one_of(&known, &entry.key));
    }
    let tables = own.into_iter().filter_map(|entry| {
        let mut nodes = vec![&entry.value];
        nodes.extend(local.iter().filter(|over| over.key == entry.key).map(|over| &over.value));
        let table = CodeTable::parse(&entry.key, &nodes, findings)?;
        Some((entry.key.clone(), Arc::new(table)))
    });
    tables.collect()
}

fn tables(files: &[Fields<'_>], findings: &mut Findings) -> BTreeMap<String, Table> {
    let entries = shared(files, "tables", findings).into_iter().filter_map(|entry| {
        check_name(&entry.key, &entry.place, findings);
        let table = Table::parse(&entry.key, &entry.place, &entry.value, findings)?;
        Some((entry.key.clone(), table))
    });
    entries.collect()
}

fn lay_over(over: &[Fields<'_>], tables: &mut BTreeMap<String, Table>, findings: &mut Findings) {
    for entry in shared(over, "tables", findings) {
        if let Some(table) = tables.get_mut(&entry.key) {
            table.overlay(&entry.value, findings);
        } else {
            let known: Vec<&str> = tables.keys().map(String::as_str).collect();
            let problem = format!("the mapping has no table `{}`", entry.key);
            findings.error(&entry.place, problem, one_of(&known, &entry.key));
        }
    }
}
