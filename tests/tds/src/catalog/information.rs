//! The views of the standard: `INFORMATION_SCHEMA`.
#![expect(clippy::unnecessary_wraps, reason = "all views are made by functions of one type")]

use super::objects::visible;
use super::{Rows, View};
use crate::database::state::State;
use crate::engine::Context;
use crate::problem::Result;
use crate::value::Value;
use crate::value::kind::{Kind, Type};

/// A view by its name in lower case.
pub(super) fn view(name: &str) -> Option<View> {
    super::among(VIEWS, name)
}

static VIEWS: &[(&str, View)] = &[
    (
        "tables",
        (
            &[
                ("TABLE_CATALOG", Kind::NAME),
                ("TABLE_SCHEMA", Kind::NAME),
                ("TABLE_NAME", Kind::NAME),
                ("TABLE_TYPE", Kind::VarChar(Some(10))),
            ],
            tables,
        ),
    ),
    (
        "columns",
        (
            &[
                ("TABLE_CATALOG", Kind::NAME),
                ("TABLE_SCHEMA", Kind::NAME),
                ("TABLE_NAME", Kind::NAME),
                ("COLUMN_NAME", Kind::NAME),
                ("ORDINAL_POSITION", Kind::Int),
                ("IS_NULLABLE", Kind::VarChar(Some(3))),
                ("DATA_TYPE", Kind::NAME),
                ("CHARACTER_MAXIMUM_LENGTH", Kind::Int),
                ("NUMERIC_PRECISION", Kind::TinyInt),
                ("NUMERIC_SCALE", Kind::Int),
                ("DATETIME_PRECISION", Kind::SmallInt),
                ("COLLATION_NAME", Kind::NAME),
            ],
            columns,
        ),
    ),
    (
        "key_column_usage",
        (
            &[
                ("CONSTRAINT_SCHEMA", Kind::NAME),
                ("CONSTRAINT_NAME", Kind::NAME),
                ("TABLE_SCHEMA", Kind::NAME),
                ("TABLE_NAME", Kind::NAME),
                ("COLUMN_NAME", Kind::NAME),
                ("ORDINAL_POSITION", Kind::Int),
            ],
            key_columns,
        ),
    ),
    (
        "table_constraints",
        (
            &[
                ("CONSTRAINT_SCHEMA", Kind::NAME),
                ("CONSTRAINT_NAME", Kind::NAME),
                ("TABLE_SCHEMA", Kind::NAME),
                ("TABLE_NAME", Kind::NAME),
                ("CONSTRAINT_TYPE", Kind::VarChar(Some(11))),
            ],
            constraints,
        ),
    ),
];

fn tables(context: &Context, state: &State) -> Result<Rows> {
    let row = |schema: &str, name: &str| {
        vec![context.name.as_str().into(), schema.into(), name.into(), "BASE TABLE".into()]
    };
    let changes = super::visible_instances(context, state);
    let changes = changes.map(|instance| row("cdc", &instance.change_table()));
    Ok(visible(context, state).map(|t| row(&t.schema, &t.name)).chain(changes).collect())
}

/// The columns of users' tables, then those of change tables.
fn columns(context: &Context, state: &State) -> Result<Rows> {
    let mut rows = Vec::new();
    for table in visible(context, state) {
        let of = (table.schema.as_str(), table.name.as_str());
        for (place, column) in (1..).zip(&table.columns) {
            let one = &column.column;
            rows.push(column_row(context, of, place, (&one.name, one.of, one.nullable)));
        }
    }
    for instance in super::visible_instances(context, state) {
        let name = instance.change_table();
        for (place, (column, of)) in (1..).zip(instance.change_columns()) {
            rows.push(column_row(context, ("cdc", &name), place, (&column, of, true)));
        }
    }
    Ok(rows)
}

fn column_row(
    context: &Context,
    (schema, table): (&str, &str),
    place: i64,
    (name, of, nullable): (&str, Type, bool),
) -> Vec<Value> {
    let kind = of.kind;
    let (length, precision, scale) = kind.sizes();
    let wide = matches!(kind, Kind::NChar(_) | Kind::NVarChar(_)) && length > 0;
    let sized = kind.is_text() || kind.is_bytes();
    let number = precision > 0 && !matches!(kind, Kind::Bit) && !is_time(kind);
    vec![
        context.name.as_str().into(),
        schema.into(),
        table.into(),
        name.into(),
        Value::Int(place),
        if nullable { "YES" } else { "NO" }.into(),
        kind.name().into(),
        sized.then(|| i32::from(if wide { length / 2 } else { length })).into(),
        number.then_some(precision).into(),
        number.then_some(i32::from(scale)).into(),
        is_time(kind).then_some(i16::from(scale)).into(),
        kind.is_text().then(|| of.collation.name()).into(),
    ]
}

fn is_time(kind: Kind) -> bool {
    use Kind::{Date, DateTime, DateTime2, DateTimeOffset, SmallDateTime, Time};
    matches!(kind, Date | DateTime | DateTime2(_) | DateTimeOffset(_) | SmallDateTime | Time(_))
}

fn key_columns(context: &Context, state: &State) -> Result<Rows> {
    let mut rows = Vec::new();
    for table in visible(context, state) {
        for (ordinal, place) in (1..).zip(&table.key) {
            let Some(column) = table.columns.get(*place) else { continue };
            rows.push(vec![
                table.schema.as_str().into(),
                format!("PK_{}", table.name).into(),
                table.schema.as_str().into(),
                table.name.as_str().into(),
                column.column.name.as_str().into(),
                Value::Int(ordinal),
            ]);
        }
    }
    Ok(rows)
}

fn constraints(context: &Context, state: &State) -> Result<Rows> {
    let keyed = visible(context, state).filter(|table| !table.key.is_empty());
    let row = |table: &crate::database::table::Table| {
        vec![
            table.schema.as_str().into(),
            format!("PK_{}", table.name).into(),
            table.schema.as_str().into(),
            table.name.as_str().into(),
            "PRIMARY KEY".into(),
        ]
    };
    Ok(keyed.map(row).collect())
}
