//! The schema `cdc`: change tables, what describes them, and the functions over them.
#![expect(clippy::unnecessary_wraps, reason = "all views are made by functions of one type")]

use std::ops::{Bound, RangeBounds};

use super::{Rows, View, local};
use crate::Lsn;
use crate::database::cdc::{BEFORE, Captured, Cdc, Entry, Instance};
use crate::database::state::State;
use crate::database::table::{Cells, Key};
use crate::engine::{Context, Node, Scan, Source};
use crate::problem::{Problem, Result};
use crate::sql::Name;
use crate::value::Value;
use crate::value::kind::Kind;
use crate::value::order::append_key;

/// The tables every database with CDC has, with their object ids.
pub(crate) const TABLES: [(&str, i32); 6] = [
    ("change_tables", 1_429_580_131),
    ("captured_columns", 1_477_580_302),
    ("lsn_time_mapping", 1_557_580_587),
    ("ddl_history", 1_509_580_416),
    ("index_columns", 1_541_580_530),
    ("cdc_jobs", 1_573_580_644),
];

/// A table of the schema.
pub(super) fn relation(context: &Context, name: &Name, object: &str) -> Result<Scan> {
    let state = context.state();
    let invalid = || Problem::raised(208, format!("Invalid object name '{}'.", name.0.join(".")));
    let cdc = state.data.cdc.as_ref().ok_or_else(invalid)?;
    let lower = object.to_lowercase();
    if lower == "lsn_time_mapping" {
        context.check_select("cdc", &lower)?;
        let columns = COMMITS.iter().map(|(name, kind)| ((*name).to_owned(), (*kind).into()));
        let columns = columns.collect();
        return Ok(Scan { source: Source::Commits, columns, clustered: vec![0] });
    }
    if let Some((columns, rows)) = view(&lower) {
        context.check_select("cdc", &lower)?;
        return Ok(super::fixed(columns, rows(context, &state)?));
    }
    let mut instances = cdc.instances.iter();
    let instance = instances.find(|instance| instance.change_table().eq_ignore_ascii_case(object));
    let instance = instance.ok_or_else(invalid)?;
    context.check_select("cdc", &instance.change_table())?;
    Ok(Scan {
        source: Source::Changes(instance.name.clone()),
        columns: instance.change_columns().into(),
        clustered: instance.order(),
    })
}

const LSN: Kind = Kind::Binary(10);
const DDL: Kind = Kind::NVarChar(None);

fn view(name: &str) -> Option<View> {
    super::among(VIEWS, name)
}

static VIEWS: &[(&str, View)] = &[
    (
        "change_tables",
        (
            &[
                ("object_id", Kind::Int),
                ("version", Kind::Int),
                ("source_object_id", Kind::Int),
                ("capture_instance", Kind::NAME),
                ("start_lsn", LSN),
                ("end_lsn", LSN),
                ("supports_net_changes", Kind::Bit),
                ("has_drop_pending", Kind::Bit),
                ("role_name", Kind::NAME),
                ("index_name", Kind::NAME),
                ("filegroup_name", Kind::NAME),
                ("create_date", Kind::DateTime),
                ("partition_switch", Kind::Bit),
            ],
            change_tables,
        ),
    ),
    (
        "captured_columns",
        (
            &[
                ("object_id", Kind::Int),
                ("column_name", Kind::NAME),
                ("column_id", Kind::Int),
                ("column_type", Kind::NAME),
                ("column_ordinal", Kind::Int),
                ("is_computed", Kind::Bit),
                ("masking_function", Kind::NVarChar(Some(4000))),
            ],
            captured_columns,
        ),
    ),
    (
        "ddl_history",
        (
            &[
                ("source_object_id", Kind::Int),
                ("object_id", Kind::Int),
                ("required_column_update", Kind::Bit),
                ("ddl_command", DDL),
                ("ddl_lsn", LSN),
                ("ddl_time", Kind::DateTime),
            ],
            ddl_history,
        ),
    ),
    (
        "index_columns",
        (
            &[
                ("object_id", Kind::Int),
                ("column_name", Kind::NAME),
                ("index_ordinal", Kind::TinyInt),
                ("column_id", Kind::Int),
            ],
            index_columns,
        ),
    ),
];

