//! What must be remembered: which columns of which tables, and by which lookups rows are found
//! from the rows they lead to.

use std::collections::{BTreeMap, BTreeSet};

use super::children::Children;
use super::names::{ColumnName, one_of};
use super::sum::Sum;
use super::table::{Keep, Table};
use crate::document::{Findings, Place};

/// Longer ways than this are not a mapping any more.
const MAX_DEPTH: usize = 8;

/// What is remembered of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::mapping) struct Kept {
    /// The columns.
    pub columns: BTreeSet<String>,
    /// The lookups by which children are found.
    pub indexes: BTreeSet<String>,
}

/// By alias of the table.
pub(in crate::mapping) type KeptTables = BTreeMap<String, Kept>;

/// Follows the paths of a mapping.
pub(super) struct Keeping<'t, 'f> {
    tables: &'t BTreeMap<String, Table>,
    kept: KeptTables,
    findings: &'f mut Findings,
}

impl<'t, 'f> Keeping<'t, 'f> {
    pub(super) fn new(tables: &'t BTreeMap<String, Table>, findings: &'f mut Findings) -> Self {
        let mut keeping = Self { tables, kept: KeptTables::new(), findings };
        for table in tables.values() {
            keeping.check_lookups(table);
            match &table.keep {
                Keep::None => {}
                Keep::All => {
                    keeping.kept.entry(table.alias.clone()).or_default();
                }
                Keep::Columns(columns) => columns.iter().for_each(|c| keeping.own(table, c)),
            }
        }
        keeping
    }

    /// Notes what the columns named on a table ask for.
    pub(super) fn read(&mut self, alias: &str, columns: impl IntoIterator<Item = ColumnName>) {
        let Some(table) = self.tables.get(alias) else { return };
        for column in columns {
            match column.name.contains('.') {
                true => {
                    self.follow(table, &column);
                    // A deleted row whose log carries its key alone still leads to others.
                    if !matches!(table.keep, Keep::None) {
                        self.keep_by(table, &column);
                    }
                }
                false if table.sum(&column.name).is_some() => self.last(table, &column.name),
                false if matches!(table.keep, Keep::All) => self.keep(alias, &column.name),
                false => {}
            }
        }
    }

    /// The end of a path: a column, or a sum.
    fn last(&mut self, table: &'t Table, name: &str) {
        match table.sum(name) {
            Some(sum) => self.sum(table, sum),
            None => self.keep(&table.alias, name),
        }
    }

    fn sum(&mut self, parent: &'t Table, sum: &'t Sum) {
        self.index(&parent.alias, &sum.table, &sum.lookup, &sum.place);
        let summed =
            |name: &str| self.tables.get(&sum.table).is_some_and(|of| of.sum(name).is_some());
        for column in sum.columns() {
            if summed(&column.name) {
                let mend = "sum the column that the other sum is made of";
                let problem = format!("`{}` is a sum itself", column.name);
                self.findings.error(&column.place, problem, mend);
            } else if column.name.contains('.') {
                let mend = "sum a column of the table itself, on conditions of its own columns";
                let problem = "a sum cannot look anything up";
                self.findings.error(&column.place, problem, mend);
            } else {
                self.keep(&sum.table, &column.name);
            }
        }
    }

