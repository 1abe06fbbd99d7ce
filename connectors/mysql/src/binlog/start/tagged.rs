//! Identifiers with a tag, which `MySQL` writes in a format of its own since 8.3: numbered fields
//! of numbers of varying length.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/PageLibsMysqlSerialization.html>

use super::super::Malformed;
use super::super::bytes::{self, Bytes};
use super::{Standing, Start};
use crate::gtid::{Gtid, Origin, Uuid};

const FLAGS: u64 = 0;
const UUID: u64 = 1;
const NUMBER: u64 = 2;
const TAG: u64 = 3;
const LAST_COMMITTED: u64 = 4;
const SEQUENCE_NUMBER: u64 = 5;
const COMMITTED_AT: u64 = 6;

/// Reads the fields up to the time of the commit; they stand in the order of their numbers.
pub(super) fn read(body: &[u8]) -> Result<Start, Malformed> {
    let mut bytes = Bytes(body);
    let (_version, _size, _last_required) =
        (varlen(&mut bytes)?, varlen(&mut bytes)?, varlen(&mut bytes)?);
    let mut uuid = None;
    let mut number = 0;
    let mut tag: Box<str> = "".into();
    let mut committed_at_micros = None;
    while !bytes.is_empty() {
        match varlen(&mut bytes)? {
            FLAGS | LAST_COMMITTED | SEQUENCE_NUMBER => {
                varlen(&mut bytes)?;
            }
            UUID => uuid = Some(self::uuid(&mut bytes)?),
            // Signed numbers carry their sign in the lowest bit; this one has none.
            NUMBER => number = varlen(&mut bytes)? >> 1,
            TAG => tag = text(&mut bytes)?.into(),
            COMMITTED_AT => {
                committed_at_micros = i64::try_from(varlen(&mut bytes)?).ok();
                break;
            }
            _ => break,
        }
    }
    let uuid = uuid.ok_or(Malformed::Short)?;
    let gtid = Some(Gtid::MySql(Origin { uuid, tag }, number));
    Ok(Start { gtid, committed_at_micros, standing: Standing::Unsaid })
}

/// Each byte is a number by itself.
fn uuid(bytes: &mut Bytes<'_>) -> Result<Uuid, Malformed> {
    let mut uuid = [0; 16];
    for byte in &mut uuid {
        *byte = u8::try_from(varlen(bytes)?).map_err(|_| Malformed::Short)?;
    }
    Ok(Uuid(uuid))
}

/// A text whose length stands before it.
pub(super) fn text<'a>(bytes: &mut Bytes<'a>) -> Result<&'a str, Malformed> {
    let length = usize::try_from(varlen(bytes)?).map_err(|_| Malformed::Short)?;
    bytes::name(bytes.take(length)?)
}

/// A number whose first byte says by its lowest ones how many bytes it takes.
pub(super) fn varlen(bytes: &mut Bytes<'_>) -> Result<u64, Malformed> {
    let first = bytes.u8()?;
    let more = first.trailing_ones();
    if more == 8 {
        return bytes.u64();
    }
    let mut number = [0; 8];
    number[0] = first;
    let rest = bytes.take(usize::try_from(more).map_err(|_| Malformed::Short)?)?;
    for (place, byte) in number.iter_mut().skip(1).zip(rest) {
        *place = *byte;
    }
    Ok(u64::from_le_bytes(number) >> (more + 1))
}
