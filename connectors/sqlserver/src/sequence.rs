//! The ordinal of a row change: its place in its transaction, by the log alone.
//!
//! The log of SQL Server is only seen through the change tables, one per captured table. Counting
//! the rows of all of them would take the right to read all of them, and the count would move with
//! every table that is captured or released. But each change carries the place of its log record
//! (`__$seqval`), and `cdc.lsn_time_mapping` says where its transaction began. The distance between
//! the two is the ordinal: it grows with the log, it is the same at every reading, and it asks
//! nothing of tables that nobody wants.
//!
//! A distance counts in sixteenths of a log sector (512 bytes): no record is smaller than 32
//! bytes. Each virtual log file counts as a gigabyte. Where this is not so, or the place is missing
//! or out of order (SQL Server 2008 wrote such), an ordinal is one more than the one before it in
//! the same table; so ordinals always grow.

use crate::position::Lsn;

/// Records that fit into a sector of the log.
const RECORDS: u64 = 16;
/// Sectors of a virtual log file.
const SECTORS: u64 = 1 << 21;
/// Event ids have room for ten digits. What lies farther is counted.
const FARTHEST: u64 = 9_000_000_000;

/// The distance from the begin of a transaction to one of its records, from 1.
pub fn distance(begin: Lsn, record: Lsn) -> u64 {
    let place = |lsn: Lsn| {
        let (file, block, slot) = lsn.parts();
        let sectors = u64::from(file) * SECTORS + u64::from(block);
        u128::from(sectors) * u128::from(RECORDS) + u128::from(slot)
    };
    let distance = place(record).saturating_sub(place(begin));
    std::cmp::min(u64::try_from(distance).unwrap_or(FARTHEST), FARTHEST - 1) + 1
}

/// Keeps ordinals growing within a transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ordinals {
    transaction: Lsn,
    last: u64,
}

impl Ordinals {
    /// The ordinal of a change of this transaction whose place asks for `wanted`.
    pub fn next(&mut self, transaction: Lsn, wanted: u64) -> u64 {
        if self.transaction != transaction {
            *self = Self { transaction, last: 0 };
        }
        self.last = std::cmp::max(wanted, self.last + 1);
        self.last
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lsn(text: &str) -> Lsn {
        text.parse().unwrap()
    }

    #[test]
    fn a_distance_counts_records_from_the_begin_of_the_transaction() {
        let begin = lsn("0000002a:00000198:0001");
        for (record, expected) in [
            ("0000002a:00000198:0001", 1),
            ("0000002a:00000198:0002", 2),
            ("0000002a:00000199:0001", 17),
            ("0000002b:00000010:0001", 16 * (2_097_152 + 0x10 - 0x198) + 1),
            ("00000000:00000000:0000", 1),
            ("ffffffff:00000000:0000", FARTHEST),
        ] {
            assert_eq!(distance(begin, lsn(record)), expected, "{record}");
        }
    }

    proptest! {
        #[test]
        fn distances_order_as_their_records_do(
            a in (0..100_u32, 0..2_000_000_u32, 0..16_u16),
            b in (0..100_u32, 0..2_000_000_u32, 0..16_u16),
        ) {
            let place = |(file, block, slot): (u32, u32, u16)| {
                lsn(&format!("{file:08x}:{block:08x}:{slot:04x}"))
            };
            let (a, b) = (place(a), place(b));
            prop_assert_eq!(distance(Lsn::ZERO, a).cmp(&distance(Lsn::ZERO, b)), a.cmp(&b));
        }
    }

    #[test]
    fn ordinals_grow_whatever_the_places_say() {
        let mut ordinals = Ordinals::default();
        let (one, two) = (lsn("00000001:00000000:0001"), lsn("00000002:00000000:0001"));
        let given: Vec<u64> = [(one, 5), (one, 5), (one, 3), (one, 9), (two, 2)]
            .map(|(t, w)| ordinals.next(t, w))
            .into();
        assert_eq!(given, [5, 6, 7, 9, 2]);
    }
}
