//! Shapes that the log tells by itself: under `binlog_row_metadata=FULL` it names the columns, and
//! says of each what else it takes to read it. Then no other source can be as right about it.

use super::{ColumnShape, TableShape};
use crate::binlog::{ColumnMap, TableMap, column};
use crate::values::{self, Charset};

/// `binary`, the collation of what is no text.
const BINARY: u64 = 63;

impl TableShape {
    /// The shape that the log announces with these columns; `None` unless it names them all. What
    /// `known` says of a column of the same name is kept where the two agree: `information_schema`
    /// spells types more fully than the log.
    pub fn named(
        map: &TableMap<'_>,
        columns: &[ColumnMap<'_>],
        known: Option<&Self>,
    ) -> Option<Self> {
        let known = known.map_or(&[][..], |known| &known.columns);
        let columns = columns.iter().map(|map| {
            let name = map.name?;
            let known = known.iter().find(|column| column.name == name);
            let told = told(name, map);
            match (known, told) {
                // The log's type is too wide to tell what this column is more narrowly.
                (Some(known), None) if values::fits(known, map) => Some(known.clone()),
                (Some(known), Some(told)) if same(known, &told, map) => {
                    Some(ColumnShape { key: told.key, ..known.clone() })
                }
                (_, told) => told,
            }
        });
        Some(Self {
            schema: map.schema.to_owned(),
            table: map.table.to_owned(),
            columns: columns.collect::<Option<_>>()?,
        })
    }
}

/// Whether what is known of a column reads its cells as the log says they are to be read.
fn same(known: &ColumnShape, told: &ColumnShape, map: &ColumnMap<'_>) -> bool {
    // Older servers call it `utf8`.
    let set =
        |shape: &ColumnShape| shape.character_set.as_deref().map(|set| set.replace("mb3", ""));
    values::fits(known, map)
        && (map.unsigned.is_none() || known.unsigned() == told.unsigned())
        && (map.collation.is_none() || set(known) == set(told))
        && known.labels() == told.labels()
}

/// A column by the log alone; `None` for a type that the log does not tell fully.
fn told(name: &str, map: &ColumnMap<'_>) -> Option<ColumnShape> {
    let collation = map.collation.filter(|collation| *collation != BINARY);
    let character_set = match collation {
        Some(collation) => Some(values::character_set(collation)?.to_owned()),
        None => None,
    };
    let data_type = data_type(map, character_set.is_some())?;
    let temporal = matches!(data_type, "time" | "datetime" | "timestamp");
    let with_length = matches!(data_type, "char" | "varchar" | "binary" | "varbinary");
    Some(ColumnShape {
        name: name.to_owned(),
        data_type: data_type.to_owned(),
        column_type: column_type(data_type, map, character_set.as_deref())?,
        character_set,
        octet_length: with_length.then(|| u64::try_from(map.length()).ok()).flatten(),
        datetime_precision: temporal.then_some(map.width[0]),
        nullable: map.nullable,
        key: map.key,
        generated: false,
    })
}

/// The log has one type for several where only their names differ: a `JSON` of `MariaDB` is a
/// `longtext` here, and an `inet6` 16 bytes.
fn data_type(map: &ColumnMap<'_>, text: bool) -> Option<&'static str> {
    use column::{
        BIT, BLOB, DATE, DATETIME, DATETIME2, DOUBLE, ENUM, FLOAT, GEOMETRY, INT24, JSON, LONG,
        LONGLONG, NEWDATE, NEWDECIMAL, SET, SHORT, STRING, TIME, TIME2, TIMESTAMP, TIMESTAMP2,
        TINY, VAR_STRING, VARCHAR, VECTOR, YEAR,
    };
    Some(match map.kind {
        TINY => "tinyint",
        SHORT => "smallint",
        INT24 => "mediumint",
        LONG => "int",
        LONGLONG => "bigint",
        FLOAT => "float",
        DOUBLE => "double",
        NEWDECIMAL => "decimal",
        YEAR => "year",
        DATE | NEWDATE => "date",
        TIME | TIME2 => "time",
        DATETIME | DATETIME2 => "datetime",
        TIMESTAMP | TIMESTAMP2 => "timestamp",
        BIT => "bit",
        JSON => "json",
        ENUM => "enum",
        SET => "set",
        GEOMETRY => "geometry",
        VECTOR => "vector",
        STRING if text => "char",
        STRING => "binary",
        VARCHAR | VAR_STRING if text => "varchar",
        VARCHAR | VAR_STRING => "varbinary",
        BLOB if text => "longtext",
        BLOB => "longblob",
        _ => return None,
    })
}

/// The type as it would be declared, as far as the log tells.
fn column_type(data_type: &str, map: &ColumnMap<'_>, set: Option<&str>) -> Option<String> {
    let [first, second] = map.width;
    Some(match data_type {
        "decimal" => format!("decimal({first},{second}){}", sign(map)),
        "time" | "datetime" | "timestamp" if first > 0 => format!("{data_type}({first})"),
        "binary" | "varbinary" => format!("{data_type}({})", map.length()),
        "enum" | "set" => format!("{data_type}({})", labels(map, set)?),
        _ => format!("{data_type}{}", sign(map)),
    })
}

fn sign(map: &ColumnMap<'_>) -> &'static str {
    if map.unsigned == Some(true) { " unsigned" } else { "" }
}

/// The labels in quotes, converted from the column's character set.
fn labels(map: &ColumnMap<'_>, set: Option<&str>) -> Option<String> {
    let charset = Charset::of(set.unwrap_or("utf8mb4"))?;
    let mut list = Vec::new();
    for label in map.labels.as_ref()? {
        let mut text = String::new();
        charset.push(label, &mut text).ok()?;
        list.push(format!("'{}'", text.replace('\'', "''")));
    }
    Some(list.join(","))
}
