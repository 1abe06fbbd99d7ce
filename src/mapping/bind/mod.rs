//! Binding: a mapping meets a table. Names become indexes, codecs are checked against the kinds
//! of their columns, expressions against their types, and what a rule needs of old rows against
//! what the log carries and the bridge remembers.
//!
//! Everything that can go wrong with a whole table goes wrong here, once, with the place in the
//! mapping and a sentence; what is left for a row to do wrong is its values.

mod column;
mod fit;
mod formula;
mod needs;
mod rule;
mod slots;
mod value;
mod world;

use std::collections::BTreeSet;
use std::sync::Arc;

use erpbridge_connector::TableSchema;

use self::column::{Binder, Ground};
pub(super) use self::column::{Cell, Origin};
pub(super) use self::formula::{Formula, Seen};
pub(super) use self::slots::{Slot, SumPlan};
pub(super) use self::value::Children;
pub(super) use self::world::{World, prefix};
use super::file::{Captures, CodeTable, Coded, Compiled, Filter, Scope, Selector, Table, Test};
use super::plan::{Keeping, TablePlan, View};
use super::stage::{Bound, Written};
use crate::canonical::EventTemplate;
use crate::canonical::subject::token;
use crate::document::Findings;

/// Binds every table of the mappings that stands for this one. `None` if none does.
pub(super) fn bind(
    mappings: &[Compiled],
    world: &World<'_>,
    source: &str,
    schema: &Arc<TableSchema>,
    findings: &mut Findings,
) -> Option<TablePlan> {
    let mut views: Vec<(&Table, View)> = Vec::new();
    for mapping in mappings {
        for table in mapping.tables.values() {
            let Some(captures) = table.selector.captures(&schema.name) else { continue };
            if !mapping.uses(&table.alias) {
                continue;
            }
            let mut binder = Binder {
                mapping,
                table,
                schema,
                captures: &captures,
                world,
                ground: Ground::Log,
                findings,
                slots: Vec::new(),
                used: BTreeSet::new(),
            };
            let bound = view(source, &mut binder);
            // Never silently: the rows of such a table would be passed over.
            if bound.is_none() && !findings.has_errors() {
                let problem = format!("`{}` cannot be read from `{}`", table.alias, schema.name);
                let mend = "report it with the mapping: what is wrong should have been told before";
                findings.error(&table.place, problem, mend);
            }
            views.extend(bound.map(|view| (table, view)));
        }
    }
    agree(&views, findings);
    let ignored: Vec<usize> = views.iter().flat_map(|(_, view)| view.ignored.clone()).collect();
    let (_, first) = views.first()?;
    let key = first.key.iter().filter_map(Cell::own).collect();
    let all = views.iter().any(|(_, view)| view.leans_on_others());
    let read: BTreeSet<usize> = views.iter().flat_map(|(_, view)| view.reads()).collect();
    let compared = (0..schema.columns.len())
        .map(|column| (all || read.contains(&column)) && !ignored.contains(&column))
        .collect();
    Some(TablePlan::new(key, compared, views.into_iter().map(|(_, view)| view).collect()))
}

/// Folding and the suppression of no-ops happen once per table, whatever its aliases are.
fn agree(views: &[(&Table, View)], findings: &mut Findings) {
    let Some(((first, one), others)) = views.split_first() else { return };
    for (table, other) in others {
        let indexes = |view: &View| view.key.iter().map(Cell::own).collect::<Vec<_>>();
        if indexes(one) != indexes(other) || one.ignored != other.ignored {
            let problem =
                format!("`{}` and `{}` are the same table, yet differ", table.alias, first.alias);
            let mend = "give both the same `key` and the same `ignore`";
            findings.error(&table.place, problem, mend);
        }
    }
}

fn view(source: &str, binder: &mut Binder<'_>) -> Option<View> {
    let (table, mapping) = (binder.table, binder.mapping);
    binder.check_columns();
    let key = binder.key();
    let ignored = binder.cells(&table.ignore);
    let keeping = keeping(binder);
    let filter = filter(&table.filter, binder);
    let filter_slots = binder.take_used();
    let makes = mapping.makes(&table.alias);
    // A table that only others look up belongs to nobody.
    let unknown = Scope::Constant(crate::canonical::subject::UNKNOWN.into());
    let own = table.company.as_ref().unwrap_or(&mapping.company);
    let company = if makes { scope(own, binder) } else { Some(unknown) };
    let plant = table.plant.as_ref().or(mapping.plant.as_ref()).filter(|_| makes);
    let plant = optional(plant, |plant| scope(plant, binder));
    let scope_slots = binder.take_used();
    let rules = rule::rules(source, &scope_slots, binder);
    let exceptions = rule::exceptions(source, &scope_slots, binder);
    let links = rule::links(source, &scope_slots, binder);
    let moved = table.deleted.as_ref().and_then(|deleted| deleted.moved.as_ref());
    let moved = optional(moved, |moved| rule::moved(moved, binder));
    let name = format!("table:{}", table.alias);
    let view = View {
        alias: format!("{}/{}", mapping.name, table.alias).into(),
        table: binder.schema.name.to_string().into(),
        prefix: world::prefix(binder.captures),
        template: EventTemplate::new(
            rule::any_event(rules.as_deref()),
            source,
            &name,
            &mapping.version,
        ),
        key: key?,
        filter: filter?,
        filter_slots,
        company: company?,
        plant: plant.ok()?,
        ignored: ignored?.iter().filter_map(Cell::own).collect(),
        keeping: keeping.ok()?,
        moved: moved.ok()?,
        arrival: mapping.moves_to(&table.alias).then(|| rule::arrival(table, binder)),
        slots: std::mem::take(&mut binder.slots).into(),
        rules: rules?,
        exceptions: exceptions?,
        links: links?,
        drift: mapping.drift,
        waits: false,
    };
    let view = View { waits: view.can_wait(), ..view };
    needs::check(&view, binder);
    Some(view)
}

