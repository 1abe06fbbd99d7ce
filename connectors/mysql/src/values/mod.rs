//! Which kind a column is, and the canonical text of its cells.

use erpbridge_connector::ColumnKind;

use crate::binlog::{ColumnMap, column};
use crate::shape::ColumnShape;

/// The kind of a column.
///
/// `tinyint(1)` is an integer: it is what the server stores, and only a mapping can know that it
/// is meant as a boolean.
pub fn kind(shape: &ColumnShape) -> ColumnKind {
    match shape.data_type.as_str() {
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "year" => ColumnKind::Integer,
        "decimal" => ColumnKind::Decimal,
        "float" => ColumnKind::Float32,
        "double" => ColumnKind::Float64,
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "enum" | "set" => {
            ColumnKind::Text
        }
        "date" => ColumnKind::Date,
        "time" => ColumnKind::Time,
        "datetime" => ColumnKind::LocalTimestamp,
        "timestamp" => ColumnKind::Instant,
        "json" => ColumnKind::Json,
        "uuid" => ColumnKind::Uuid,
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" | "bit" => {
            ColumnKind::Bytes
        }
        _ => ColumnKind::Other,
    }
}

/// Whether the log's type of a column can be what `information_schema` calls it.
pub fn fits(shape: &ColumnShape, found: &ColumnMap<'_>) -> bool {
    use column::*;
    let kinds: &[u8] = match shape.data_type.as_str() {
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
        _ => return false,
    };
    kinds.contains(&found.kind)
}
