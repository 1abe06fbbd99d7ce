//! Values in a document that JSON has no type for: the server keeps their own.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::number::{push_decimal, push_padded, push_unsigned};
use super::BROKEN;
use crate::binlog::column;

/// The server breaks its base64 into lines of this length.
const LINE: usize = 76;

/// Appends a value of a column type.
pub(super) fn push(kind: u8, bytes: &[u8], out: &mut String) -> Result<(), &'static str> {
    match kind {
        column::NEWDECIMAL => {
            let ([precision, scale], digits) = bytes.split_first_chunk::<2>().ok_or(BROKEN)?;
            push_decimal(digits, *precision, *scale, out);
        }
        column::DATE | column::DATETIME | column::TIMESTAMP | column::TIME => {
            let packed = i64::from_le_bytes(bytes.try_into().map_err(|_| BROKEN)?);
            out.push('"');
            push_temporal(kind, packed, out);
            out.push('"');
        }
        _ => {
            out.push_str("\"base64:type");
            push_unsigned(kind.into(), out);
            out.push(':');
            for (place, line) in STANDARD.encode(bytes).as_bytes().chunks(LINE).enumerate() {
                if place > 0 {
                    out.push_str("\\n");
                }
                out.push_str(std::str::from_utf8(line).map_err(|_| BROKEN)?);
            }
            out.push('"');
        }
    }
    Ok(())
}

/// A date, a time or both in one number, the lowest 24 bits microseconds. Here the server prints
/// all six digits of them.
fn push_temporal(kind: u8, packed: i64, out: &mut String) {
    if packed < 0 {
        out.push('-');
    }
    let packed = packed.unsigned_abs();
    let (seconds, micros) = (packed >> 24, packed & 0xFF_FFFF);
    let (days, time) = (seconds >> 17, seconds & 0x1_FFFF);
    if kind != column::TIME {
        let months = days >> 5;
        push_padded(months / 13, 4, out);
        out.push('-');
        push_padded(months % 13, 2, out);
        out.push('-');
        push_padded(days & 31, 2, out);
    }
    if kind == column::DATE {
        return;
    }
    let hours = if kind == column::TIME { seconds >> 12 & 0x3FF } else { time >> 12 };
    if kind != column::TIME {
        out.push(' ');
    }
    push_padded(hours, 2, out);
    out.push(':');
    push_padded(time >> 6 & 63, 2, out);
    out.push(':');
    push_padded(time & 63, 2, out);
    out.push('.');
    push_padded(micros, 6, out);
}