/// What is remembered of the table.
fn keeping(binder: &mut Binder<'_>) -> Result<Option<Keeping>, Unbound> {
    let (table, mapping) = (binder.table, binder.mapping);
    let Some(kept) = mapping.kept.get(&table.alias) else { return Ok(None) };
    let columns: Vec<Option<usize>> = kept
        .columns
        .iter()
        .map(|name| column::find(binder.schema, name, &table.place, binder.findings))
        .map(|found| found.map(|(index, _)| index))
        .collect();
    let columns: Box<[usize]> = columns.into_iter().collect::<Option<_>>().ok_or(Unbound)?;
    let mut places = vec![None; binder.schema.columns.len()];
    for (place, column) in columns.iter().enumerate() {
        if let Some(slot) = places.get_mut(*column) {
            *slot = u16::try_from(place).ok();
        }
    }
    let parents: Vec<_> = kept
        .indexes
        .iter()
        .map(|name| {
            let lookup = table.lookup(name)?;
            let condition = optional(lookup.condition.as_ref(), |f| binder.formula(f)).ok()?;
            Some((binder.picks(&lookup.by)?, condition))
        })
        .collect();
    binder.take_used();
    let prefix = match table.selector {
        Selector::Name(_) => Box::default(),
        Selector::Pattern(_) => world::prefix(binder.captures),
    };
    Ok(Some(Keeping {
        table: binder.world.number(&mapping.name, &table.alias).ok_or(Unbound)?,
        prefix,
        columns,
        places: places.into(),
        parents: parents.into_iter().collect::<Option<_>>().ok_or(Unbound)?,
        awaited: mapping.awaits(&table.alias),
    }))
}

fn filter(filter: &Filter<Written>, binder: &mut Binder<'_>) -> Option<Filter<Bound>> {
    let tests: Vec<Option<Test<Bound>>> = filter
        .tests
        .iter()
        .map(|test| {
            let column = binder.cell(&test.column)?;
            Some(Test { column, negated: test.negated, values: test.values.clone() })
        })
        .collect();
    let condition = optional(filter.condition.as_ref(), |formula| binder.formula(formula));
    Some(Filter { tests: tests.into_iter().collect::<Option<_>>()?, condition: condition.ok()? })
}

/// A scope. What the table's name tells is known now.
fn scope(scope: &Scope<Written>, binder: &mut Binder<'_>) -> Option<Scope<Bound>> {
    let (capture, aliases) = match scope {
        Scope::Constant(token) => return Some(Scope::Constant(token.clone())),
        Scope::Column(column, aliases) => {
            return Some(Scope::Column(binder.cell(column)?, aliases.clone()));
        }
        Scope::Table(capture, aliases) => (capture, aliases),
    };
    let raw = match capture {
        Some(name) => captured(binder.captures, name)?,
        None => &binder.schema.name.schema,
    };
    alone(raw, capture.as_deref(), aliases.as_deref(), binder)?;
    let told = match aliases.as_ref().map(|aliases| aliases.look_up(raw, None)) {
        None => token(raw),
        Some(Coded::Value(told)) => token(told),
        Some(Coded::Null) => return Some(Scope::Table(None, None)),
        // What becomes of an unknown code is a matter of every row.
        Some(Coded::Unknown) => return Some(Scope::Table(Some(raw.into()), aliases.clone())),
    };
    Some(Scope::Constant(told.into()))
}

/// The name of no other table may give the same token: aliases that let nothing pass are checked
/// when they are read, and a table that comes later is bound when it comes.
fn alone(
    raw: &str,
    capture: Option<&str>,
    aliases: Option<&CodeTable>,
    binder: &mut Binder<'_>,
) -> Option<()> {
    if aliases.is_some_and(|aliases| !aliases.passes()) {
        return Some(());
    }
    let told = |raw: &str| match aliases.map(|aliases| aliases.look_up(raw, None)) {
        Some(Coded::Value(value)) => token(value).into_owned(),
        _ => token(raw).into_owned(),
    };
    let own = told(raw);
    for schema in binder.world.schemas {
        let Some(captures) = binder.table.selector.captures(&schema.name) else { continue };
        let other = match capture {
            Some(name) => captured(&captures, name),
            None => Some(schema.name.schema.as_str()),
        };
        if let Some(other) = other.filter(|other| *other != raw && told(other) == own) {
            let problem = format!("`{other}` and `{raw}` would both be `{own}` in subjects");
            let mend = "give both an alias; two companies under one name cannot be told apart";
            binder.findings.error(&binder.table.place, problem, mend);
            return None;
        }
    }
    Some(())
}

fn captured<'c>(captures: &'c Captures, name: &str) -> Option<&'c str> {
    captures.iter().find(|(known, _)| **known == *name).map(|(_, text)| &**text)
}

/// Something that was written could not be bound; the finding is already noted.
struct Unbound;

/// Binds what may be left out.
fn optional<S, T>(
    written: Option<&S>,
    bind: impl FnOnce(&S) -> Option<T>,
) -> Result<Option<T>, Unbound> {
    written.map(|written| bind(written).ok_or(Unbound)).transpose()
}