fn instances(state: &State) -> impl Iterator<Item = &Instance> {
    state.data.cdc.iter().flat_map(|cdc| &cdc.instances)
}

fn change_tables(_: &Context, state: &State) -> Result<Rows> {
    let row = |instance: &Instance| {
        vec![
            instance.object.into(),
            0.into(),
            instance.source.into(),
            instance.name.as_str().into(),
            instance.start_lsn.into(),
            Value::Null,
            Value::Bit(!instance.key.is_empty()),
            Value::Null,
            instance.role.as_deref().into(),
            Value::Null,
            Value::Null,
            local(state, instance.created),
            Value::Bit(false),
        ]
    };
    Ok(instances(state).map(row).collect())
}

fn captured_columns(_: &Context, state: &State) -> Result<Rows> {
    let mut rows = Vec::new();
    for instance in instances(state) {
        rows.extend(instance.columns.iter().map(|column: &Captured| {
            vec![
                instance.object.into(),
                column.name.as_str().into(),
                column.id.into(),
                column.of.kind.name().into(),
                column.ordinal.into(),
                Value::Bit(column.computed),
                Value::Null,
            ]
        }));
    }
    Ok(rows)
}

const COMMITS: &[(&str, Kind)] = &[
    ("start_lsn", LSN),
    ("tran_begin_time", Kind::DateTime),
    ("tran_end_time", Kind::DateTime),
    ("tran_id", Kind::VarBinary(Some(10))),
    ("tran_begin_lsn", LSN),
];

/// At most `limit` commits within bounds, as a snapshot sees them, in order or backwards.
pub(crate) fn commits(
    state: &State,
    cdc: &Cdc,
    written: u64,
    bounds: (Bound<&[u8]>, Bound<&[u8]>),
    (limit, backwards): (usize, bool),
) -> Vec<(Key, Cells)> {
    let key = |lsn: Lsn| {
        let mut key = Vec::new();
        append_key(&mut key, &lsn.into(), LSN.into());
        key
    };
    let within = |key: &Vec<u8>| RangeBounds::<[u8]>::contains(&bounds, key.as_slice());
    let first = match bounds.0 {
        Bound::Included(from) | Bound::Excluded(from) => place(from),
        Bound::Unbounded => Lsn::ZERO,
    };
    let last = match bounds.1 {
        Bound::Included(to) | Bound::Excluded(to) => place(to),
        Bound::Unbounded => Lsn([0xff; 10]),
    };
    if last < first {
        return Vec::new();
    }
    let entries = cdc.mapping.range(first..=last).filter(|(_, entry)| entry.written <= written);
    let rows = entries.map(|(lsn, entry)| (key(*lsn), *lsn, entry)).filter(|(key, ..)| within(key));
    let row = |(key, lsn, entry): (Vec<u8>, Lsn, &Entry)| -> (Key, Cells) {
        let cells = vec![
            lsn.into(),
            local(state, entry.begun),
            local(state, entry.ended),
            entry.transaction.clone().into(),
            entry.begin_lsn.into(),
        ];
        (key.into(), cells.into())
    };
    if backwards {
        rows.rev().take(limit).map(row).collect()
    } else {
        rows.take(limit).map(row).collect()
    }
}

/// The place a key is of, or one beside it where it is only the bound of keys.
fn place(key: &[u8]) -> Lsn {
    let mut lsn = Lsn::ZERO;
    let mut bytes = key.iter().skip(1).copied();
    for to in &mut lsn.0 {
        match bytes.next() {
            // A zero in the value has a mark behind it; one without is the end.
            Some(0) if bytes.next() != Some(0xff) => break,
            Some(byte) => *to = byte,
            None => break,
        }
    }
    lsn
}

