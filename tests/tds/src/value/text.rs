//! Values as text, in the styles of `CONVERT`.

use super::calendar::{date, date_text, split, time_text};
use super::kind::Kind;
use super::{Decimal, Value};

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The text of a value of this type; `None` where there is no such style.
///
/// <https://learn.microsoft.com/en-us/sql/t-sql/functions/cast-and-convert-transact-sql>
pub(crate) fn text(value: &Value, of: Kind, style: i32) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::Bit(bit) => u8::from(*bit).to_string(),
        Value::Int(number) => number.to_string(),
        Value::Decimal(number) => match (of, style) {
            // Style 0 shows two digits of four.
            (Kind::Money | Kind::SmallMoney, 0) => number.rescaled(2)?.to_string(),
            (Kind::Money | Kind::SmallMoney, 2) => number.rescaled(4)?.to_string(),
            _ => number.to_string(),
        },
        Value::Real(number) => float_text(f64::from(*number), style, 8)?,
        Value::Float(number) => float_text(*number, style, 16)?,
        Value::Date(days) => moment_text(*days, 0, 0, if style == 0 { 23 } else { style })?,
        Value::Time(ticks) => {
            time_text(i64::try_from(*ticks).ok()?, scale(of)).get(..).map(str::to_owned)?
        }
        Value::Moment(moment) => {
            let (days, ticks) = split(*moment);
            let newer = matches!(of, Kind::DateTime2(_) | Kind::Variant);
            let style = if style == 0 && newer { 121 } else { style };
            moment_text(days, ticks, scale(of), style)?
        }
        Value::Offset(moment, minutes) => offset_text(*moment, *minutes, scale(of), style)?,
        Value::Guid(bytes) => guid_text(bytes),
        Value::Text(text) => text.as_ref().to_owned(),
        Value::Bytes(bytes) => match style {
            1 => format!("0x{}", hex(bytes)),
            2 => hex(bytes),
            _ => return None,
        },
    })
}

fn scale(of: Kind) -> u8 {
    match of {
        Kind::Time(scale) | Kind::DateTime2(scale) | Kind::DateTimeOffset(scale) => scale,
        Kind::DateTime => 3,
        Kind::SmallDateTime | Kind::Date => 0,
        _ => 7,
    }
}

fn moment_text(days: i32, ticks: i64, scale: u8, style: i32) -> Option<String> {
    let (year, month, day) = date(days);
    let iso = date_text(days);
    let clock = time_text(ticks, scale);
    Some(match style {
        0 => {
            let name = usize::try_from(month - 1).ok().and_then(|month| MONTHS.get(month))?;
            let (hour, minute) = (ticks / super::calendar::SECOND / 3600, clock.get(3..5)?);
            let half = if hour < 12 { "AM" } else { "PM" };
            format!("{name} {day:>2} {year} {:>2}:{minute}{half}", (hour + 11) % 12 + 1)
        }
        104 => format!("{day:02}.{month:02}.{year:04}"),
        112 => format!("{year:04}{month:02}{day:02}"),
        108 | 24 => clock.get(..8)?.to_owned(),
        23 => iso,
        20 | 120 => format!("{iso} {}", clock.get(..8)?),
        21 | 25 | 121 => format!("{iso} {clock}"),
        126 if ticks % super::calendar::SECOND == 0 && scale <= 3 => {
            format!("{iso}T{}", clock.get(..8)?)
        }
        126 => format!("{iso}T{clock}"),
        127 => format!("{iso}T{clock}Z"),
        _ => return None,
    })
}

fn offset_text(moment: i64, minutes: i16, scale: u8, style: i32) -> Option<String> {
    let zone = i64::from(minutes);
    // Style 127 tells the moment in UTC, all others as the clock on the wall.
    let utc = style == 127;
    let shown = if utc { moment } else { moment + zone * 60 * super::calendar::SECOND };
    let (days, ticks) = split(shown);
    let sign = if zone < 0 { '-' } else { '+' };
    let (hours, rest) = (zone.abs() / 60, zone.abs() % 60);
    let (day, clock) = (date_text(days), time_text(ticks, scale));
    Some(match style {
        127 => format!("{day}T{clock}Z"),
        126 => format!("{day}T{clock}{sign}{hours:02}:{rest:02}"),
        0 | 21 | 25 | 121 => format!("{day} {clock} {sign}{hours:02}:{rest:02}"),
        _ => return None,
    })
}

