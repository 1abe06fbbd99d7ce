//! From a cell of the server's answer to its text: the way of a snapshot.
//!
//! A cell must get the same text as from the log. So it is not the server that makes the text, but
//! the same functions as for the log, and each column comes in the form that they take: text as the
//! bytes of its own character set, because the session wants it unconverted (a cast in the query
//! would do that, too, and turn a text beyond `max_allowed_packet` into NULL), labels as their
//! number. Only what the server prints in one way whatever it is asked (decimals, JSON, addresses)
//! is taken as it comes.

use mysql_async::{Row, Value};

use super::cell::{push_label, push_labels};
use super::charset::Charset;
use super::{Cells, Unreadable, number, temporal};
use crate::shape::{ColumnShape, TableShape};
use crate::sql;

/// Asks for the columns of a table and reads the answers.
#[derive(Debug)]
pub struct Answers {
    columns: Vec<(String, Answer)>,
}

/// What comes when a column is asked for.
#[derive(Debug)]
enum Answer {
    /// A number, or a year.
    Number,
    Decimal,
    Date,
    Time,
    Datetime,
    Timestamp,
    Text(Charset),
    Bytes,
    Enum(Vec<String>),
    Set(Vec<String>),
    /// Text in UTF-8.
    Printed,
}

const TYPE: &str = "the server answered with a value of another type";

/// Whether the values of a column can be read.
pub(super) fn readable(column: &ColumnShape) -> bool {
    Answer::of(column).is_some()
}

impl Answers {
    /// For the columns of this table; fails with the name of one that cannot be read.
    pub fn new(shape: &TableShape) -> Result<Self, String> {
        let column = |column: &ColumnShape| {
            let answer = Answer::of(column).ok_or_else(|| column.name.clone())?;
            Ok((answer.expression(&column.name), answer))
        };
        Ok(Self { columns: shape.columns.iter().map(column).collect::<Result<_, String>>()? })
    }

    /// What stands behind `SELECT`.
    pub fn columns(&self) -> String {
        let columns: Vec<&str> = self.columns.iter().map(|(column, _)| column.as_str()).collect();
        columns.join(", ")
    }

    /// Reads one row of the answer.
    pub fn read(&self, row: &Row, cells: &mut Cells) -> Result<(), Unreadable> {
        cells.clear();
        for (column, (_, answer)) in self.columns.iter().enumerate() {
            match row.as_ref(column) {
                None | Some(Value::NULL) => cells.push_null(),
                Some(value) => cells
                    .push_text(|out| answer.push(value, out))
                    .map_err(|why| Unreadable::Cell { column, why })?,
            }
        }
        Ok(())
    }
}

impl Answer {
    fn of(column: &ColumnShape) -> Option<Self> {
        Some(match column.data_type.as_str() {
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "year" | "bit" | "float"
            | "double" => Self::Number,
            "decimal" => Self::Decimal,
            "date" => Self::Date,
            "time" => Self::Time,
            "datetime" => Self::Datetime,
            "timestamp" => Self::Timestamp,
            "enum" => Self::Enum(column.labels()),
            "set" => Self::Set(column.labels()),
            "json" | "uuid" | "inet4" | "inet6" => Self::Printed,
            _ => match &column.character_set {
                Some(name) => Self::Text(Charset::of(name)?),
                None => Self::Bytes,
            },
        })
    }

    /// How the column is asked for.
    fn expression(&self, column: &str) -> String {
        let column = sql::identifier(column);
        match self {
            Self::Enum(_) | Self::Set(_) => format!("CAST({column} AS UNSIGNED)"),
            _ => column,
        }
    }

    fn push(&self, value: &Value, out: &mut String) -> Result<(), &'static str> {
        match (self, value) {
            (Self::Number, Value::Int(number)) => number::push_signed(*number, out),
            (Self::Number, Value::UInt(number)) => number::push_unsigned(*number, out),
            (Self::Number, Value::Float(number)) => number::push_float32(*number, out),
            (Self::Number, Value::Double(number)) => number::push_float64(*number, out),
            // Bits come as bytes, the highest first.
            (Self::Number, Value::Bytes(bits)) => {
                number::push_unsigned(temporal::big_endian(bits), out);
            }
            (Self::Decimal, Value::Bytes(text)) => push_digits(printed(text)?, out),
            (Self::Bytes, Value::Bytes(bytes)) => number::push_hex(bytes, out),
            (Self::Text(charset), Value::Bytes(bytes)) => charset.push(bytes, out)?,
            (Self::Printed, Value::Bytes(text)) => out.push_str(printed(text)?),
            (Self::Enum(labels), label) => push_label(labels, unsigned(label)?, out)?,
            (Self::Set(labels), bits) => push_labels(labels, unsigned(bits)?, out)?,
            (Self::Date | Self::Datetime | Self::Timestamp, Value::Date(..)) => {
                self.push_date(value, out);
            }
            (Self::Time, Value::Time(negative, days, hours, minutes, seconds, micros)) => {
                let hours = u64::from(*days) * 24 + u64::from(*hours);
                let time = (hours, u64::from(*minutes), u64::from(*seconds));
                temporal::push_signed_time(*negative, time, u64::from(*micros), out);
            }
            _ => return Err(TYPE),
        }
        Ok(())
    }

    fn push_date(&self, value: &Value, out: &mut String) {
        let Value::Date(year, month, day, hour, minute, second, micros) = *value else { return };
        temporal::push_ymd(year.into(), month.into(), day.into(), out);
        if matches!(self, Self::Date) {
            return;
        }
        out.push(' ');
        temporal::push_hms(hour.into(), minute.into(), second.into(), out);
        temporal::push_micros(micros.into(), out);
        // The zero date is no moment.
        if matches!(self, Self::Timestamp) && year > 0 {
            out.push_str("+00");
        }
    }
}

/// `ZEROFILL` makes the server print zeros in front.
fn push_digits(text: &str, out: &mut String) {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let whole = digits.split('.').next().unwrap_or_default();
    let zeros = whole.bytes().take_while(|digit| *digit == b'0').count();
    let unneeded = std::cmp::min(zeros, whole.len().saturating_sub(1));
    out.push_str(sign);
    out.push_str(digits.get(unneeded..).unwrap_or_default());
}

fn printed(text: &[u8]) -> Result<&str, &'static str> {
    std::str::from_utf8(text).map_err(|_| "the server answered with text that is not UTF-8")
}

fn unsigned(value: &Value) -> Result<u64, &'static str> {
    match value {
        Value::UInt(number) => Ok(*number),
        Value::Int(number) => u64::try_from(*number).map_err(|_| TYPE),
        _ => Err(TYPE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_that_only_fill_a_decimal_are_no_part_of_it() {
        for (printed, expected) in [
            ("000001.50", "1.50"),
            ("0.10", "0.10"),
            ("000", "0"),
            ("-0.05", "-0.05"),
            ("10", "10"),
        ] {
            let mut text = String::new();
            push_digits(printed, &mut text);
            assert_eq!(text, expected);
        }
    }
}
