//! A table as a mapping sees it.

use std::collections::HashMap;

use super::deleted::Deleted;
use super::filter::Filter;
use super::formula::Pick;
use super::lookup::Lookup;
use super::names::ColumnName;
use super::reading::ReadingRules;
use super::scope::Scope;
use super::selector::Selector;
use super::sum::Sum;
use crate::document::{Fields, Findings, Node, Place};
use crate::mapping::keys;
use crate::mapping::stage::Written;

/// Which old values the bridge remembers because the log does not carry them.
#[derive(Clone, Debug, Default)]
pub(in crate::mapping) enum Keep {
    /// None but what lookups and children need.
    #[default]
    None,
    /// Every column the mapping reads.
    All,
    /// These.
    Columns(Vec<ColumnName>),
}

/// A table as a mapping sees it.
#[derive(Clone, Debug)]
pub(in crate::mapping) struct Table {
    /// The name rules use.
    pub alias: String,
    /// Which tables of the database it stands for.
    pub selector: Selector,
    /// What identifies a row, if not the primary key.
    pub key: Option<Vec<ColumnName>>,
    /// Which rows are meant.
    pub filter: Filter<Written>,
    /// Columns whose change alone is no change.
    pub ignore: Vec<ColumnName>,
    /// What a delete means, if it is said.
    pub deleted: Option<Deleted>,
    /// Old values to remember.
    pub keep: Keep,
    /// Rows of other tables that belong to its rows.
    pub lookups: Vec<Lookup>,
    /// What is summed over rows that point to its rows.
    pub sums: Vec<Sum>,
    /// Its own company, over the mapping's.
    pub company: Option<Scope<Written>>,
    /// Its own plant, over the mapping's.
    pub plant: Option<Scope<Written>>,
    /// Reading rules of the whole table.
    pub read: ReadingRules,
    /// Reading rules of single columns.
    pub columns: HashMap<String, (Place, ReadingRules)>,
    /// Where it was written.
    pub place: Place,
}

impl Table {
    pub(super) fn parse(
        alias: &str,
        place: &Place,
        node: &Node,
        findings: &mut Findings,
    ) -> Option<Self> {
        let fields = node.fields(keys::TABLE, findings)?;
        let selector = Selector::parse(&fields, findings);
        let table = Self {
            alias: alias.to_owned(),
            key: fields.get("key").map(|node| ColumnName::parse_list(node, findings)),
            filter: Filter::parse(&fields, findings),
            ignore: fields
                .get("ignore")
                .map(|node| ColumnName::parse_list(node, findings))
                .unwrap_or_default(),
            deleted: fields.get("deleted").and_then(|node| Deleted::parse(node, findings)),
            keep: fields.get("keep").map(|node| keep(node, findings)).unwrap_or_default(),
            lookups: lookups(&fields, findings),
            sums: sums(&fields, findings),
            company: scope(&fields, "company", findings),
            plant: scope(&fields, "plant", findings),
            read: read(&fields, findings),
            columns: columns(&fields, findings),
            place: place.clone(),
            selector: selector?,
        };
        table.check_captures(findings);
        table.check_filter(findings);
        table.check_own(findings);
        Some(table)
    }

    /// What an overlay says instead: scopes, reading rules and filters of a site.
    pub(super) fn overlay(&mut self, node: &Node, findings: &mut Findings) {
        let Some(fields) = node.fields(keys::OVERLAY_TABLE, findings) else { return };
        self.company = scope(&fields, "company", findings).or(self.company.take());
        self.plant = scope(&fields, "plant", findings).or(self.plant.take());
        self.read = read(&fields, findings).or(&self.read);
        for (column, (place, rules)) in columns(&fields, findings) {
            let rules = match self.columns.get(&column) {
                Some((_, own)) => rules.or(own),
                None => rules,
            };
            self.columns.insert(column, (place, rules));
        }
        let filter = Filter::parse(&fields, findings);
        if fields.get("where").is_some() {
            self.filter.tests = filter.tests;
        }
        if filter.condition.is_some() {
            self.filter.condition = filter.condition;
            self.check_filter(findings);
        }
        self.check_captures(findings);
    }

