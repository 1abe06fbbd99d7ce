//! What stands before a transaction: its identifier.

mod tagged;

use std::collections::BTreeMap;

use super::bytes::Bytes;
use super::{Malformed, kind};
use crate::gtid::{DomainGtid, Gtid, GtidSet, IntervalSet, Origin, Uuid};

/// The name of an XA transaction, as the application gave it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Xid {
    /// The number of its format; 1 unless the application says otherwise.
    pub format: u32,
    /// The global transaction.
    pub global: Vec<u8>,
    /// The branch.
    pub branch: Vec<u8>,
}

/// How the events after a [`Start`] make a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Up to the commit. `MySQL` writes `BEGIN` first, or one statement that stands alone.
    Unsaid,
    /// `MariaDB`: rows follow, up to the commit; there is no `BEGIN`.
    Transaction,
    /// `MariaDB`: one statement follows, which stands alone.
    Alone,
    /// `MariaDB`: the transaction is prepared under this name and not committed.
    Prepared(Xid),
    /// `MariaDB`: the statement that follows ends the transaction of this name.
    Completed(Xid),
}

/// A transaction's identifier, before its first event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// The identifier; none in a log without (`MySQL` writes an anonymous one then).
    pub gtid: Option<Gtid>,
    /// When it was committed on this server, in microseconds since 1970, if the log says so.
    pub committed_at_micros: Option<i64>,
    /// How it goes on.
    pub standing: Standing,
}

/// Reads `GTID` and `ANONYMOUS_GTID` of `MySQL`: what 5.6 wrote, and what later versions added.
pub(super) fn mysql(body: &[u8], event: u8) -> Result<Start, Malformed> {
    let mut bytes = Bytes(body);
    let _flags = bytes.u8()?;
    let uuid = Uuid(bytes.array()?);
    let number = bytes.u64()?;
    let named = event == kind::GTID;
    let gtid = named.then(|| Gtid::MySql(Origin { uuid, tag: "".into() }, number));
    Ok(Start { gtid, committed_at_micros: commit_time(bytes), standing: Standing::Unsaid })
}

/// Since 8.0 a logical clock follows, then when the transaction was committed.
fn commit_time(mut bytes: Bytes<'_>) -> Option<i64> {
    const LOGICAL_CLOCK: u8 = 2;
    /// Set where the time of the first commit follows too, because it was on another server.
    const HAS_ORIGINAL: u64 = 1 << 55;
    if bytes.u8().ok()? != LOGICAL_CLOCK {
        return None;
    }
    bytes.take(16).ok()?;
    let micros = bytes.number(7).ok()? & !HAS_ORIGINAL;
    i64::try_from(micros).ok()
}

/// Reads `GTID_TAGGED` of `MySQL` 8.3 and later.
pub(super) fn mysql_tagged(body: &[u8]) -> Result<Start, Malformed> {
    tagged::read(body)
}

/// Reads `GTID` of `MariaDB`; the server that committed it first stands in the header.
pub(super) fn mariadb(body: &[u8], server: u32) -> Result<Start, Malformed> {
    const ALONE: u8 = 1;
    const GROUP_COMMIT: u8 = 2;
    const PREPARED: u8 = 64;
    const COMPLETED: u8 = 128;
    let mut bytes = Bytes(body);
    let number = bytes.u64()?;
    let domain = bytes.u32()?;
    let flags = bytes.u8()?;
    if flags & GROUP_COMMIT != 0 {
        bytes.u64()?;
    }
    let standing = if flags & PREPARED != 0 {
        Standing::Prepared(xid(&mut bytes)?)
    } else if flags & COMPLETED != 0 {
        Standing::Completed(xid(&mut bytes)?)
    } else if flags & ALONE != 0 {
        Standing::Alone
    } else {
        Standing::Transaction
    };
    let gtid = Some(Gtid::MariaDb(DomainGtid { domain, server, number }));
    Ok(Start { gtid, committed_at_micros: None, standing })
}

fn xid(bytes: &mut Bytes<'_>) -> Result<Xid, Malformed> {
    let format = bytes.u32()?;
    let (global, branch) = (usize::from(bytes.u8()?), usize::from(bytes.u8()?));
    let (global, branch) = (bytes.take(global)?.to_vec(), bytes.take(branch)?.to_vec());
    Ok(Xid { format, global, branch })
}

/// Reads `XA_PREPARE`: whether it commits at once, and the name.
pub(super) fn xa_prepare(body: &[u8]) -> Result<(Xid, bool), Malformed> {
    let mut bytes = Bytes(body);
    let one_phase = bytes.u8()? != 0;
    let format = bytes.u32()?;
    let length = |bytes: &mut Bytes<'_>| {
        bytes.u32().and_then(|length| usize::try_from(length).map_err(|_| Malformed::Short))
    };
    let (global, branch) = (length(&mut bytes)?, length(&mut bytes)?);
    let (global, branch) = (bytes.take(global)?.to_vec(), bytes.take(branch)?.to_vec());
    Ok((Xid { format, global, branch }, one_phase))
}

/// Reads `PREVIOUS_GTIDS` of `MySQL`.
pub(super) fn previous(body: &[u8]) -> Result<GtidSet, Malformed> {
    let mut bytes = Bytes(body);
    let mut set = IntervalSet::default();
    // A set with tags says so in the highest byte of the count, and again in the lowest.
    let count = bytes.u64()?;
    let with_tags = count >> 56 == 1;
    let origins = if with_tags { count >> 8 & 0xFFFF_FFFF_FFFF } else { count };
    for _ in 0..origins {
        let uuid = Uuid(bytes.array()?);
        let tag: Box<str> = if with_tags { tagged::text(&mut bytes)? } else { "" }.into();
        for _ in 0..bytes.u64()? {
            let (first, after) = (bytes.u64()?, bytes.u64()?);
            let last = after.checked_sub(1).filter(|last| *last >= first);
            let origin = Origin { uuid, tag: tag.clone() };
            set.insert_interval(origin, first, last.ok_or(Malformed::Short)?);
        }
    }
    Ok(GtidSet::MySql(set))
}

/// Reads `GTID_LIST` of `MariaDB`.
pub(super) fn list(body: &[u8]) -> Result<GtidSet, Malformed> {
    /// The upper bits are flags.
    const COUNT: u32 = 0x0FFF_FFFF;
    let mut bytes = Bytes(body);
    let mut last = BTreeMap::new();
    for _ in 0..bytes.u32()? & COUNT {
        let (domain, server, number) = (bytes.u32()?, bytes.u32()?, bytes.u64()?);
        let gtid = DomainGtid { domain, server, number };
        // The list may name several servers of a domain; the last one wrote last.
        last.insert(domain, gtid);
    }
    Ok(GtidSet::MariaDb(last))
}
