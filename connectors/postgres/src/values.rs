//! Which kind a type is, and the canonical text of its values.
//!
//! Both readers of a database, the log and the snapshot, get the text of the type's own output
//! function under the settings that every session pins (`DateStyle=ISO`, `TimeZone=UTC`,
//! `IntervalStyle=iso_8601`, `bytea_output=hex`, `extra_float_digits`). Only booleans are spelled
//! differently from the canonical text; everything else is passed on as it is.

use erpbridge_connector::ColumnKind;

/// The kind of a built-in type; `None` where it is none of ours.
///
/// `money` is none: its text depends on the server's locale. `timetz` is none: its zone is part
/// of the value, and the canonical time has none.
pub fn kind(type_oid: u32) -> Option<ColumnKind> {
    Some(match type_oid {
        // bool
        16 => ColumnKind::Bool,
        // int8, int2, int4, oid
        20 | 21 | 23 | 26 => ColumnKind::Integer,
        // numeric
        1700 => ColumnKind::Decimal,
        // float4
        700 => ColumnKind::Float32,
        // float8
        701 => ColumnKind::Float64,
        // "char", name, text, bpchar, varchar
        18 | 19 | 25 | 1042 | 1043 => ColumnKind::Text,
        // date
        1082 => ColumnKind::Date,
        // time
        1083 => ColumnKind::Time,
        // timestamp
        1114 => ColumnKind::LocalTimestamp,
        // timestamptz
        1184 => ColumnKind::Instant,
        // interval
        1186 => ColumnKind::Interval,
        // uuid
        2950 => ColumnKind::Uuid,
        // json, jsonb
        114 | 3802 => ColumnKind::Json,
        // bytea
        17 => ColumnKind::Bytes,
        _ => return None,
    })
}

/// The canonical text of a value as the type's output function prints it.
pub fn canonical(kind: ColumnKind, text: &str) -> &str {
    match (kind, text) {
        (ColumnKind::Bool, "t") => "true",
        (ColumnKind::Bool, "f") => "false",
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_booleans_change_their_spelling() {
        assert_eq!(canonical(ColumnKind::Bool, "t"), "true");
        assert_eq!(canonical(ColumnKind::Bool, "f"), "false");
        for (kind, text) in [
            (ColumnKind::Text, "t"),
            (ColumnKind::Text, "A1   "),
            (ColumnKind::Decimal, "1.1000"),
            (ColumnKind::Decimal, "NaN"),
            (ColumnKind::Date, "-infinity"),
            (ColumnKind::Instant, "2024-02-29 23:59:59.5+00"),
            (ColumnKind::Interval, "P1Y2M3DT4H5M6S"),
            (ColumnKind::Bytes, "\\x00ff"),
            (ColumnKind::Other, "{t,f}"),
        ] {
            assert_eq!(canonical(kind, text), text);
        }
    }

    #[test]
    fn types_without_a_canonical_kind_are_other() {
        // money, timetz, int4[], int4range, inet, xml
        for oid in [790, 1266, 1007, 3904, 869, 142] {
            assert_eq!(kind(oid), None, "{oid}");
        }
    }
}
