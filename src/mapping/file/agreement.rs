//! Whether the parts of a mapping agree: what tables say of deletes and what rules make of them,
//! what is named and what is there, what is watched and what is ignored.

use std::collections::HashSet;

use super::codec::CodeTables;
use super::compile::{Compiled, once};
use super::deleted::Meaning;
use super::names::one_of;
use super::rule::{Rule, Shared};
use super::scope::Scope;
use super::table::Table;
use super::when::Step;
use crate::document::{Content, Fields, Findings, Node, Place};
use crate::mapping::stage::Written;

impl Compiled {
    /// Checks the whole mapping.
    pub(super) fn check(
        &self,
        files: &[Fields<'_>],
        shared: &Shared<'_>,
        events: &[&Node],
        findings: &mut Findings,
    ) {
        for table in self.tables.values() {
            self.check_table(table, findings);
            self.check_moved(table, findings);
        }
        let on = self.all_rules().map(|rule| (&rule.on, &rule.place));
        for (on, place) in on.chain(self.links.iter().map(|link| (&link.on, &link.place))) {
            self.check_alias(on, place, findings);
        }
        self.rules.iter().for_each(|rule| self.check_watched(rule, findings));
        for (what, scope) in [("company", Some(&self.company)), ("plant", self.plant.as_ref())] {
            self.check_scope(what, scope, files, findings);
        }
        if let Some(entry) = once(files, "sources", &mut Findings::new()) {
            self.check_sources(&entry.value, findings);
        }
        let used: HashSet<&str> = self.all_rules().flat_map(Rule::code_tables).collect();
        warn_unused_codes(&shared.codes, &used, findings);
        warn_unused_sets(shared, events, findings);
    }

    /// A capture named for all tables must be one of every table that has no scope of its own.
    fn check_scope(
        &self,
        what: &str,
        scope: Option<&Scope<Written>>,
        files: &[Fields<'_>],
        findings: &mut Findings,
    ) {
        let place = files.iter().find_map(|file| file.entry(what)).map(|entry| &entry.place);
        let (Some(scope), Some(place)) = (scope, place) else { return };
        let own = |table: &Table| match what {
            "company" => table.company.is_some(),
            _ => table.plant.is_some(),
        };
        let making = |table: &&Table| self.all_rules().any(|rule| rule.on == table.alias);
        for table in self.tables.values().filter(|table| !own(table)).filter(making) {
            table.check_capture(scope, place, findings);
        }
    }

    /// What the table says of deletes, and what its rules make of them, must be the same.
    fn check_table(&self, table: &Table, findings: &mut Findings) {
        let own: Vec<&Rule> = self.rules.iter().filter(|rule| rule.on == table.alias).collect();
        if own.is_empty() {
            if !self.uses(&table.alias) {
                let problem = format!("nothing uses the table `{}`", table.alias);
                let mend = "remove the table, or write an event `on` it";
                findings.warning(&table.place, problem, mend);
            }
            return;
        }
        let Some(deleted) = &table.deleted else {
            let problem = format!("what does it mean when a row of `{}` is deleted?", table.alias);
            let mend = "add `deleted:` with one of cancelled, archived, reversed, physical, ignore";
            findings.warning(&table.place, problem, mend);
            return;
        };
        let mut firing = own.iter().filter(|rule| rule.when.has(Step::Deleted)).peekable();
        if firing.peek().is_none() && deleted.meaning != Meaning::Ignore {
            let problem = format!("no rule says that a row of `{}` was deleted", table.alias);
            let mend = "write an event with `when: deleted`, or `deleted: ignore`";
            findings.error(&table.place, problem, mend);
        }
        for rule in firing.filter(|rule| !deleted.meaning.fits(&rule.event.event)) {
            let problem =
                format!("`{}` is not what `{}` says a delete means", rule.event.name, table.alias);
            let mend = format!("change the event, or `deleted:` on line {}", deleted.place.line);
            findings.error(&rule.place, problem, mend);
        }
    }

    fn check_moved(&self, table: &Table, findings: &mut Findings) {
        let moved =
            table.deleted.as_ref().and_then(|deleted| Some((deleted, deleted.moved.as_ref()?)));
        if let Some((deleted, moved)) = moved {
            return self.check_alias(&moved.to, &deleted.place, findings);
        }
        let moving = |rule: &&Rule| rule.on == table.alias && rule.when.has(Step::Moved);
        for rule in self.rules.iter().filter(moving) {
            let problem = format!("rows of `{}` do not move anywhere", table.alias);
            let mend =
                "say where to: `deleted: { moved_to: <table>, by: [<columns>], otherwise: … }`";
            findings.error(&rule.place, problem, mend);
        }
    }

    /// What is watched must be something whose change is one.
    fn check_watched(&self, rule: &Rule, findings: &mut Findings) {
        let Some(table) = self.tables.get(&rule.on) else { return };
        for column in &rule.changed {
            let ignored = table.ignore.iter().find(|ignored| ignored.name == column.name);
            if let Some(ignored) = ignored {
                let problem = format!("a change of `{}` alone is ignored", column.name);
                let mend = format!(
                    "watch other columns, or change `ignore` on line {}",
                    ignored.place.line
                );
                findings.error(&column.place, problem, mend);
            } else if table.sum(&column.name).is_some() {
                let problem = format!("`{}` is a sum over other rows", column.name);
                findings.error(&column.place, problem, "name columns of the table itself");
            }
        }
    }

    fn check_alias(&self, alias: &str, place: &Place, findings: &mut Findings) {
        if !self.tables.contains_key(alias) {
            let known: Vec<&str> = self.tables.keys().map(String::as_str).collect();
            let problem = format!("there is no table `{alias}` in this mapping");
            findings.error(place, problem, one_of(&known, alias));
        }
    }

    /// Where several tables tell the same story, one of them is believed.
    fn check_sources(&self, node: &Node, findings: &mut Findings) {
        for entry in node.as_map(findings).unwrap_or_default() {
            let Some(alias) = entry.value.as_text(findings) else { continue };
            self.check_alias(alias, &entry.value.place, findings);
            let named =
                |rule: &&Rule| format!("{}.{}", rule.event.family, rule.event.entity) == entry.key;
            let mut rules = self.rules.iter().filter(named).peekable();
            if rules.peek().is_none() {
                let problem = format!("no event is about `{}`", entry.key);
                findings.error(
                    &entry.place,
                    problem,
                    "write family.entity, as in `inventory.movement`",
                );
            }
            for rule in rules.filter(|rule| rule.on != alias) {
                let problem = format!(
                    "`{}` comes from `{}`, and `sources` says `{alias}`",
                    entry.key, rule.on
                );
                findings.error(&rule.place, problem, "keep one of the two: it would be told twice");
            }
        }
    }
}

fn warn_unused_codes(codes: &CodeTables, used: &HashSet<&str>, findings: &mut Findings) {
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
