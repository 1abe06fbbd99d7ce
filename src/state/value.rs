//! How a record lies in the store: magic, version, checksum, JSON.
//!
//! The store promises to return what was written; the checksum is for the day it does not. A
//! value that does not check is treated as absent, and the value before it is taken.

use super::OffsetRecord;

const MAGIC: &[u8] = b"ERPO";
const VERSION: u8 = 1;

/// The bytes of a record.
pub(super) fn encode(record: &OffsetRecord) -> Vec<u8> {
    let body = record.to_json();
    let mut bytes = Vec::with_capacity(MAGIC.len() + 5 + body.len());
    bytes.extend_from_slice(MAGIC);
    bytes.push(VERSION);
    bytes.extend_from_slice(&crc32c::crc32c(body.as_bytes()).to_le_bytes());
    bytes.extend_from_slice(body.as_bytes());
    bytes
}

/// Reads a record; `None` for anything [`encode`] did not write.
pub(super) fn decode(bytes: &[u8]) -> Option<OffsetRecord> {
    let (version, rest) = bytes.strip_prefix(MAGIC)?.split_first()?;
    let (sum, body) = rest.split_first_chunk::<4>()?;
    let sound = *version == VERSION && crc32c::crc32c(body) == u32::from_le_bytes(*sum);
    sound.then(|| OffsetRecord::from_json(body).ok())?
}

#[cfg(test)]
mod tests {
    use erpbridge_connector::{Position, Sequence, Timestamp};
    use proptest::prelude::*;

    use super::*;

    fn record(sequence: Option<Sequence>) -> OffsetRecord {
        OffsetRecord {
            source: "erp1".to_owned(),
            epoch: 3,
            stream_sequence: u64::MAX,
            position: Position::new("0/16B3748"),
            sequence,
            recorded_at: Timestamp::from_micros(-1),
        }
    }

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        for record in [record(None), record(Some(Sequence::new("00000000016B3748")))] {
            assert_eq!(decode(&encode(&record)), Some(record));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_reading_fail_loudly(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert_eq!(decode(&bytes), None);
        }

        #[test]
        fn a_damaged_byte_is_noticed(at in 0usize..60, by in 1u8..=255) {
            let mut bytes = encode(&record(None));
            bytes[at] ^= by;
            prop_assert_eq!(decode(&bytes), None);
        }
    }
}
