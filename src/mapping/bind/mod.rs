//! Binding: a mapping meets a table. Names become indexes, codecs are checked against the kinds
//! of their columns, and what a rule needs of old rows against what the log carries.
//!
//! Everything that can go wrong with a whole table goes wrong here, once, with the place in the
//! mapping and a sentence; what is left for a row to do wrong is its values.

mod column;
mod fit;
mod needs;

use std::sync::Arc;

use erpbridge_connector::TableSchema;

use self::column::Binder;
pub(super) use self::column::Cell;
use super::file::{ColumnName, Compiled, Filter, Rule, Scope, Table, Test, Transition};
use super::plan::{RulePlan, TablePlan, View};
use crate::canonical::EventTemplate;
use crate::document::Findings;

/// Binds every table of the mappings that is this one. `None` if none is.
pub(super) fn bind(
    mappings: &[Compiled],
    source: &str,
    schema: &Arc<TableSchema>,
    findings: &mut Findings,
) -> Option<TablePlan> {
    let mut views: Vec<(&Table, View)> = Vec::new();
    for mapping in mappings {
        for table in mapping.tables.values().filter(|table| table.name == schema.name) {
            let rules = mapping.rules.iter().filter(|rule| rule.on == table.alias);
            let rules: Vec<&Rule> = rules.collect();
            if rules.is_empty() {
                continue;
            }
            let mut binder = Binder { schema, table, mapping: &mapping.read, findings };
            views.extend(view(mapping, source, &rules, &mut binder).map(|view| (table, view)));
        }
    }
    agree(&views, findings);
    let ignored: Vec<usize> = views.iter().flat_map(|(_, view)| view.ignored.clone()).collect();
    let (_, first) = views.first()?;
    let key = first.key.iter().map(|cell| cell.index).collect();
    let compared = (0..schema.columns.len()).map(|column| !ignored.contains(&column)).collect();
    Some(TablePlan::new(key, compared, views.into_iter().map(|(_, view)| view).collect()))
}

/// Folding and the suppression of no-ops happen once per table, whatever its aliases are.
fn agree(views: &[(&Table, View)], findings: &mut Findings) {
    let Some(((first, one), others)) = views.split_first() else { return };
    for (table, other) in others {
        let indexes = |view: &View| view.key.iter().map(|cell| cell.index).collect::<Vec<_>>();
        if indexes(one) != indexes(other) || one.ignored != other.ignored {
            let problem =
                format!("`{}` and `{}` are the same table, yet differ", table.alias, first.alias);
            let mend = "give both the same `key` and the same `ignore`";
            findings.error(&table.place, problem, mend);
        }
    }
}

fn view(
    mapping: &Compiled,
    source: &str,
    rules: &[&Rule],
    binder: &mut Binder<'_>,
) -> Option<View> {
    let table = binder.table;
    binder.check_columns();
    let key = binder.key();
    let filter = filter(&table.filter, binder);
    let company = scope(table.company.as_ref().unwrap_or(&mapping.company), binder);
    let plant = table.plant.as_ref().or(mapping.plant.as_ref());
    let plant = optional(plant, |plant| scope(plant, binder));
    let ignored = binder.cells(&table.ignore);
    let rules: Vec<RulePlan> =
        rules.iter().filter_map(|bound| rule(mapping, source, bound, binder)).collect();
    let first = rules.first()?.event;
    let name = format!("table:{}", table.alias);
    let view = View {
        table: binder.schema.name.to_string().into(),
        template: EventTemplate::new(first, source, &name, &mapping.version),
        key: key?,
        filter: filter?,
        company: company?,
        plant: plant.ok()?,
        ignored: ignored?.iter().map(|cell| cell.index).collect(),
        rules: rules.into(),
    };
    needs::check(&view, binder);
    Some(view)
}

fn filter(filter: &Filter<ColumnName>, binder: &mut Binder<'_>) -> Option<Filter<Cell>> {
    let tests: Vec<Option<Test<Cell>>> = filter
        .tests
        .iter()
        .map(|test| {
            let column = binder.cell(&test.column)?;
            Some(Test { column, negated: test.negated, values: test.values.clone() })
        })
        .collect();
    Some(Filter { tests: tests.into_iter().collect::<Option<_>>()? })
}

fn scope(scope: &Scope<ColumnName>, binder: &mut Binder<'_>) -> Option<Scope<Cell>> {
    Some(match scope {
        Scope::Constant(token) => Scope::Constant(token.clone()),
        Scope::Column(column, aliases) => Scope::Column(binder.cell(column)?, aliases.clone()),
    })
}

fn rule(
    mapping: &Compiled,
    source: &str,
    rule: &Rule,
    binder: &mut Binder<'_>,
) -> Option<RulePlan> {
    let transition = optional(rule.transition.as_ref(), |step| transition(step, binder));
    let changed = binder.cells(&rule.changed);
    let filter = filter(&rule.filter, binder);
    let key = optional(rule.key.as_ref(), |key| binder.cells(key));
    let number = optional(rule.number.as_ref(), |part| binder.part(part));
    let effective = optional(rule.effective.as_ref(), |part| binder.part(part));
    let codes = binder.cells(&rule.codes);
    let fields: Vec<_> = rule.fields.iter().map(|field| binder.field(field)).collect();
    Some(RulePlan {
        id: rule.id.as_str().into(),
        event: rule.event,
        template: EventTemplate::new(rule.event, source, &rule.id, &mapping.version),
        when: rule.when,
        transition: transition.ok()?,
        changed: changed?,
        filter: filter?,
        key: key.ok()?,
        number: number.ok()?,
        effective: effective.ok()?,
        codes: codes?,
        fields: fields.into_iter().collect::<Option<_>>()?,
        place: rule.place.clone(),
    })
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

fn transition(step: &Transition<ColumnName>, binder: &mut Binder<'_>) -> Option<Transition<Cell>> {
    Some(Transition {
        column: binder.cell(&step.column)?,
        codes: Arc::clone(&step.codes),
        axis: step.axis.clone(),
        from: step.from.clone(),
        to: step.to.clone(),
    })
}
