//! What the log may say of a table's columns beyond their types: signs and collations since 8.0
//! and 10.5, and under `binlog_row_metadata=FULL` names, labels and the primary key.

use super::super::Malformed;
use super::super::bytes::Bytes;
use super::{ColumnMap, column};

const SIGNEDNESS: u8 = 1;
const DEFAULT_CHARSET: u8 = 2;
const COLUMN_CHARSET: u8 = 3;
const COLUMN_NAME: u8 = 4;
const SET_LABELS: u8 = 5;
const ENUM_LABELS: u8 = 6;
const SIMPLE_PRIMARY_KEY: u8 = 8;
const PRIMARY_KEY_WITH_PREFIX: u8 = 9;
const LABELS_DEFAULT_CHARSET: u8 = 10;
const LABELS_COLUMN_CHARSET: u8 = 11;

/// Reads the fields at the end of an announcement; those that are not needed are passed over.
pub(super) fn read<'a>(
    mut bytes: Bytes<'a>,
    columns: &mut [ColumnMap<'a>],
) -> Result<(), Malformed> {
    let textual = |column: &ColumnMap<'_>| column.textual();
    let labelled = |column: &ColumnMap<'_>| matches!(column.kind, column::ENUM | column::SET);
    while !bytes.is_empty() {
        let kind = bytes.u8()?;
        let mut field = Bytes(bytes.packed_bytes()?);
        match kind {
            SIGNEDNESS => signs(field.0, columns),
            DEFAULT_CHARSET => default_collation(&mut field, columns, textual)?,
            COLUMN_CHARSET => collations(&mut field, columns, textual)?,
            LABELS_DEFAULT_CHARSET => default_collation(&mut field, columns, labelled)?,
            LABELS_COLUMN_CHARSET => collations(&mut field, columns, labelled)?,
            COLUMN_NAME => {
                for column in columns.iter_mut() {
                    column.name = Some(field.packed_name()?);
                }
            }
            SET_LABELS => labels(&mut field, columns, column::SET)?,
            ENUM_LABELS => labels(&mut field, columns, column::ENUM)?,
            SIMPLE_PRIMARY_KEY => key(&mut field, columns, false)?,
            PRIMARY_KEY_WITH_PREFIX => key(&mut field, columns, true)?,
            _ => {}
        }
    }
    Ok(())
}

/// One bit for each numeric column, the highest of the first byte first.
fn signs(bits: &[u8], columns: &mut [ColumnMap<'_>]) {
    let numeric = columns.iter_mut().filter(|column| column.numeric());
    for (place, column) in numeric.enumerate() {
        let byte = bits.get(place / 8).copied().unwrap_or_default();
        column.unsigned = Some(byte & (0x80 >> (place % 8)) != 0);
    }
}

/// One collation for all columns of a sort, then those that have another.
fn default_collation(
    field: &mut Bytes<'_>,
    columns: &mut [ColumnMap<'_>],
    sort: impl Fn(&ColumnMap<'_>) -> bool,
) -> Result<(), Malformed> {
    let default = field.packed()?;
    let mut exceptions = Vec::new();
    while !field.is_empty() {
        exceptions.push((field.packed_length()?, field.packed()?));
    }
    for (place, column) in columns.iter_mut().filter(|column| sort(column)).enumerate() {
        let other = exceptions.iter().find(|(exception, _)| *exception == place);
        column.collation = Some(other.map_or(default, |(_, collation)| *collation));
    }
    Ok(())
}

fn collations(
    field: &mut Bytes<'_>,
    columns: &mut [ColumnMap<'_>],
    sort: impl Fn(&ColumnMap<'_>) -> bool,
) -> Result<(), Malformed> {
    for column in columns.iter_mut().filter(|column| sort(column)) {
        column.collation = Some(field.packed()?);
    }
    Ok(())
}

fn labels<'a>(
    field: &mut Bytes<'a>,
    columns: &mut [ColumnMap<'a>],
    kind: u8,
) -> Result<(), Malformed> {
    for column in columns.iter_mut().filter(|column| column.kind == kind) {
        let count = field.packed()?;
        let labels = (0..count).map(|_| field.packed_bytes()).collect::<Result<_, _>>()?;
        column.labels = Some(labels);
    }
    Ok(())
}

fn key(
    field: &mut Bytes<'_>,
    columns: &mut [ColumnMap<'_>],
    with_prefix: bool,
) -> Result<(), Malformed> {
    for place in 1.. {
        if field.is_empty() {
            break;
        }
        let column = field.packed_length()?;
        if with_prefix {
            field.packed()?;
        }
        if let Some(column) = columns.get_mut(column) {
            column.key = Some(place);
        }
    }
    Ok(())
}
