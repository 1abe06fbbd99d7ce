//! What `MariaDB` compresses under `log_bin_compress`: the text of a statement, or the rows of an
//! event. A byte that says how, the length in up to four bytes (the highest first), then zlib.

use std::io::Read;

use flate2::read::ZlibDecoder;

use super::Malformed;
use super::bytes::Bytes;

/// No packet is larger, so no event is.
const MOST: u64 = 1 << 30;

/// So much room is kept from one event to the next.
const KEPT: usize = 1 << 20;

/// Inflates into `inflated`, replacing what is there.
pub(super) fn inflate(compressed: &[u8], inflated: &mut Vec<u8>) -> Result<(), Malformed> {
    let mut bytes = Bytes(compressed);
    let how = bytes.u8()?;
    // The highest bit is always set, the next two name the algorithm; 0 is zlib, the only one.
    if how & 0xE0 != 0x80 {
        return Err(Malformed::Compression);
    }
    let length = bytes.take(usize::from(how & 0x07))?;
    let length = length.iter().fold(0_u64, |length, byte| length << 8 | u64::from(*byte));
    if length > MOST {
        return Err(Malformed::Compression);
    }
    if inflated.capacity() > KEPT {
        *inflated = Vec::new();
    }
    inflated.clear();
    let mut decoder = ZlibDecoder::new(bytes.0).take(length + 1);
    let found = decoder.read_to_end(inflated).map_err(|_| Malformed::Compression)?;
    if u64::try_from(found) == Ok(length) { Ok(()) } else { Err(Malformed::Compression) }
}
