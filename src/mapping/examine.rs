//! A mapping against the database it is for: what its files alone cannot show.
//!
//! Everything here is told at the place in the mapping where it can be mended. What no row of the
//! database could pass is an error; what only some rows of a sample do not pass is a warning,
//! because a dead letter may be what is wanted of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use erpbridge_connector::{ColumnKind, Explored, Finding, ReplicaIdentity, TableName, TableSchema};

use super::Mapping;
use super::file::{ColumnName, Compiled, Field, Lookup, Pick, Rule, Step, Table};
use super::plan::{Complaint, Trial};
use crate::deadletter::Reason;
use crate::document::{Findings, Place, similar};

/// More codes than this are no list a person reads.
const MAX_CODES: usize = 12;

impl Mapping {
    /// Where the mapping does not meet the tables there are: `names` are all of the database,
    /// `tables` those the mapping reads.
    pub fn examine_tables(&self, names: &[TableName], tables: &[Explored]) -> Vec<Finding> {
        let mut findings = Findings::new();
        let schemas: Vec<Arc<TableSchema>> =
            tables.iter().map(|table| Arc::clone(&table.schema)).collect();
        for mapping in self.compiled.iter() {
            for table in mapping.tables.values().filter(|table| mapping.uses(&table.alias)) {
                selector(table, names, &mut findings);
                for schema in &schemas {
                    old_values(mapping, table, schema, &mut findings);
                }
                for lookup in &table.lookups {
                    keys_fit(mapping, table, lookup, &schemas, &mut findings);
                }
            }
        }
        findings.into_vec()
    }

    /// What came of trying the mapping on rows.
    pub fn examine_rows(&self, trial: &Trial) -> Vec<Finding> {
        let mut findings = Findings::new();
        for (alias, attempt) in trial.tables() {
            let Some(table) = self.aliased(alias) else { continue };
            if attempt.rows > 0 && attempt.passed == 0 {
                let problem =
                    format!("the filter lets none of {} sampled rows through", attempt.rows);
                let mend = "compare `where` and `if` with the rows as they are stored";
                findings.warning(&table.place, problem, mend);
            }
            if attempt.repeated > 0 {
                let problem = format!(
                    "{} of {} sampled rows have a key that another row has",
                    attempt.repeated, attempt.passed
                );
                let mend = "name all columns that identify a row: `key: [<columns>]`";
                findings.error(&table.place, problem, mend);
            }
        }
        complaints(trial, &mut findings);
        findings.into_vec()
    }

    fn aliased(&self, alias: &str) -> Option<&Table> {
        let (name, alias) = alias.split_once('/')?;
        self.compiled.iter().find(|mapping| mapping.name == name)?.tables.get(alias)
    }
}

/// A selector must match something.
fn selector(table: &Table, names: &[TableName], findings: &mut Findings) {
    if names.iter().any(|name| table.selector.captures(name).is_some()) {
        return;
    }
    let Some(name) = table.selector.name() else {
        let mend = "compare the pattern with the names of the tables; it must match `schema.table` \
                    as a whole";
        return findings.error(&table.place, "no table matches the pattern", mend);
    };
    let known: Vec<String> = names.iter().map(ToString::to_string).collect();
    let elsewhere = names.iter().find(|known| known.table == name.table).map(ToString::to_string);
    let meant = elsewhere.or_else(|| {
        similar(&name.to_string(), known.iter().map(String::as_str)).map(str::to_owned)
    });
    let mend = match meant {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => {
            "write `schema.table` as the database spells it; the user of the source must see it"
                .to_owned()
        }
    };
    findings.error(&table.place, format!("the database has no table `{name}`"), mend);
}

/// A log of keys alone leaves `changed` and `before` empty, unless the bridge remembers what was.
/// Rules that name what they listen to are refused without it; these would only say too much, or
/// too little.
fn old_values(mapping: &Compiled, table: &Table, schema: &TableSchema, findings: &mut Findings) {
    if schema.identity != ReplicaIdentity::Key || table.selector.captures(&schema.name).is_none() {
        return;
    }
    let kept = mapping.kept.get(&table.alias).map(|kept| &kept.columns);
    let known = |name: &str| {
        let place = schema.column(name);
        let key = place.is_some_and(|place| schema.primary_key.contains(&place));
        key || place.is_none() || kept.is_some_and(|kept| kept.contains(name))
    };
    for rule in mapping.rules.iter().filter(|rule| rule.on == table.alias) {
        let lost = rule.fields.iter().flat_map(Field::columns).any(|column| !known(&column.name));
        let Some(what) = without_old_values(rule).filter(|_| lost) else { continue };
        let problem = format!(
            "rule `{}`: the log of `{}` carries only keys of old rows: {what}",
            rule.id, schema.name
        );
        let mend = "let the bridge remember the rows: `keep: all` on the table; or let the log \
                    carry whole old rows";
        findings.warning(&rule.place, problem, mend);
    }
}

/// What a rule tells that nobody expects, where only the key of the row before is known.
fn without_old_values(rule: &Rule) -> Option<&'static str> {
    let chosen = rule.transition.is_some() || rule.became.is_some() || !rule.changed.is_empty();
    if rule.when.has(Step::Updated) && !chosen {
        return Some(
            "`changed` stays empty, and updates of columns that are not mapped are told, too",
        );
    }
    let gone = rule.when.has(Step::Deleted) || rule.when.has(Step::Moved);
    gone.then_some("`before` of a deleted row stays empty")
}

