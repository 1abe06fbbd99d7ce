//! How far an unfinished snapshot has come: tables that have been read, and how far into the ones
//! that were being read.
//!
//! A large table takes hours, so a start that broke off goes on behind the last row that is
//! stored, not at the first. Why that is right is told in `begin`. A part belongs to a table in a
//! list of tables: if another list is to be read, or the table has another key, it means nothing,
//! because meanwhile the table's changes may not have been sent.
//!
//! Text of a part: `<fingerprint>.<key>-<key>`, all in hexadecimal digits, several parts with a
//! comma between them: `af63bd4c8601b7be.3137-4131`. Keys are values of rows; so they are not in
//! plain sight where a position is shown.

use std::fmt;
use std::str::FromStr;

use erpbridge_connector::{TableName, TableSchema, TablesDone};

use crate::relations::fnv;

/// The parts of a position are no longer than this; what does not fit is read from its start.
const LONGEST: usize = 1024;

/// What of a snapshot has been sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadSoFar {
    /// The tables that have been read to their end.
    pub tables: Option<TablesDone>,
    /// How far the others have been read.
    pub parts: Parts,
}

/// How far tables have been read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    table: u64,
    /// The key of its last row, as text.
    behind: Vec<String>,
}

/// What a part of this table, in this list of tables, is known by.
pub fn fingerprint(list: &[TableName], table: &TableSchema) -> u64 {
    let key = table.primary_key.iter().filter_map(|place| table.columns.get(*place));
    let key = key.flat_map(|column| [&column.name, &column.type_name]);
    let names = list.iter().chain([&table.name]).flat_map(|name| [&name.schema, &name.table]);
    fnv(names.chain(key).flat_map(|text| text.bytes().chain([0])))
}

impl ReadSoFar {
    /// Nothing but these tables.
    pub fn tables(tables: Option<TablesDone>) -> Self {
        Self { tables, parts: Parts::default() }
    }
}

impl Parts {
    /// The last key of a table that has been sent.
    pub fn behind(&self, table: u64) -> Option<&[String]> {
        self.0.iter().find(|part| part.table == table).map(|part| part.behind.as_slice())
    }

    /// This table has been sent up to this key.
    pub fn reach(&mut self, table: u64, behind: Vec<String>) {
        match self.0.iter_mut().find(|part| part.table == table) {
            Some(part) => part.behind = behind,
            None => self.0.push(Part { table, behind }),
        }
    }

    /// This table has been sent wholly.
    pub fn complete(&mut self, table: u64) {
        self.0.retain(|part| part.table != table);
    }

    /// Forgets every table but these.
    pub fn retain(&mut self, tables: &[u64]) {
        self.0.retain(|part| tables.contains(&part.table));
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.to_string().is_empty()
    }
}

impl fmt::Display for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut room = LONGEST;
        for part in &self.0 {
            let text = part.to_string();
            let comma = usize::from(room < LONGEST);
            if text.len() + comma > room {
                continue;
            }
            room -= text.len() + comma;
            f.write_str(if comma == 1 { "," } else { "" })?;
            f.write_str(&text)?;
        }
        Ok(())
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.table)?;
        for (place, key) in self.behind.iter().enumerate() {
            f.write_str(if place == 0 { "." } else { "-" })?;
            key.bytes().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        }
        Ok(())
    }
}

/// Text that says nothing of how far tables have been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not parts of tables such as af63bd4c8601b7be.3137-4131")]
pub struct NotParts;

impl FromStr for Parts {
    type Err = NotParts;

    fn from_str(text: &str) -> Result<Self, NotParts> {
        let plain = |byte: u8| byte.is_ascii_digit() || b"abcdef.-,".contains(&byte);
        if text.len() > LONGEST || !text.bytes().all(plain) {
            return Err(NotParts);
        }
        text.split(',').map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl FromStr for Part {
    type Err = NotParts;

    fn from_str(text: &str) -> Result<Self, NotParts> {
        let (table, behind) = text.split_once('.').ok_or(NotParts)?;
        if table.len() != 16 {
            return Err(NotParts);
        }
        let table = u64::from_str_radix(table, 16).map_err(|_| NotParts)?;
        let behind = behind.split('-').map(key).collect::<Option<_>>().ok_or(NotParts)?;
        Ok(Self { table, behind })
    }
}

fn key(digits: &str) -> Option<String> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes = pairs.iter().map(byte).collect::<Option<Vec<u8>>>()?;
    if rest.is_empty() { String::from_utf8(bytes).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use erpbridge_connector::testkit::table;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn parts_read_back_from_their_text(
            keys in prop::collection::vec(prop::collection::vec("\\PC{0,9}", 1..4), 1..5),
        ) {
            let mut parts = Parts::default();
            for (table, behind) in (7..).zip(keys) {
                parts.reach(table, behind);
            }
            prop_assert_eq!(parts.to_string().parse(), Ok(parts));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "[0-9a-f.,é-]{0,40}") {
            if let Ok(parts) = text.parse::<Parts>() {
                prop_assert_eq!(parts.to_string(), text);
            }
        }
    }

    #[test]
    fn a_key_that_is_too_long_leaves_room_for_the_others() {
        let mut parts = Parts::default();
        parts.reach(1, vec!["x".repeat(LONGEST)]);
        assert!(parts.is_empty());
        parts.reach(2, vec!["17".to_owned(), "A1".to_owned()]);
        assert_eq!(parts.to_string(), "0000000000000002.3137-4131");
        parts.complete(2);
        assert!(parts.is_empty());
    }

    #[test]
    fn a_part_belongs_to_its_table_its_key_and_its_list() {
        let (order, line) = (table("dbo.o(id integer key)"), table("dbo.l(id integer key)"));
        let other_key = table("dbo.o(id text key)");
        let (one, two) = ([order.name.clone()], [order.name.clone(), line.name.clone()]);
        let all = [
            fingerprint(&one, &order),
            fingerprint(&two, &order),
            fingerprint(&two, &line),
            fingerprint(&two, &other_key),
        ];
        for (place, left) in all.iter().enumerate() {
            assert!(all.iter().skip(place + 1).all(|right| left != right), "{place}");
        }
    }
}