    /// The table whose rows are found from the row they point to.
    fn index(
        &mut self,
        parent: &str,
        alias: &str,
        lookup: &str,
        place: &Place,
    ) -> Option<&'t Table> {
        let Some(table) = self.tables.get(alias) else {
            self.unknown(alias, place);
            return None;
        };
        match table.lookup(lookup) {
            Some(known) if known.to == parent => {}
            Some(known) => {
                let problem = format!(
                    "lookup `{lookup}` of `{alias}` leads to `{}`, not to `{parent}`",
                    known.to
                );
                self.findings.error(place, problem, "name one that leads here");
            }
            None => self.no_lookup(table, lookup, place),
        }
        let kept = self.kept.entry(alias.to_owned()).or_default();
        kept.indexes.insert(lookup.to_owned());
        self.kept.entry(parent.to_owned()).or_default();
        Some(table)
    }

    /// Notes what a table's filter asks for: whether a row was in it is judged by what is remembered
    /// of the row.
    pub(super) fn filter(&mut self, table: &'t Table) {
        for column in table.filter.columns() {
            match column.name.contains('.') {
                _ if !self.kept.contains_key(&table.alias) => {}
                true => self.keep_by(table, &column),
                false => self.last(table, &column.name),
            }
        }
    }

    /// Notes what a link asks for: the rows that hold it are remembered, so that links come back
    /// with them.
    pub(super) fn link(&mut self, alias: &str, columns: Vec<ColumnName>) {
        for column in columns.iter().filter(|column| !column.name.contains('.')) {
            self.keep(alias, &column.name);
        }
        self.read(alias, columns);
    }

    /// Notes what a list of children asks for.
    pub(super) fn children(&mut self, parent: &str, children: &Children) {
        let (alias, lookup) = (&children.table, &children.lookup);
        let Some(table) = self.index(parent, alias, lookup, &children.place) else { return };
        let columns = children.fields.iter().flat_map(super::field::Field::columns);
        let picks = children.key.iter().flatten().flat_map(super::formula::Pick::columns);
        let condition = children.condition.iter().flat_map(super::formula::Formula::columns);
        for column in columns.chain(picks).chain(condition).chain(children.sort.clone()) {
            if column.name.contains('.') {
                self.follow(table, &column);
                self.keep_by(table, &column);
            } else {
                self.last(table, &column.name);
            }
        }
    }

    pub(super) fn finish(self) -> KeptTables {
        self.kept
    }

    fn follow(&mut self, table: &'t Table, column: &ColumnName) {
        let mut table = table;
        let segments: Vec<&str> = column.name.split('.').collect();
        let Some((last, lookups)) = segments.split_last() else { return };
        if lookups.len() > MAX_DEPTH {
            let problem = format!("the path goes over more than {MAX_DEPTH} lookups");
            self.findings.error(&column.place, problem, "look the row up by a key of its own");
            return;
        }
        for (step, name) in lookups.iter().enumerate() {
            let Some(lookup) = table.lookup(name) else {
                return self.no_lookup(table, name, &column.place);
            };
            if step > 0 {
                self.keep_all(table, &lookup.columns());
            }
            let Some(next) = self.tables.get(&lookup.to) else { return };
            table = next;
            self.kept.entry(table.alias.clone()).or_default();
        }
        self.last(table, last);
    }

    /// A row that is remembered and looks up others must remember what it looks them up by.
    fn keep_by(&mut self, table: &'t Table, column: &ColumnName) {
        let name = column.name.split('.').next().unwrap_or_default();
        if let Some(lookup) = table.lookup(name) {
            self.keep_all(table, &lookup.columns());
        }
    }

    fn keep_all(&mut self, table: &Table, columns: &[ColumnName]) {
        for column in columns {
            self.keep(&table.alias, &column.name);
        }
    }

    fn own(&mut self, table: &Table, column: &ColumnName) {
        if column.name.contains('.') {
            let mend = "keep a column of the table itself";
            self.findings.error(&column.place, "what is looked up is kept by itself", mend);
        } else {
            self.keep(&table.alias, &column.name);
        }
    }

    fn keep(&mut self, alias: &str, column: &str) {
        self.kept.entry(alias.to_owned()).or_default().columns.insert(column.to_owned());
    }

    fn check_lookups(&mut self, table: &Table) {
        for lookup in &table.lookups {
            if !self.tables.contains_key(&lookup.to) {
                self.unknown(&lookup.to, &lookup.place);
            }
            for column in lookup.columns().iter().filter(|column| column.name.contains('.')) {
                let mend = "name columns of its own table; follow lookups in paths: `a.b.column`";
                let problem = "a lookup cannot lean on another one: they could run in circles";
                self.findings.error(&column.place, problem, mend);
            }
        }
    }

    fn unknown(&mut self, alias: &str, place: &Place) {
        let known: Vec<&str> = self.tables.keys().map(String::as_str).collect();
        let problem = format!("there is no table `{alias}` in this mapping");
        self.findings.error(place, problem, one_of(&known, alias));
    }

    fn no_lookup(&mut self, table: &Table, name: &str, place: &Place) {
        let known: Vec<&str> = table.lookups.iter().map(|lookup| lookup.name.as_str()).collect();
        let problem = format!("table `{}` has no lookup `{name}`", table.alias);
        self.findings.error(place, problem, one_of(&known, name));
    }
}