/// What a lookup goes by must be of the kind of what it leads to, or texts never meet: `007` is
/// not 7.
fn keys_fit(
    mapping: &Compiled,
    table: &Table,
    lookup: &Lookup,
    schemas: &[Arc<TableSchema>],
    findings: &mut Findings,
) {
    let find = |table: &Table| {
        schemas.iter().find(|schema| table.selector.captures(&schema.name).is_some())
    };
    let Some(target) = mapping.tables.get(&lookup.to) else { return };
    let (Some(own), Some(schema)) = (find(table), find(target)) else { return };
    let own_key: Vec<&str> = schema
        .primary_key
        .iter()
        .filter_map(|place| schema.columns.get(*place))
        .map(|column| column.name.as_str())
        .collect();
    let key: Vec<&str> = match &target.key {
        Some(key) => key.iter().map(|column| column.name.as_str()).collect(),
        None => own_key,
    };
    if key.len() != lookup.by.len() {
        let problem = format!(
            "`{}` is found by `{}`, and `by` names {} of them",
            lookup.to,
            key.join("`, `"),
            lookup.by.len()
        );
        let mend = "name in `by` the columns that hold the whole key, in its order";
        return findings.error(&lookup.place, problem, mend);
    }
    for (pick, key) in lookup.by.iter().zip(key) {
        let Pick::Column(ColumnName { name, place }) = pick else { continue };
        if let (Some(one), Some(other)) = (column(own, name), column(schema, key))
            && class(one.kind) != class(other.kind)
        {
            let problem = format!(
                "`{name}` ({}) is looked up in `{key}` of `{}` ({})",
                one.type_name, lookup.to, other.type_name
            );
            let mend = "name the column that holds the key of the row it leads to";
            findings.warning(place, problem, mend);
        }
    }
}

fn column<'s>(schema: &'s TableSchema, name: &str) -> Option<&'s erpbridge_connector::Column> {
    schema.columns.get(schema.column(name)?)
}

/// Kinds whose texts can be equal.
fn class(kind: ColumnKind) -> ColumnKind {
    match kind {
        ColumnKind::Decimal | ColumnKind::Float32 | ColumnKind::Float64 => ColumnKind::Integer,
        other => other,
    }
}

/// Complaints that several rules have of one thing are one finding.
fn complaints(trial: &Trial, findings: &mut Findings) {
    let mut unknown: BTreeMap<(String, String), (Place, Codes)> = BTreeMap::new();
    for complaint in trial.complaints() {
        if complaint.codes.is_empty() {
            tell(complaint, trial.tried(&complaint.rule), findings);
            continue;
        }
        let place = complaint.table.as_ref().unwrap_or(&complaint.place);
        let key = (place.to_string(), complaint.detail.clone());
        let (_, codes) = unknown.entry(key).or_insert_with(|| (place.clone(), Codes::new()));
        for (code, rows) in &complaint.codes {
            let known = codes.entry(code.clone()).or_default();
            *known = std::cmp::max(*known, *rows);
        }
    }
    for ((_, detail), (place, codes)) in unknown {
        let mut listed: Vec<String> = codes
            .iter()
            .take(MAX_CODES)
            .map(|(code, rows)| format!("\"{code}\" ({rows})"))
            .collect();
        if codes.len() > MAX_CODES {
            listed.push(format!("and {} more", codes.len() - MAX_CODES));
        }
        let problem = format!("{detail}; in the sample: {}", listed.join(", "));
        let mend = "add the codes and what they mean, or say what `\"*\"` becomes";
        findings.warning(&place, problem, mend);
    }
}

type Codes = BTreeMap<Box<str>, usize>;

fn tell(complaint: &Complaint, tried: usize, findings: &mut Findings) {
    let (rows, rule) = (complaint.rows, &complaint.rule);
    let all = tried > 0 && rows >= tried;
    let share = match tried {
        0 => format!("{rows} sampled rows"),
        _ if all => format!("every one of {tried} sampled rows"),
        _ => format!("{rows} of {tried} sampled rows"),
    };
    let problem = format!("rule `{rule}`: {}, in {share}", complaint.detail);
    let mend = mend(complaint.reason);
    if all {
        findings.error(&complaint.place, problem, mend);
    } else {
        findings.warning(&complaint.place, problem, mend);
    }
}

const fn mend(reason: Reason) -> &'static str {
    match reason {
        Reason::MissingRequired => {
            "give it a `default`, take it from another column, or leave these rows out with `where`"
        }
        Reason::LookupMiss => {
            "see that `by` holds the key of the row it leads to; `missing: null` lets it lead nowhere"
        }
        Reason::Decode | Reason::UnknownCode => {
            "name the codec the column is written in, or the texts that mean nothing: `null: [<texts>]`"
        }
        Reason::Expression => "make the expression hold for every row, with `coalesce` or `if`",
        Reason::AbsentValue => "map a column that the log carries",
        Reason::Collision => "give each of them a token of its own under `aliases`",
        Reason::TooLarge | Reason::SchemaDrift => "map less of it",
    }
}
