//! Which tables of an unfinished snapshot have been sent, small enough to travel in a position.
//!
//! Tables are counted in the order of their names, one bit for each, and a fingerprint of the list
//! stands beside the bits: if another list of tables is to be read at the next start, the bits
//! mean nothing and every table is read. So a position never grows beyond 2,048 bits; a table
//! further down the list is simply read again.
//!
//! Text: `<fingerprint>:<bits>`, both in hexadecimal digits, the first table in the lowest bit of
//! the first byte: `af63bd4c8601b7be:05`.

use std::fmt;
use std::str::FromStr;

use crate::TableName;

/// So many tables at most are remembered as read; the text is then 529 characters long.
const MOST: usize = 2048;

/// The tables of a list that have been sent, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TablesDone {
    list: u64,
    bits: Vec<u8>,
}

impl TablesDone {
    /// None yet of this list, which is in the order of its names.
    pub fn none_of<'n>(list: impl IntoIterator<Item = &'n TableName>) -> Self {
        Self { list: fingerprint(list), bits: Vec::new() }
    }

    /// Whether both speak of the same list.
    pub fn same_list(&self, other: &Self) -> bool {
        self.list == other.list
    }

    /// This, unless it speaks of another list. It is asked before anything is sent under a position
    /// that carries it on: a log that is followed for other tables leaves out changes of these, so
    /// should the old list ever come back, its tables must be read again.
    pub fn of_list<'n>(self, list: impl IntoIterator<Item = &'n TableName>) -> Option<Self> {
        self.same_list(&Self::none_of(list)).then_some(self)
    }

    /// Notes that this table of the list has been sent.
    pub fn insert(&mut self, place: usize) {
        if place >= MOST {
            return;
        }
        let (byte, bit) = (place / 8, place % 8);
        if self.bits.len() <= byte {
            self.bits.resize(byte + 1, 0);
        }
        if let Some(bits) = self.bits.get_mut(byte) {
            *bits |= 1 << bit;
        }
    }

    /// Whether this table of the list has been sent.
    pub fn contains(&self, place: usize) -> bool {
        self.bits.get(place / 8).is_some_and(|bits| bits & (1 << (place % 8)) != 0)
    }

    /// Whether none has been sent.
    pub fn is_empty(&self) -> bool {
        self.bits.is_empty()
    }
}

/// FNV-1a, because it is the same in every version of this program. A zero byte ends each part,
/// so that no two lists run together.
fn fingerprint<'n>(list: impl IntoIterator<Item = &'n TableName>) -> u64 {
    let parts = list.into_iter().flat_map(|name| [&name.schema, &name.table]);
    let bytes = parts.flat_map(|part| part.bytes().chain([0]));
    bytes.fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

impl fmt::Display for TablesDone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}:", self.list)?;
        self.bits.iter().try_for_each(|bits| write!(f, "{bits:02x}"))
    }
}

/// Text that names no tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a list of tables such as af63bd4c8601b7be:05")]
pub struct NotTablesDone;

impl FromStr for TablesDone {
    type Err = NotTablesDone;

    fn from_str(text: &str) -> Result<Self, NotTablesDone> {
        let (list, bits) = text.split_once(':').ok_or(NotTablesDone)?;
        let plain =
            text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b) || b == b':');
        if !plain || list.len() != 16 || bits.is_empty() || bits.len() > MOST / 4 {
            return Err(NotTablesDone);
        }
        let list = u64::from_str_radix(list, 16).map_err(|_| NotTablesDone)?;
        let (pairs, rest) = bits.as_bytes().as_chunks::<2>();
        let byte = |pair: &[u8; 2]| {
            std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok())
        };
        let bits: Vec<u8> = pairs.iter().map(byte).collect::<Option<_>>().ok_or(NotTablesDone)?;
        // The last byte is there because of a table in it.
        if !rest.is_empty() || bits.last() == Some(&0) {
            Err(NotTablesDone)
        } else {
            Ok(Self { list, bits })
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn none() -> TablesDone {
        TablesDone::none_of(&[TableName::new("erp", "item"), TableName::new("erp", "line")])
    }

    proptest! {
        #[test]
        fn tables_read_back_from_their_text(places in prop::collection::btree_set(0..MOST, 1..40)) {
            let mut done = none();
            for place in &places {
                done.insert(*place);
            }
            let text = done.to_string();
            prop_assert!(text.len() <= 529, "{}", text.len());
            prop_assert_eq!(text.parse(), Ok(done.clone()));
            for place in 0..MOST + 9 {
                prop_assert_eq!(done.contains(place), places.contains(&place));
            }
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "[0-9a-f:é]{0,30}") {
            if let Ok(done) = text.parse::<TablesDone>() {
                prop_assert_eq!(done.to_string(), text);
            }
        }
    }

    #[test]
    fn another_list_has_another_fingerprint() {
        let lists: [&[(&str, &str)]; 5] = [
            &[],
            &[("erp", "item")],
            &[("erp", "item"), ("erp", "line")],
            &[("erp", "ite"), ("merp", "line")],
            &[("erp", "line"), ("erp", "item")],
        ];
        let done = lists.map(|list| {
            let names: Vec<_> = list.iter().map(|(s, t)| TableName::new(*s, *t)).collect();
            TablesDone::none_of(&names)
        });
        for (place, left) in done.iter().enumerate() {
            for (other, right) in done.iter().enumerate() {
                assert_eq!(left.same_list(right), place == other, "{place} {other}");
            }
        }
    }

    #[test]
    fn a_table_too_far_down_is_never_done() {
        let mut done = none();
        done.insert(MOST);
        assert!(done.is_empty() && !done.contains(MOST));
    }
}
