//! Columns that `MariaDB` compresses one by one (`COMPRESSED`): a byte that says how, the length,
//! then zlib; or a zero, then the bytes themselves.

use std::io::Read;

use flate2::read::{DeflateDecoder, ZlibDecoder};

const BROKEN: &str = "a compressed cell does not inflate";

/// What the cell holds.
pub(super) fn inflate(stored: &[u8]) -> Result<Vec<u8>, &'static str> {
    const ZLIB: u8 = 8;
    const WITHOUT_HEADER: u8 = 0x08;
    let Some((how, rest)) = stored.split_first() else { return Ok(Vec::new()) };
    if *how == 0 {
        return Ok(rest.to_vec());
    }
    if how >> 4 != ZLIB {
        return Err("a compressed cell uses an algorithm that is unknown here");
    }
    let (length, deflated) = rest.split_at_checked(usize::from(how & 0x07)).ok_or(BROKEN)?;
    let length = super::temporal::big_endian(length);
    let mut inflated = Vec::new();
    let found = if how & WITHOUT_HEADER == 0 {
        ZlibDecoder::new(deflated).take(length + 1).read_to_end(&mut inflated)
    } else {
        DeflateDecoder::new(deflated).take(length + 1).read_to_end(&mut inflated)
    };
    let found = found.ok().and_then(|found| u64::try_from(found).ok());
    if found == Some(length) { Ok(inflated) } else { Err(BROKEN) }
}
