//! Which kind a type is, and the canonical text of its values.

use std::borrow::Cow;

use erpbridge_connector::ColumnKind;

/// The kind of a built-in type; `None` where it is none of ours.
pub fn kind(type_oid: u32) -> Option<ColumnKind> {
    Some(match type_oid {
        16 => ColumnKind::Bool,
        20 | 21 | 23 | 26 => ColumnKind::Integer,
        1700 => ColumnKind::Decimal,
        700 => ColumnKind::Float32,
        701 => ColumnKind::Float64,
        18 | 19 | 25 | 1042 | 1043 => ColumnKind::Text,
        1082 => ColumnKind::Date,
        1083 => ColumnKind::Time,
        1114 => ColumnKind::LocalTimestamp,
        1184 => ColumnKind::Instant,
        1186 => ColumnKind::Interval,
        2950 => ColumnKind::Uuid,
        114 | 3802 => ColumnKind::Json,
        17 => ColumnKind::Bytes,
        _ => return None,
    })
}

/// The canonical text of a value as the type's output function prints it.
pub fn canonical(kind: ColumnKind, text: &str) -> Cow<'_, str> {
    match (kind, text) {
        (ColumnKind::Bool, "t") => Cow::Borrowed("true"),
        (ColumnKind::Bool, "f") => Cow::Borrowed("false"),
        _ => Cow::Borrowed(text),
    }
}
