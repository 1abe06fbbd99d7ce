//! `sys.tables` and its relatives: what objects there are and what they look like.
#![expect(clippy::unnecessary_wraps, reason = "all views are made by functions of one type")]

use super::{Rows, View, local, visible_instances};
use crate::database::state::State;
use crate::database::table::Table;
use crate::engine::Context;
use crate::problem::Result;
use crate::value::Value;
use crate::value::kind::{Clr, Kind, Type};

/// The schemas every database has, with their ids.
const SCHEMAS: [(&str, i32); 5] =
    [("dbo", 1), ("guest", 2), ("INFORMATION_SCHEMA", 3), ("sys", 4), ("cdc", 5)];

/// All schemas with their ids: those, and the ones tests put tables into.
pub(crate) fn schemas(state: &State) -> Vec<(String, i32)> {
    let there = |name: &&(&str, i32)| name.0 != "cdc" || state.data.cdc.is_some();
    let known = SCHEMAS.iter().filter(there).map(|(name, id)| ((*name).to_owned(), *id));
    let mut schemas: Vec<(String, i32)> = known.collect();
    for table in &state.data.tables {
        if !schemas.iter().any(|(name, _)| name.eq_ignore_ascii_case(&table.schema)) {
            let id = i32::try_from(schemas.len()).unwrap_or(i32::MAX) + 5;
            schemas.push((table.schema.clone(), id));
        }
    }
    schemas
}

/// Every type once, for `sys.types`.
const TYPES: [Kind; 32] = [
    Kind::Image,
    Kind::Text,
    Kind::Guid,
    Kind::Date,
    Kind::Time(7),
    Kind::DateTime2(7),
    Kind::DateTimeOffset(7),
    Kind::TinyInt,
    Kind::SmallInt,
    Kind::Int,
    Kind::SmallDateTime,
    Kind::Real,
    Kind::Money,
    Kind::DateTime,
    Kind::Float,
    Kind::Variant,
    Kind::NText,
    Kind::Bit,
    Kind::Decimal(38, 38),
    Kind::SmallMoney,
    Kind::BigInt,
    Kind::VarBinary(Some(8000)),
    Kind::VarChar(Some(8000)),
    Kind::Binary(8000),
    Kind::Char(8000),
    Kind::RowVersion,
    Kind::NVarChar(Some(4000)),
    Kind::NChar(4000),
    Kind::Xml,
    Kind::Clr(Clr::HierarchyId),
    Kind::Clr(Clr::Geometry),
    Kind::Clr(Clr::Geography),
];

/// The name of a type by its `user_type_id`.
pub(crate) fn type_name(id: i64) -> Option<&'static str> {
    TYPES.into_iter().find(|kind| i64::from(kind.ids().1) == id).map(Kind::name)
}

/// A word that describes.
pub(super) const WORD: Kind = Kind::NVarChar(Some(60));

/// A view by its name in lower case.
pub(super) fn view(name: &str) -> Option<View> {
    super::among(VIEWS, name)
}

static VIEWS: &[(&str, View)] = &[
    (
        "schemas",
        (
            &[("name", Kind::NAME), ("schema_id", Kind::Int), ("principal_id", Kind::Int)],
            schema_rows,
        ),
    ),
    ("tables", (TABLES, tables)),
    ("objects", (OBJECTS, objects)),
    ("all_objects", (OBJECTS, objects)),
    ("columns", (COLUMNS, columns)),
    ("all_columns", (COLUMNS, columns)),
    (
        "computed_columns",
        (COLUMNS, |context, state| {
            // is_computed is the 14th of them.
            let mut rows = columns(context, state)?;
            rows.retain(|row| row.get(13) == Some(&Value::Bit(true)));
            Ok(rows)
        }),
    ),
    (
        "types",
        (
            &[
                ("name", Kind::NAME),
                ("system_type_id", Kind::TinyInt),
                ("user_type_id", Kind::Int),
                ("schema_id", Kind::Int),
                ("max_length", Kind::SmallInt),
                ("precision", Kind::TinyInt),
                ("scale", Kind::TinyInt),
                ("is_user_defined", Kind::Bit),
                ("is_assembly_type", Kind::Bit),
            ],
            types,
        ),
    ),
];

const TABLES: &[(&str, Kind)] = &[
    ("name", Kind::NAME),
    ("object_id", Kind::Int),
    ("schema_id", Kind::Int),
    ("type", Kind::Char(2)),
    ("type_desc", WORD),
    ("create_date", Kind::DateTime),
    ("modify_date", Kind::DateTime),
    ("is_ms_shipped", Kind::Bit),
    ("is_tracked_by_cdc", Kind::Bit),
    ("is_memory_optimized", Kind::Bit),
    ("temporal_type", Kind::TinyInt),
    ("is_filetable", Kind::Bit),
    ("is_replicated", Kind::Bit),
];

const OBJECTS: &[(&str, Kind)] = &[
    ("name", Kind::NAME),
    ("object_id", Kind::Int),
    ("schema_id", Kind::Int),
    ("type", Kind::Char(2)),
    ("type_desc", WORD),
    ("create_date", Kind::DateTime),
    ("modify_date", Kind::DateTime),
    ("is_ms_shipped", Kind::Bit),
];

