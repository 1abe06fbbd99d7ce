//! Strings and numbers as the server prints them in a document.

use std::fmt::Write;

use super::BROKEN;

/// Appends a text in quotes.
pub(super) fn push_quoted(bytes: &[u8], out: &mut String) -> Result<(), &'static str> {
    let text = std::str::from_utf8(bytes).map_err(|_| BROKEN)?;
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            control if control < ' ' => {
                // Writing to a string never fails.
                write!(out, "\\u{:04x}", u32::from(control))
                    .expect("a string takes all that is written");
            }
            character => out.push(character),
        }
    }
    out.push('"');
    Ok(())
}

/// Appends a number that is no integer, which shows: `1.0`, `1e20`. Between 1e-15 and 1e15 it is
/// written without an exponent.
pub(super) fn push_double(number: f64, out: &mut String) {
    const SMALLEST: f64 = 1e-15;
    const LARGEST: f64 = 1e15;
    let size = number.abs();
    let start = out.len();
    let written = if size != 0.0 && !(SMALLEST..LARGEST).contains(&size) {
        write!(out, "{number:e}")
    } else {
        write!(out, "{number}")
    };
    written.expect("a string takes all that is written");
    if !out.get(start..).is_some_and(|text| text.contains(['.', 'e'])) {
        out.push_str(".0");
    }
}
