//! Which kind a column is, and the canonical text of its cells.

mod address;
mod answers;
mod cell;
mod cells;
mod charset;
mod compressed;
mod json;
mod number;
mod plan;
mod temporal;
mod width;

pub use answers::Answers;
pub use cells::Cells;
pub(crate) use charset::{Charset, character_set};
pub use plan::{Plan, Unreadable, Walk};

use erpbridge_connector::ColumnKind;

use crate::binlog::{ColumnMap, column};
use crate::shape::ColumnShape;

/// The kind of a column.
///
/// `tinyint(1)` is an integer: it is what the server stores, and only a mapping can know that it
/// is meant as a boolean.
pub fn kind(shape: &ColumnShape) -> ColumnKind {
    match shape.data_type.as_str() {
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "year" | "bit" => {
            ColumnKind::Integer
        }
        "decimal" => ColumnKind::Decimal,
        "float" => ColumnKind::Float32,
        "double" => ColumnKind::Float64,
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "enum" | "set"
        | "inet4" | "inet6" => ColumnKind::Text,
        "date" => ColumnKind::Date,
        "time" => ColumnKind::Time,
        "datetime" => ColumnKind::LocalTimestamp,
        "timestamp" => ColumnKind::Instant,
        "json" => ColumnKind::Json,
        "uuid" => ColumnKind::Uuid,
        // Spatial values and vectors are told as they are stored.
        _ => ColumnKind::Bytes,
    }
}

/// Whether a column's values can be read at all.
pub fn readable(shape: &ColumnShape) -> bool {
    log_types(&shape.data_type).is_some() && answers::readable(shape)
}

/// Whether the log's type of a column can be what `information_schema` calls it.
pub fn fits(shape: &ColumnShape, found: &ColumnMap<'_>) -> bool {
    let types = log_types(&shape.data_type);
    types.is_some_and(|types| types.contains(&found.kind)) && as_wide(shape, found)
}

/// What the log calls a type.
fn log_types(data_type: &str) -> Option<&'static [u8]> {
    use column::{
        BIT, BLOB, BLOB_COMPRESSED, DATE, DATETIME, DATETIME2, DOUBLE, ENUM, FLOAT, GEOMETRY,
        INT24, JSON, LONG, LONGLONG, NEWDATE, NEWDECIMAL, SET, SHORT, STRING, TIME, TIME2,
        TIMESTAMP, TIMESTAMP2, TINY, VAR_STRING, VARCHAR, VARCHAR_COMPRESSED, VECTOR, YEAR,
    };
    Some(match data_type {
        "tinyint" => &[TINY],
        "smallint" => &[SHORT],
        "mediumint" => &[INT24],
        "int" => &[LONG],
        "bigint" => &[LONGLONG],
        "year" => &[YEAR],
        "decimal" => &[NEWDECIMAL],
        "float" => &[FLOAT],
        "double" => &[DOUBLE],
        "char" | "binary" | "uuid" | "inet4" | "inet6" => &[STRING],
        "varchar" | "varbinary" => &[VARCHAR, VAR_STRING, VARCHAR_COMPRESSED],
        "tinytext" | "text" | "mediumtext" | "longtext" | "tinyblob" | "blob" | "mediumblob"
        | "longblob" => &[BLOB, BLOB_COMPRESSED],
        "enum" => &[ENUM],
        "set" => &[SET],
        "date" => &[DATE, NEWDATE],
        "time" => &[TIME, TIME2],
        "datetime" => &[DATETIME, DATETIME2],
        "timestamp" => &[TIMESTAMP, TIMESTAMP2],
        "json" => &[JSON],
        "bit" => &[BIT],
        "vector" => &[VECTOR, VARCHAR],
        "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring"
        | "multipolygon" | "geometrycollection" | "geomcollection" => &[GEOMETRY],
        _ => return None,
    })
}

/// Whether the lengths agree, where both sides tell them.
fn as_wide(shape: &ColumnShape, found: &ColumnMap<'_>) -> bool {
    use column::{
        DATETIME, DATETIME2, NEWDECIMAL, STRING, TIME, TIME2, TIMESTAMP, TIMESTAMP2, VARCHAR,
    };
    let [first, second] = found.width;
    let precision = shape.datetime_precision.unwrap_or_default();
    match found.kind {
        // What MariaDB wrote before 5.6's format came: with a fraction, of which the log says
        // nothing.
        TIME | DATETIME | TIMESTAMP => precision == 0,
        TIME2 | DATETIME2 | TIMESTAMP2 => first == precision,
        NEWDECIMAL => shape.column_type.starts_with(&format!("decimal({first},{second})")),
        VARCHAR | STRING => {
            let length = u64::try_from(found.length()).ok();
            shape.octet_length.is_none() || shape.octet_length == length
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests;