const COLUMNS: &[(&str, Kind)] = &[
    ("object_id", Kind::Int),
    ("name", Kind::NAME),
    ("column_id", Kind::Int),
    ("system_type_id", Kind::TinyInt),
    ("user_type_id", Kind::Int),
    ("max_length", Kind::SmallInt),
    ("precision", Kind::TinyInt),
    ("scale", Kind::TinyInt),
    ("collation_name", Kind::NAME),
    ("is_nullable", Kind::Bit),
    ("is_ansi_padded", Kind::Bit),
    ("is_rowguidcol", Kind::Bit),
    ("is_identity", Kind::Bit),
    ("is_computed", Kind::Bit),
    ("is_sparse", Kind::Bit),
    ("is_column_set", Kind::Bit),
    ("is_hidden", Kind::Bit),
    ("generated_always_type", Kind::TinyInt),
];

/// The users' tables that the user may see.
pub(super) fn visible<'s>(
    context: &'s Context,
    state: &'s State,
) -> impl Iterator<Item = &'s Table> {
    state.data.tables.iter().filter(|table| context.may_select(&table.schema, &table.name))
}

/// The id of a table's schema.
pub(super) fn schema_id(state: &State, name: &str) -> Value {
    let known = schemas(state).into_iter().find(|(one, _)| one.eq_ignore_ascii_case(name));
    known.map(|(_, id)| id).into()
}

fn schema_rows(_: &Context, state: &State) -> Result<Rows> {
    let row = |(name, id): (String, i32)| vec![name.into(), id.into(), 1.into()];
    Ok(schemas(state).into_iter().map(row).collect())
}

/// Users' tables, then change tables.
fn objects(context: &Context, state: &State) -> Result<Rows> {
    let row = |(schema, name): (&str, &str), id: i32, (created, modified): (i64, i64), shipped| {
        vec![
            name.into(),
            id.into(),
            schema_id(state, schema),
            "U ".into(),
            "USER_TABLE".into(),
            local(state, created),
            local(state, modified),
            Value::Bit(shipped),
        ]
    };
    let tables = visible(context, state)
        .map(|t| row((&t.schema, &t.name), t.id, (t.created, t.modified), false));
    let changes = visible_instances(context, state)
        .map(|i| row(("cdc", &i.change_table()), i.object, (i.created, i.created), true));
    Ok(tables.chain(changes).collect())
}

fn tables(context: &Context, state: &State) -> Result<Rows> {
    let mut rows = objects(context, state)?;
    for row in &mut rows {
        let captured = match row.get(1) {
            Some(Value::Int(id)) => {
                i32::try_from(*id).is_ok_and(|id| state.data.instances_of(id).next().is_some())
            }
            _ => false,
        };
        row.extend([Value::Bit(captured), Value::Bit(false), 0.into()]);
        row.extend([Value::Bit(false), Value::Bit(captured)]);
    }
    Ok(rows)
}

fn columns(context: &Context, state: &State) -> Result<Rows> {
    let mut rows = Vec::new();
    for table in visible(context, state) {
        for column in &table.columns {
            let one = &column.column;
            let flags = (one.nullable, one.identity, one.computed);
            rows.push(column_row(table.id, (&one.name, column.id), one.of, flags));
        }
    }
    for instance in visible_instances(context, state) {
        for (number, (name, of)) in (1..).zip(instance.change_columns()) {
            rows.push(column_row(instance.object, (&name, number), of, (true, false, false)));
        }
    }
    Ok(rows)
}

fn column_row(
    object: i32,
    (name, number): (&str, i32),
    of: Type,
    (nullable, identity, computed): (bool, bool, bool),
) -> Vec<Value> {
    let (system, user) = of.kind.ids();
    let (length, precision, scale) = of.kind.sizes();
    let collation = of.kind.is_text().then(|| of.collation.name());
    vec![
        object.into(),
        name.into(),
        number.into(),
        system.into(),
        user.into(),
        length.into(),
        precision.into(),
        scale.into(),
        collation.into(),
        Value::Bit(nullable),
        Value::Bit(true),
        Value::Bit(false),
        Value::Bit(identity),
        Value::Bit(computed),
        Value::Bit(false),
        Value::Bit(false),
        Value::Bit(false),
        0.into(),
    ]
}

fn types(_: &Context, _: &State) -> Result<Rows> {
    let row = |kind: Kind| {
        let (system, user) = kind.ids();
        let (length, precision, scale) = kind.sizes();
        vec![
            kind.name().into(),
            system.into(),
            user.into(),
            4.into(),
            length.into(),
            precision.into(),
            scale.into(),
            Value::Bit(false),
            Value::Bit(matches!(kind, Kind::Clr(_))),
        ]
    };
    let mut numeric = row(Kind::Decimal(38, 38));
    if let [name, system, user, ..] = numeric.as_mut_slice() {
        (*name, *system, *user) = ("numeric".into(), 108.into(), 108.into());
    }
    let mut sysname = row(Kind::NAME);
    if let [name, _, user, ..] = sysname.as_mut_slice() {
        (*name, *user) = ("sysname".into(), 256.into());
    }
    Ok(TYPES.into_iter().map(row).chain([numeric, sysname]).collect())
}