/// Style 0 shows six digits, 1 shows eight and 2 sixteen with an exponent, 3 as many as it takes.
fn float_text(number: f64, style: i32, digits_of_two: usize) -> Option<String> {
    match style {
        0 => Some(six_digits(number)),
        1 => Some(scientific(number, 8)),
        2 => Some(scientific(number, digits_of_two)),
        3 => Some(scientific(number, if digits_of_two == 8 { 9 } else { 17 })),
        _ => None,
    }
}

fn scientific(number: f64, digits: usize) -> String {
    let text = format!("{number:.*e}", digits - 1);
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    format!("{mantissa}e{}{:03}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

fn six_digits(number: f64) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    let text = scientific(number, 6);
    let exponent: i32 = text.split_once('e').map_or(0, |(_, e)| e.parse().unwrap_or(0));
    if !(-5..15).contains(&exponent) {
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, ""));
        let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
        return format!("{mantissa}e{exponent}");
    }
    let places = usize::try_from(5 - exponent).unwrap_or(0);
    let rounded = format!("{number:.places$}");
    if exponent > 5 {
        // Six digits count; the others are zeros.
        let unit = 10_f64.powi(exponent - 5);
        return format!("{:.0}", (number / unit).round() * unit);
    }
    if rounded.contains('.') {
        return rounded.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    rounded
}

/// Printed in upper case, as SQL Server does.
pub(crate) fn guid_text(bytes: &[u8; 16]) -> String {
    let hex = hex(bytes);
    let part = |from, to| hex.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

/// Reads a `uniqueidentifier`, with or without braces.
pub(crate) fn read_guid(text: &str) -> Option<[u8; 16]> {
    let text = text.trim().trim_start_matches('{').trim_end_matches('}');
    unhex(&text.replace('-', ""))?.try_into().ok()
}

/// Upper-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit =
        |half: u8| char::from(b"0123456789ABCDEF".get(usize::from(half)).copied().unwrap_or(b'?'));
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The bytes of hexadecimal digits; an odd number of them gets a zero in front.
pub(crate) fn unhex(digits: &str) -> Option<Vec<u8>> {
    let digits = if digits.len() % 2 == 1 { format!("0{digits}") } else { digits.to_owned() };
    let pairs = digits.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    pairs.map(byte).collect()
}

/// The number a text says, as `CAST` to a float reads it.
pub(crate) fn read_float(text: &str) -> Option<f64> {
    let text = text.trim();
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    if plain { text.parse().ok() } else { None }
}

/// The exact number a text says; a text of money may have blanks and commas.
pub(crate) fn read_exact(text: &str, money: bool) -> Option<Decimal> {
    if money { Decimal::read(&text.replace([',', '$', '€'], "")) } else { Decimal::read(text) }
}

#[cfg(test)]
mod tests {
    use super::super::calendar::{join, read};
    use super::*;

    #[test]
    fn moments_are_written_in_the_styles_of_convert() {
        let read = read("2024-03-05 13:07:09.1234567").unwrap();
        let moment = Value::Moment(join(read.days, read.ticks));
        for (style, expected) in [
            (0, "2024-03-05 13:07:09.1234567"),
            (23, "2024-03-05"),
            (120, "2024-03-05 13:07:09"),
            (126, "2024-03-05T13:07:09.1234567"),
            (112, "20240305"),
        ] {
            assert_eq!(text(&moment, Kind::DateTime2(7), style).unwrap(), expected);
        }
        assert_eq!(text(&moment, Kind::DateTime, 0).unwrap(), "Mar  5 2024  1:07PM");
        let offset = Value::Offset(join(read.days, read.ticks), 90);
        assert_eq!(
            text(&offset, Kind::DateTimeOffset(7), 121).unwrap(),
            "2024-03-05 14:37:09.1234567 +01:30"
        );
        assert_eq!(
            text(&offset, Kind::DateTimeOffset(3), 127).unwrap(),
            "2024-03-05T13:07:09.123Z"
        );
    }

    #[test]
    fn a_float_shows_six_digits_unless_asked() {
        let shown = |number: f64, style| text(&Value::Float(number), Kind::Float, style).unwrap();
        assert_eq!(shown(0.1, 0), "0.1");
        assert_eq!(shown(1_234_567.0, 0), "1234570");
        assert_eq!(shown(1.0e20, 0), "1e+020");
        assert_eq!(shown(0.1, 3), "1.0000000000000001e-001");
    }
}
