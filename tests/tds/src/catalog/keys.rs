//! Keys, and how many rows there are.

#![expect(clippy::unnecessary_wraps, reason = "all views are made by functions of one type")]

use super::objects::{WORD, schema_id, visible};
use super::{Rows, View, visible_instances};
use crate::database::state::State;
use crate::database::table::Table;
use crate::engine::Context;
use crate::problem::Result;
use crate::value::Value;
use crate::value::kind::Kind;

/// A view by its name in lower case.
pub(super) fn view(name: &str) -> Option<View> {
    super::among(VIEWS, name)
}

static VIEWS: &[(&str, View)] = &[
    (
        "indexes",
        (
            &[
                ("object_id", Kind::Int),
                ("name", Kind::NAME),
                ("index_id", Kind::Int),
                ("type", Kind::TinyInt),
                ("type_desc", WORD),
                ("is_unique", Kind::Bit),
                ("is_primary_key", Kind::Bit),
                ("is_unique_constraint", Kind::Bit),
                ("is_disabled", Kind::Bit),
                ("has_filter", Kind::Bit),
            ],
            indexes,
        ),
    ),
    (
        "index_columns",
        (
            &[
                ("object_id", Kind::Int),
                ("index_id", Kind::Int),
                ("index_column_id", Kind::Int),
                ("column_id", Kind::Int),
                ("key_ordinal", Kind::TinyInt),
                ("partition_ordinal", Kind::TinyInt),
                ("is_descending_key", Kind::Bit),
                ("is_included_column", Kind::Bit),
            ],
            index_columns,
        ),
    ),
    (
        "key_constraints",
        (
            &[
                ("name", Kind::NAME),
                ("object_id", Kind::Int),
                ("parent_object_id", Kind::Int),
                ("schema_id", Kind::Int),
                ("type", Kind::Char(2)),
                ("unique_index_id", Kind::Int),
            ],
            key_constraints,
        ),
    ),
    (
        "partitions",
        (
            &[
                ("partition_id", Kind::BigInt),
                ("object_id", Kind::Int),
                ("index_id", Kind::Int),
                ("partition_number", Kind::Int),
                ("hobt_id", Kind::BigInt),
                ("rows", Kind::BigInt),
            ],
            partitions,
        ),
    ),
];

/// A table with a key has that as its clustered index; one without is a heap.
fn indexes(context: &Context, state: &State) -> Result<Rows> {
    let row = |table: &Table| {
        let keyed = !table.key.is_empty();
        vec![
            table.id.into(),
            keyed.then(|| format!("PK_{}", table.name)).into(),
            i32::from(keyed).into(),
            i32::from(keyed).into(),
            if keyed { "CLUSTERED" } else { "HEAP" }.into(),
            Value::Bit(keyed),
            Value::Bit(keyed),
            Value::Bit(false),
            Value::Bit(false),
            Value::Bit(false),
        ]
    };
    Ok(visible(context, state).map(row).collect())
}

fn index_columns(context: &Context, state: &State) -> Result<Rows> {
    let mut rows = Vec::new();
    for table in visible(context, state) {
        for (ordinal, place) in (1..).zip(&table.key) {
            let column = table.columns.get(*place).map(|column| column.id);
            let mut row = vec![table.id.into(), 1.into(), Value::Int(ordinal), column.into()];
            row.extend([Value::Int(ordinal), 0.into(), Value::Bit(false), Value::Bit(false)]);
            rows.push(row);
        }
    }
    Ok(rows)
}

fn key_constraints(context: &Context, state: &State) -> Result<Rows> {
    let keyed = visible(context, state).filter(|table| !table.key.is_empty());
    let row = |table: &Table| {
        vec![
            format!("PK_{}", table.name).into(),
            (table.id + 2).into(),
            table.id.into(),
            schema_id(state, &table.schema),
            "PK".into(),
            1.into(),
        ]
    };
    Ok(keyed.map(row).collect())
}

fn partitions(context: &Context, state: &State) -> Result<Rows> {
    let row = |id: i32, keyed: bool, rows: usize| {
        let partition = (i64::from(id) << 16) + 72_057_594_037_927_936;
        vec![
            partition.into(),
            id.into(),
            i32::from(keyed).into(),
            1.into(),
            partition.into(),
            Value::Int(i64::try_from(rows).unwrap_or(i64::MAX)),
        ]
    };
    let tables = visible(context, state).map(|t| row(t.id, !t.key.is_empty(), t.len()));
    let changes = visible_instances(context, state).map(|i| row(i.object, true, i.rows.len()));
    Ok(tables.chain(changes).collect())
}
