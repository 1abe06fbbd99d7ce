//! From the client library's cells to ours.

use erpbridge_connector::{SourceError, SourceErrorKind};
use tiberius::ColumnData;
use tiberius::time::{Date, Time};

use super::Row;
use crate::cell::{Cell, Clock, Day};

/// Takes a row apart.
pub(super) fn row(row: tiberius::Row, doing: &str) -> Result<Row, SourceError> {
    let columns = row.columns().to_vec();
    let mut cells = Vec::with_capacity(columns.len());
    for (data, column) in row.into_token_row().into_iter().zip(columns) {
        let cell = cell(data).ok_or_else(|| unexpected(doing, column.name()))?;
        cells.push(cell);
    }
    Ok(Row::from(cells))
}

/// A cell; none for the types that no select list of ours asks for, because they lose something
/// on the way: `money`, `datetime`, `xml`.
fn cell(data: ColumnData<'_>) -> Option<Cell> {
    Some(match data {
        ColumnData::U8(number) => number.map_or(Cell::Null, |n| Cell::Integer(n.into())),
        ColumnData::I16(number) => number.map_or(Cell::Null, |n| Cell::Integer(n.into())),
        ColumnData::I32(number) => number.map_or(Cell::Null, |n| Cell::Integer(n.into())),
        ColumnData::I64(number) => number.map_or(Cell::Null, Cell::Integer),
        ColumnData::F32(number) => number.map_or(Cell::Null, Cell::Float32),
        ColumnData::F64(number) => number.map_or(Cell::Null, Cell::Float64),
        ColumnData::Bit(bit) => bit.map_or(Cell::Null, Cell::Bool),
        ColumnData::String(text) => text.map_or(Cell::Null, |t| Cell::Text(t.into_owned())),
        ColumnData::Guid(guid) => guid.map_or(Cell::Null, |g| Cell::Guid(g.as_u128())),
        ColumnData::Binary(bytes) => bytes.map_or(Cell::Null, |b| Cell::Bytes(b.into_owned())),
        ColumnData::Numeric(number) => {
            number.map_or(Cell::Null, |n| Cell::Decimal(n.value(), n.scale()))
        }
        ColumnData::Date(date) => date.map_or(Cell::Null, |date| Cell::Date(day(date))),
        ColumnData::Time(time) => time.map_or(Cell::Null, |time| Cell::Time(clock(time))),
        ColumnData::DateTime2(moment) => {
            moment.map_or(Cell::Null, |m| Cell::Moment(day(m.date()), clock(m.time())))
        }
        // On the wire a datetimeoffset is its UTC moment and the offset beside it.
        ColumnData::DateTimeOffset(moment) => moment.map_or(Cell::Null, |m| {
            let utc = m.datetime2();
            Cell::Instant(day(utc.date()), clock(utc.time()), m.offset())
        }),
        ColumnData::Xml(None) | ColumnData::DateTime(None) | ColumnData::SmallDateTime(None) => {
            Cell::Null
        }
        ColumnData::Xml(_) | ColumnData::DateTime(_) | ColumnData::SmallDateTime(_) => return None,
    })
}

fn day(date: Date) -> Day {
    Day(date.days())
}

fn clock(time: Time) -> Clock {
    Clock { parts: time.increments(), scale: time.scale() }
}

fn unexpected(doing: &str, column: &str) -> SourceError {
    let message = format!("{doing}: column `{column}` came in a type that was not asked for");
    SourceError::new(SourceErrorKind::Decode, message)
}
