//! `sys.tables` and its relatives: what objects there are and what they look like.
#![expect(clippy::unnecessary_wraps, reason = "all views are made by functions of one type")]

use super::{Rows, View, local, visible_instances};
use crate::database::state::State;
use crate::database::table::Table;
use crate::engine::Context;
use crate::problem::Result;
use crate::value::Value;
use crate::value::kind::{Clr, Kind, Type};

/// The schemas with their ids; tests may put tables into any of them.
pub(crate) const SCHEMAS: [(&str, i32); 8] = [
    ("dbo", 1),
    ("guest", 2),
    ("INFORMATION_SCHEMA", 3),
    ("sys", 4),
    ("cdc", 5),
    ("erp", 6),
    ("legacy", 7),
    ("sales", 8),
];

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

const WORD: Kind = Kind::NVarChar(Some(60));

/// A view by its name in lower case.
pub(super) fn view(name: &str) -> Option<View> {
    super::among(VIEWS, name)
}

static VIEWS: &[(&str, View)] = &[
    (
        "schemas",
        (&[("name", Kind::NAME), ("schema_id", Kind::Int), ("principal_id", Kind::Int)], schemas),
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

fn schema_id(name: &str) -> Value {
    let known = SCHEMAS.iter().find(|(one, _)| one.eq_ignore_ascii_case(name));
    let known = known.unwrap_or_else(|| panic!("the scripted server has no schema \"{name}\""));
    known.1.into()
}

fn schemas(_: &Context, state: &State) -> Result<Rows> {
    let there = |name: &str| name != "cdc" || state.data.cdc.is_some();
    let shown = SCHEMAS.iter().filter(|(name, _)| there(name));
    Ok(shown.map(|(name, id)| vec![(*name).into(), (*id).into(), 1.into()]).collect())
}

/// Users' tables, then change tables.
fn objects(context: &Context, state: &State) -> Result<Rows> {
    let row = |(schema, name): (&str, &str), id: i32, (created, modified): (i64, i64), shipped| {
        vec![
            name.into(),
            id.into(),
            schema_id(schema),
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
            schema_id(&table.schema),
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
