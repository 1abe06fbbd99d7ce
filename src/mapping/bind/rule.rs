//! Rules, exceptions and links, bound.

use std::sync::Arc;

use super::column::Binder;
use super::{filter, optional, scope};
use crate::canonical::{EventDef, EventTemplate, catalog};
use crate::mapping::file::{self, CONTENT, Moved, Rule, State, Table, Transition, Voice};
use crate::mapping::plan::{ExceptionPlan, LinkPlan, RulePlan};
use crate::mapping::stage::{Bound, Written};

/// The rules on the table.
pub(super) fn rules(
    source: &str,
    scopes: &[usize],
    binder: &mut Binder<'_>,
) -> Option<Box<[RulePlan]>> {
    let own = binder.mapping.rules.iter().filter(|rule| rule.on == binder.table.alias);
    let rules: Vec<_> = own.map(|bound| rule(bound, source, scopes, binder)).collect();
    rules.into_iter().collect()
}

/// The exceptions raised on the table.
pub(super) fn exceptions(
    source: &str,
    scopes: &[usize],
    binder: &mut Binder<'_>,
) -> Option<Box<[ExceptionPlan]>> {
    let raised = &binder.mapping.exceptions;
    let own = raised.iter().filter(|raised| raised.opened.on == binder.table.alias);
    let plans: Vec<_> = own
        .map(|raised| {
            let lasts = binder.formula(&raised.lasts);
            let guards = binder.take_used();
            let opened = rule(&raised.opened, source, scopes, binder);
            let closed = rule(&raised.closed, source, scopes, binder);
            Some(ExceptionPlan { lasts: lasts?, guards, opened: opened?, closed: closed? })
        })
        .collect();
    plans.into_iter().collect()
}

/// The links that rows of the table hold.
pub(super) fn links(
    source: &str,
    scopes: &[usize],
    binder: &mut Binder<'_>,
) -> Option<Box<[LinkPlan]>> {
    let own = binder.mapping.links.iter().filter(|link| link.on == binder.table.alias);
    let plans: Vec<_> = own.map(|link| self::link(link, source, scopes, binder)).collect();
    plans.into_iter().collect()
}

fn link(
    link: &file::Link,
    source: &str,
    scopes: &[usize],
    binder: &mut Binder<'_>,
) -> Option<LinkPlan> {
    let key = optional(link.key.as_ref(), |key| binder.picks(key));
    let by = binder.picks(&link.by);
    let condition = optional(link.condition.as_ref(), |formula| binder.formula(formula));
    binder.used.extend(scopes);
    let event = catalog().event("correlation.link.established")?;
    Some(LinkPlan {
        id: link.id.as_str().into(),
        from: link.from.as_str().into(),
        to: link.to.as_str().into(),
        follows: link.follows,
        key: key.ok()?,
        by: by?,
        condition: condition.ok()?,
        slots: binder.take_used(),
        template: EventTemplate::new(event, source, &link.id, &binder.mapping.version),
    })
}

/// Where deleted rows move to.
pub(super) fn moved(moved: &Moved<Written>, binder: &mut Binder<'_>) -> Option<Moved<Bound>> {
    let by = binder.picks(&moved.by);
    binder.take_used();
    let to = arrival(binder.mapping.tables.get(&*moved.to)?, binder);
    Some(Moved { to, by: by? })
}

/// Under which name rows arrive at a table: those of one company do not arrive at another's.
pub(super) fn arrival(to: &Table, binder: &Binder<'_>) -> Box<str> {
    format!("{}/{}\u{1f}{}", binder.mapping.name, to.alias, binder.prefix_of(to)).into()
}

/// For the id of a change that could not even be looked at.
pub(super) fn any_event(rules: Option<&[RulePlan]>) -> &'static EventDef {
    let first = rules.and_then(<[RulePlan]>::first).map(|rule| rule.event);
    first.or_else(|| catalog().events().next()).expect("there are events")
}

fn rule(rule: &Rule, source: &str, scopes: &[usize], binder: &mut Binder<'_>) -> Option<RulePlan> {
    let transition = optional(rule.transition.as_ref(), |step| transition(step, rule, binder));
    let changed = binder.cells(&rule.changed);
    let became = optional(rule.became.as_ref(), |formula| binder.formula(formula));
    let filter = filter(&rule.filter, binder);
    if rule.transition.as_ref().is_some_and(Transition::is_local) {
        binder.used.extend(scopes);
    }
    let guards = binder.take_used();
    let key = optional(rule.key.as_ref(), |key| binder.picks(key));
    let plant = optional(rule.plant.as_ref(), |plant| scope(plant, binder));
    let number = optional(rule.number.as_ref(), |part| binder.part(part));
    let effective = optional(rule.effective.as_ref(), |part| binder.part(part));
    let aliases = binder.cells(&rule.aliases);
    let codes = binder.cells(&rule.codes);
    let extensions: Vec<_> = rule
        .extensions
        .iter()
        .map(|(name, column)| Some((name.clone(), binder.cell(column)?)))
        .collect();
    let fields = binder.fields(&rule.fields);
    binder.used.extend(scopes);
    Some(RulePlan {
        id: rule.id.as_str().into(),
        event: rule.event,
        template: EventTemplate::new(rule.event, source, &rule.id, &binder.mapping.version),
        when: rule.when,
        transition: transition.ok()?,
        became: became.ok()?,
        changed: changed?,
        filter: filter?,
        guards,
        key: key.ok()?,
        plant: plant.ok()?,
        number: number.ok()?,
        effective: effective.ok()?,
        aliases: aliases?,
        codes: codes?,
        extensions: extensions.into_iter().collect::<Option<_>>()?,
        fields: fields?,
        slots: binder.take_used(),
        replica: is_replica(rule, binder),
        linked: binder.mapping.links.iter().any(|link| {
            let descendant = if link.follows { &link.from } else { &link.to };
            *descendant == rule.event.entity
        }),
        place: rule.place.clone(),
    })
}

/// Whether another source speaks for what the rule tells.
fn is_replica(rule: &Rule, binder: &Binder<'_>) -> bool {
    let entity = format!("{}.{}", rule.event.family, rule.event.entity);
    let axis = rule.transition.as_ref().and_then(|transition| transition.axis.as_deref());
    let key = (entity, axis.unwrap_or(CONTENT).to_owned());
    binder.mapping.authority.get(&key).is_some_and(|claim| claim.voice == Voice::Replica)
}

fn transition(
    step: &Transition<Written>,
    rule: &Rule,
    binder: &mut Binder<'_>,
) -> Option<Transition<Bound>> {
    let of = match &step.of {
        State::Column(column, table) => State::Column(binder.cell(column)?, Arc::clone(table)),
        State::Formula(formula) => {
            let bound = binder.formula(formula)?;
            for state in bound.program.literals().unwrap_or_default() {
                if !step.states.admits(state) {
                    let problem = format!("the state `{state}` is not {}", step.states.describe());
                    let mend = format!("write a state of `{}`", rule.event.entity);
                    binder.findings.error(&formula.place, problem, mend);
                }
            }
            State::Formula(bound)
        }
    };
    Some(Transition {
        of,
        axis: step.axis.clone(),
        states: step.states.clone(),
        from: step.from.clone(),
        to: step.to.clone(),
    })
}