    /// The lookup of that name.
    pub(in crate::mapping) fn lookup(&self, name: &str) -> Option<&Lookup> {
        self.lookups.iter().find(|lookup| lookup.name == name)
    }

    /// The sum of that name.
    pub(in crate::mapping) fn sum(&self, name: &str) -> Option<&Sum> {
        self.sums.iter().find(|sum| sum.name == name)
    }

    /// A table's filter is asked of the row before and of the row after, each for itself.
    fn check_filter(&self, findings: &mut Findings) {
        self.filter.condition.iter().for_each(|condition| condition.refuse_old(findings));
    }

    /// What tells a row, what is ignored of it and where it moves are matters of the row alone.
    fn check_own(&self, findings: &mut Findings) {
        let moved = self.deleted.iter().filter_map(|deleted| deleted.moved.as_ref());
        let by = moved.flat_map(|moved| moved.by.iter().flat_map(Pick::columns));
        let own = self.key.iter().flatten().chain(&self.ignore).cloned();
        for column in own.chain(by) {
            if column.name.contains('.') || self.sum(&column.name).is_some() {
                let problem = format!("`{}` is no column of the row itself", column.name);
                findings.error(&column.place, problem, "name a column of the table");
            }
        }
    }

    fn check_captures(&self, findings: &mut Findings) {
        for scope in [&self.company, &self.plant].into_iter().flatten() {
            self.check_capture(scope, &self.place, findings);
        }
    }

    /// A scope that names a capture needs a pattern that has it.
    pub(super) fn check_capture(
        &self,
        scope: &Scope<Written>,
        place: &Place,
        findings: &mut Findings,
    ) {
        if let Scope::Table(Some(name), _) = scope
            && !self.selector.has_capture(name)
        {
            let problem = format!("the name of table `{}` captures no `{name}`", self.alias);
            let mend = format!("write `pattern:` with `(?<{name}>…)`, or a scope of its own");
            findings.error(place, problem, mend);
        }
    }
}

fn scope(fields: &Fields<'_>, what: &str, findings: &mut Findings) -> Option<Scope<Written>> {
    fields.get(what).and_then(|node| Scope::parse(what, node, findings))
}

fn read(fields: &Fields<'_>, findings: &mut Findings) -> ReadingRules {
    fields.get("read").map(|node| ReadingRules::parse(node, findings)).unwrap_or_default()
}

fn keep(node: &Node, findings: &mut Findings) -> Keep {
    match node.text() {
        Some("all") => Keep::All,
        _ => Keep::Columns(ColumnName::parse_list(node, findings)),
    }
}

fn lookups(fields: &Fields<'_>, findings: &mut Findings) -> Vec<Lookup> {
    let entries = fields.get("lookups").and_then(|node| node.as_map(findings)).unwrap_or_default();
    entries.iter().filter_map(|entry| Lookup::parse(entry, findings)).collect()
}

fn sums(fields: &Fields<'_>, findings: &mut Findings) -> Vec<Sum> {
    let entries = fields.get("sums").and_then(|node| node.as_map(findings)).unwrap_or_default();
    entries.iter().filter_map(|entry| Sum::parse(entry, findings)).collect()
}

fn columns(fields: &Fields<'_>, findings: &mut Findings) -> HashMap<String, (Place, ReadingRules)> {
    let entries = fields.get("columns").and_then(|node| node.as_map(findings)).unwrap_or_default();
    let read = entries.iter().map(|entry| {
        let rules = ReadingRules::parse_column(&entry.value, findings);
        (entry.key.clone(), (entry.place.clone(), rules))
    });
    read.collect()
}