fn ddl_history(_: &Context, state: &State) -> Result<Rows> {
    let ddl = state.data.cdc.iter().flat_map(|cdc| &cdc.ddl);
    let row = |ddl: &crate::database::cdc::Ddl| {
        vec![
            ddl.source.into(),
            ddl.object.into(),
            Value::Bit(ddl.retyped),
            ddl.command.as_str().into(),
            ddl.lsn.into(),
            local(state, ddl.at),
        ]
    };
    Ok(ddl.map(row).collect())
}

fn index_columns(_: &Context, state: &State) -> Result<Rows> {
    let mut rows = Vec::new();
    for instance in instances(state) {
        for (ordinal, name) in (1..).zip(&instance.key) {
            let column = instance.columns.iter().find(|column| column.name == *name);
            rows.push(vec![
                instance.object.into(),
                name.as_str().into(),
                Value::Int(ordinal),
                column.map(|column| column.id).into(),
            ]);
        }
    }
    Ok(rows)
}

/// Whether the functions of CDC tell the user about an instance: by owning the database, or by
/// SELECT on every captured column and the gating role, if there is one.
pub(crate) fn may_read(context: &Context, state: &State, instance: &Instance) -> bool {
    let Some(table) = state.data.by_id(instance.source) else { return false };
    let role = instance.role.as_deref();
    let in_role = role
        .is_none_or(|role| context.login.roles.iter().any(|one| one.eq_ignore_ascii_case(role)));
    crate::engine::is_owner(&context.login)
        || context.may_select(&table.schema, &table.name) && in_role
}

/// `cdc.fn_cdc_get_all_changes_<instance>(from, to, N'all' or N'all update old')`
pub(super) fn function(
    context: &Context,
    name: &Name,
    object: &str,
    arguments: Vec<Node>,
) -> Result<Scan> {
    let state = context.state();
    let lower = object.to_lowercase();
    let invalid = || Problem::raised(208, format!("Invalid object name '{}'.", name.0.join(".")));
    let of = lower.strip_prefix("fn_cdc_get_all_changes_");
    let cdc = state.data.cdc.as_ref();
    let instance = of.and_then(|of| cdc?.instance(of)).ok_or_else(invalid)?;
    context.check_select("cdc", object)?;
    let columns: Vec<_> = instance
        .change_columns()
        .into_iter()
        .filter(|(name, _)| name != "__$end_lsn" && name != "__$command_id")
        .collect();
    let source = Source::Function(all_changes, instance.name.clone(), arguments);
    Ok(Scan { source, columns: columns.into(), clustered: Vec::new() })
}

fn all_changes(context: &Context, name: &str, arguments: &[Value]) -> Result<Vec<Cells>> {
    let state = context.state();
    let instance = state.data.capture()?.instance(name);
    let instance = instance.filter(|instance| may_read(context, &state, instance));
    let [Value::Bytes(from), Value::Bytes(to), Value::Text(filter)] = arguments else {
        return Err(too_few(name));
    };
    let instance = instance.ok_or_else(|| too_few(name))?;
    let low = instance.start_lsn;
    if from.as_ref() < low.as_bytes() || to < from {
        return Err(too_few(name));
    }
    let with_old = match filter.to_lowercase().as_str() {
        "all" => false,
        "all update old" => true,
        _ => return Err(too_few(name)),
    };
    let width = instance.columns.len();
    let wanted = instance.rows.values().filter(|(written, cells)| {
        let lsn = matches!(cells.first(), Some(Value::Bytes(lsn)) if lsn >= from && lsn <= to);
        lsn && *written <= context.as_of.1 && (with_old || cells.get(3) != Some(&Value::Int(3)))
    });
    let shown = |cells: &Cells| -> Cells {
        let kept =
            cells.iter().enumerate().filter(|(place, _)| *place != 1 && *place < BEFORE + width);
        kept.map(|(_, cell)| cell.clone()).collect::<Vec<_>>().into()
    };
    Ok(wanted.map(|(_, cells)| shown(cells)).collect())
}

/// What SQL Server says for a place that is not, or no longer, in the change table.
fn too_few(_: &str) -> Problem {
    Problem::raised(
        313,
        "An insufficient number of arguments were supplied for the procedure or function cdc.fn_cdc_get_all_changes_ ... .",
    )
}
