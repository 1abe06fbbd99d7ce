//! The views of the standard: `INFORMATION_SCHEMA`.
#![expect(clippy::unnecessary_wraps, reason = "all views are made by functions of one type")]

use super::objects::visible;
use super::{Rows, View};
use crate::database::state::State;
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

fn columns(context: &Context, state: &State) -> Result<Rows> {
    let mut rows = Vec::new();
    for table in visible(context, state) {
        for (place, column) in (1..).zip(&table.columns) {
            let kind = column.column.of.kind;
            let (length, precision, scale) = kind.sizes();
            let wide = matches!(kind, Kind::NChar(_) | Kind::NVarChar(_)) && length > 0;
            let sized = kind.is_text() || kind.is_bytes();
            let number = precision > 0 && !matches!(kind, Kind::Bit) && !is_time(kind);
            rows.push(vec![
                context.name.as_str().into(),
                table.schema.as_str().into(),
                table.name.as_str().into(),
                column.column.name.as_str().into(),
                Value::Int(place),
                if column.column.nullable { "YES" } else { "NO" }.into(),
                kind.name().into(),
                sized.then(|| i32::from(if wide { length / 2 } else { length })).into(),
                number.then_some(precision).into(),
                number.then_some(i32::from(scale)).into(),
                is_time(kind).then_some(i16::from(scale)).into(),
                kind.is_text().then(|| column.column.of.collation.name()).into(),
            ]);
        }
    }
    Ok(rows)
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
