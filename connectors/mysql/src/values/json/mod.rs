//! `JSON` of `MySQL`: a binary tree in the log, here the text that the server prints of it, blanks
//! and order included. (`MariaDB` stores JSON as text.)
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/json__binary_8h.html>

use super::number;
use super::temporal::big_endian;

mod opaque;
mod text;

/// Why bytes are not a document.
const BROKEN: &str = "a JSON document is not stored as MySQL stores it";

/// The server nests no deeper.
const DEEPEST: usize = 101;

const SMALL_OBJECT: u8 = 0;
const LARGE_OBJECT: u8 = 1;
const SMALL_ARRAY: u8 = 2;
const LARGE_ARRAY: u8 = 3;
const LITERAL: u8 = 4;
const INT16: u8 = 5;
const UINT16: u8 = 6;
const INT32: u8 = 7;
const UINT32: u8 = 8;
const INT64: u8 = 9;
const UINT64: u8 = 10;
const DOUBLE: u8 = 11;
const STRING: u8 = 12;
const OPAQUE: u8 = 15;

/// Appends the text of a document. No bytes at all are a `null` that was never written.
pub(super) fn push(stored: &[u8], out: &mut String) -> Result<(), &'static str> {
    match stored.split_first() {
        None => {
            out.push_str("null");
            Ok(())
        }
        Some((kind, value)) => push_value(*kind, value, DEEPEST, out),
    }
}

fn push_value(kind: u8, value: &[u8], depth: usize, out: &mut String) -> Result<(), &'static str> {
    match kind {
        SMALL_OBJECT | LARGE_OBJECT => {
            Tree::read(value, kind == LARGE_OBJECT, true)?.push(depth, out)?;
        }
        SMALL_ARRAY | LARGE_ARRAY => {
            Tree::read(value, kind == LARGE_ARRAY, false)?.push(depth, out)?;
        }
        LITERAL => out.push_str(match value.first() {
            Some(0) => "null",
            Some(1) => "true",
            Some(2) => "false",
            _ => return Err(BROKEN),
        }),
        INT16 => number::push_signed(i16::from_le_bytes(fixed(value)?).into(), out),
        UINT16 => number::push_unsigned(u16::from_le_bytes(fixed(value)?).into(), out),
        INT32 => number::push_signed(i32::from_le_bytes(fixed(value)?).into(), out),
        UINT32 => number::push_unsigned(u32::from_le_bytes(fixed(value)?).into(), out),
        INT64 => number::push_signed(i64::from_le_bytes(fixed(value)?), out),
        UINT64 => number::push_unsigned(u64::from_le_bytes(fixed(value)?), out),
        DOUBLE => text::push_double(f64::from_le_bytes(fixed(value)?), out),
        STRING => text::push_quoted(counted(value)?, out)?,
        OPAQUE => {
            let (kind, value) = value.split_first().ok_or(BROKEN)?;
            opaque::push(*kind, counted(value)?, out)?;
        }
        _ => return Err(BROKEN),
    }
    Ok(())
}

/// The first bytes of a value.
fn fixed<const N: usize>(value: &[u8]) -> Result<[u8; N], &'static str> {
    value.first_chunk::<N>().copied().ok_or(BROKEN)
}

/// Bytes behind their length, which takes seven bits of each byte up to one without the eighth.
fn counted(value: &[u8]) -> Result<&[u8], &'static str> {
    let mut length = 0_usize;
    for (place, byte) in value.iter().take(5).enumerate() {
        length |= usize::from(byte & 0x7F) << (7 * place);
        if byte & 0x80 == 0 {
            let start = place + 1;
            return value.get(start..).and_then(|rest| rest.get(..length)).ok_or(BROKEN);
        }
    }
    Err(BROKEN)
}

/// An object or an array: a count, entries of equal size, and what they point to.
struct Tree<'a> {
    bytes: &'a [u8],
    count: usize,
    /// How many bytes counts and offsets take.
    unit: usize,
    object: bool,
}

impl<'a> Tree<'a> {
    fn read(bytes: &'a [u8], large: bool, object: bool) -> Result<Self, &'static str> {
        let unit = if large { 4 } else { 2 };
        let mut tree = Self { bytes, count: 0, unit, object };
        tree.count = tree.number(0, unit)?;
        let size = tree.number(unit, unit)?;
        tree.bytes = bytes.get(..size).ok_or(BROKEN)?;
        Ok(tree)
    }

    /// A number at a place, the lowest byte first.
    fn number(&self, at: usize, bytes: usize) -> Result<usize, &'static str> {
        let mut taken = [0; 8];
        let found = self.bytes.get(at..at + bytes).ok_or(BROKEN)?;
        for (place, byte) in taken.iter_mut().rev().zip(found) {
            *place = *byte;
        }
        usize::try_from(big_endian(&taken)).map_err(|_| BROKEN)
    }

    fn key_entries(&self) -> usize {
        2 * self.unit
    }

    fn value_entries(&self) -> usize {
        let keys = if self.object { self.count * (self.unit + 2) } else { 0 };
        self.key_entries() + keys
    }

    fn push(&self, depth: usize, out: &mut String) -> Result<(), &'static str> {
        let depth = depth.checked_sub(1).ok_or(BROKEN)?;
        out.push(if self.object { '{' } else { '[' });
        for place in 0..self.count {
            if place > 0 {
                out.push_str(", ");
            }
            if self.object {
                text::push_quoted(self.key(place)?, out)?;
                out.push_str(": ");
            }
            let (kind, value) = self.value(place)?;
            push_value(kind, value, depth, out)?;
        }
        out.push(if self.object { '}' } else { ']' });
        Ok(())
    }

    fn key(&self, place: usize) -> Result<&'a [u8], &'static str> {
        let entry = self.key_entries() + place * (self.unit + 2);
        let (start, length) = (self.number(entry, self.unit)?, self.number(entry + self.unit, 2)?);
        self.bytes.get(start..).and_then(|key| key.get(..length)).ok_or(BROKEN)
    }

    /// A value's type and bytes: those of the entry itself where they fit, else those it points to.
    fn value(&self, place: usize) -> Result<(u8, &'a [u8]), &'static str> {
        let entry = self.value_entries() + place * (self.unit + 1);
        let kind = *self.bytes.get(entry).ok_or(BROKEN)?;
        let inline = matches!(kind, LITERAL | INT16 | UINT16)
            || self.unit == 4 && matches!(kind, INT32 | UINT32);
        let start = if inline { entry + 1 } else { self.number(entry + 1, self.unit)? };
        Ok((kind, self.bytes.get(start..).ok_or(BROKEN)?))
    }
}

#[cfg(test)]
mod tests;
