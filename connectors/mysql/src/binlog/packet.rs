//! One event's bytes, checked: header and body, without the checksum.

use mysql_common::binlog::consts::BinlogChecksumAlg;
use mysql_common::binlog::events::Event as TransportEvent;

use super::bytes::Bytes;
use super::{Header, Malformed, kind};

/// An event whose checksum, if it has one, is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The header.
    pub header: Header,
    /// What is between the header and the checksum.
    pub body: &'a [u8],
    /// The checksum it came with, or for a file's first event: that all others come with.
    pub(super) checksum: Checksum,
}

/// How events end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checksum {
    /// Nobody has said so yet.
    Unknown,
    /// With the body.
    None,
    /// With four bytes of CRC-32.
    Crc32,
}

/// Set in a file's first event as long as the file is written; cleared without mending the sum.
const IN_USE: u16 = 1;
const FLAGS_AT: usize = 17;
const CRC_BYTES: usize = 4;

impl<'a> Packet<'a> {
    /// Takes an event as the transport gives it, which has cut the checksum off unverified.
    pub(super) fn of(event: &'a TransportEvent, inside_payload: bool) -> Result<Self, Malformed> {
        let header = event.header();
        let header = Header {
            timestamp: header.timestamp(),
            kind: header.event_type_raw(),
            server_id: header.server_id(),
            size: header.event_size(),
            log_pos: header.log_pos(),
            flags: header.flags_raw(),
        };
        let algorithm = event.footer().get_checksum_alg();
        let algorithm = algorithm.map_err(|unknown| Malformed::ChecksumKind(unknown.0))?;
        let crc32 = BinlogChecksumAlg::BINLOG_CHECKSUM_ALG_CRC32;
        let checksum = if algorithm == Some(crc32) { Checksum::Crc32 } else { Checksum::None };
        if checksum == Checksum::Crc32
            && let Some(sum) = event.checksum().filter(|_| !inside_payload)
        {
            compare(u32::from_le_bytes(sum), event.calc_checksum(crc32))?;
        }
        Ok(Self { header, body: event.data(), checksum })
    }

    /// Takes an event as it stands in a file or on the wire.
    pub(super) fn from_bytes(bytes: &'a [u8], checksum: Checksum) -> Result<Self, Malformed> {
        let header = header(bytes)?;
        if u32::try_from(bytes.len()) != Ok(header.size) {
            return Err(if header.size == 0 { Malformed::Short } else { Malformed::Long });
        }
        let body = bytes.get(Header::LEN..).ok_or(Malformed::Short)?;
        if header.kind == kind::FORMAT {
            return Self::format(bytes, header, body);
        }
        if checksum != Checksum::Crc32 {
            return Ok(Self { header, body, checksum });
        }
        let (body, sum) = body.split_last_chunk::<CRC_BYTES>().ok_or(Malformed::Short)?;
        compare(u32::from_le_bytes(*sum), crc32(bytes, header.kind)?)?;
        Ok(Self { header, body, checksum })
    }

    /// A file's first event ends with what sums there are and with room for one in any case.
    /// (Before 5.6.1 and 5.3 it had neither; such servers are not read from files.)
    fn format(bytes: &'a [u8], header: Header, body: &'a [u8]) -> Result<Self, Malformed> {
        let (body, sum) = body.split_last_chunk::<CRC_BYTES>().ok_or(Malformed::Short)?;
        let (sums, body) = body.split_last().ok_or(Malformed::Short)?;
        match sums {
            0 => Ok(Self { header, body, checksum: Checksum::None }),
            1 => {
                compare(u32::from_le_bytes(*sum), crc32(bytes, header.kind)?)?;
                Ok(Self { header, body, checksum: Checksum::Crc32 })
            }
            other => Err(Malformed::ChecksumKind(*other)),
        }
    }
}

fn header(bytes: &[u8]) -> Result<Header, Malformed> {
    let mut bytes = Bytes(bytes);
    Ok(Header {
        timestamp: bytes.u32()?,
        kind: bytes.u8()?,
        server_id: bytes.u32()?,
        size: bytes.u32()?,
        log_pos: bytes.u32()?,
        flags: bytes.u16()?,
    })
}

/// The sum over an event that ends with one.
fn crc32(bytes: &[u8], event: u8) -> Result<u32, Malformed> {
    let (summed, _) = bytes.split_last_chunk::<CRC_BYTES>().ok_or(Malformed::Short)?;
    let (before, rest) = summed.split_at_checked(FLAGS_AT).ok_or(Malformed::Short)?;
    let (flags, after) = rest.split_first_chunk::<2>().ok_or(Malformed::Short)?;
    let mut flags = u16::from_le_bytes(*flags);
    if event == kind::FORMAT {
        flags &= !IN_USE;
    }
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(before);
    hasher.update(&flags.to_le_bytes());
    hasher.update(after);
    Ok(hasher.finalize())
}

fn compare(found: u32, computed: u32) -> Result<(), Malformed> {
    if found == computed { Ok(()) } else { Err(Malformed::Checksum { found, computed }) }
}
