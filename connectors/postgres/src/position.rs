//! Places in the write-ahead log, and the position this connector stores downstream.
//!
//! A position is stored as text and comes back perhaps months later, perhaps against another
//! server. So it carries whose log it counts in:
//!
//! | text | meaning |
//! |---|---|
//! | `0/16B3748;sys=7301…;tl=1;db=16384` | everything before this place has been sent: the end of a commit, or a place the server vouched for while idle |
//! | `snapshot:0/16B3748;sys=…` | everything before this place has been sent, but the tables have not been read |
//! | `snapshot:0/16B3748;done=…;sys=…` | the same, and of the tables only these have been read |
//! | `snapshot:0/0;sys=…` | the slot is about to be made, and a snapshot after it |
//!
//! `sys` is the cluster's system identifier, `tl` its timeline, `db` the object id of the
//! database. The three are missing in a position that a person wrote; then nothing is compared.

use std::fmt;
use std::iter::Peekable;
use std::str::FromStr;

use erpbridge_connector::{Position, Sequence, TablesDone};

/// A log sequence number: a byte offset into the write-ahead log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(u64);

impl Lsn {
    /// Before everything; the server reads it as "nothing".
    pub const ZERO: Self = Self(0);

    /// After everything.
    pub const END: Self = Self(u64::MAX);

    /// From the byte offset.
    pub const fn new(lsn: u64) -> Self {
        Self(lsn)
    }

    /// The byte offset.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// How many bytes of log lie between `earlier` and this; zero if it is not earlier.
    pub const fn bytes_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Sixteen digits, so that comparing the text compares the places.
    pub fn sequence(self) -> Sequence {
        Sequence::new(format!("{:016X}", self.0))
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

/// Text that is not a log sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a log sequence number such as 16/B374D848")]
pub struct NotAnLsn;

impl FromStr for Lsn {
    type Err = NotAnLsn;

    fn from_str(text: &str) -> Result<Self, NotAnLsn> {
        let (high, low) = text.split_once('/').ok_or(NotAnLsn)?;
        Ok(Self((u64::from(half(high)?) << 32) | u64::from(half(low)?)))
    }
}

/// One side of the slash. `from_str_radix` alone would also take a sign.
fn half(digits: &str) -> Result<u32, NotAnLsn> {
    let plain = (1..=8).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    if !plain {
        return Err(NotAnLsn);
    }
    u32::from_str_radix(digits, 16).map_err(|_| NotAnLsn)
}

/// Whose log a position counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Made by `initdb`; a restored copy keeps it, another cluster never has it.
    pub system: u64,
    /// Grows with each promotion and each restore to a point in time.
    pub timeline: u32,
    /// The database inside the cluster: a slot belongs to one.
    pub database: u32,
}

/// What a position says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Resume after this place, but the snapshot is not complete: only these tables have been
    /// read, as of this place or an earlier one. At zero there is not even a slot.
    Snapshot(Lsn, Option<TablesDone>),
    /// Resume after this place.
    Streaming(Lsn),
}

impl Place {
    /// The place in the log.
    pub const fn lsn(&self) -> Lsn {
        match self {
            Self::Snapshot(lsn, _) | Self::Streaming(lsn) => *lsn,
        }
    }
}

/// A position as this connector reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPosition {
    /// Where.
    pub place: Place,
    /// In whose log, if the position says so.
    pub identity: Option<Identity>,
}

impl LogPosition {
    /// Resume after `lsn` of this log.
    pub const fn streaming(lsn: Lsn, identity: Identity) -> Self {
        Self { place: Place::Streaming(lsn), identity: Some(identity) }
    }

    /// A snapshot is not complete: of its tables, only these have been read.
    pub fn snapshot(lsn: Lsn, done: Option<TablesDone>, identity: Identity) -> Self {
        let done = done.filter(|done| !done.is_empty());
        Self { place: Place::Snapshot(lsn, done), identity: Some(identity) }
    }

    /// As the bridge carries it.
    pub fn to_position(&self) -> Position {
        Position::new(self.to_string())
    }

    /// The place up to which the server may forget the log: none while a snapshot is incomplete.
    pub const fn confirmable(&self) -> Option<Lsn> {
        match self.place {
            Place::Streaming(lsn) => Some(lsn),
            Place::Snapshot(..) => None,
        }
    }
}

impl fmt::Display for LogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Snapshot(lsn, None) => write!(f, "snapshot:{lsn}")?,
            Place::Snapshot(lsn, Some(done)) => write!(f, "snapshot:{lsn};done={done}")?,
            Place::Streaming(lsn) => write!(f, "{lsn}")?,
        }
        if let Some(Identity { system, timeline, database }) = self.identity {
            write!(f, ";sys={system};tl={timeline};db={database}")?;
        }
        Ok(())
    }
}

/// Text that is not a position of this connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a PostgreSQL position such as 16/B374D848;sys=7301…;tl=1;db=16384")]
pub struct NotAPosition;

impl FromStr for LogPosition {
    type Err = NotAPosition;

    fn from_str(text: &str) -> Result<Self, NotAPosition> {
        let mut fields = text.split(';').peekable();
        let place = fields.next().unwrap_or_default();
        let place = match place.strip_prefix("snapshot:") {
            Some(lsn) => Place::Snapshot(parse(lsn)?, parse_done(&mut fields)?),
            None => Place::Streaming(parse(place)?),
        };
        let identity = if fields.peek().is_some() { Some(parse_identity(fields)?) } else { None };
        Ok(Self { place, identity })
    }
}

fn parse<T: FromStr>(text: &str) -> Result<T, NotAPosition> {
    text.parse().map_err(|_| NotAPosition)
}

fn parse_done<'t>(
    fields: &mut Peekable<impl Iterator<Item = &'t str>>,
) -> Result<Option<TablesDone>, NotAPosition> {
    let done = fields.next_if(|field| field.starts_with("done="));
    done.and_then(|field| field.strip_prefix("done=")).map(parse).transpose()
}

fn parse_identity<'t>(mut fields: impl Iterator<Item = &'t str>) -> Result<Identity, NotAPosition> {
    let identity = Identity {
        system: field(fields.next(), "sys=")?,
        timeline: field(fields.next(), "tl=")?,
        database: field(fields.next(), "db=")?,
    };
    if fields.next().is_some() { Err(NotAPosition) } else { Ok(identity) }
}

fn field<T: FromStr>(text: Option<&str>, name: &str) -> Result<T, NotAPosition> {
    let digits = text.and_then(|text| text.strip_prefix(name)).ok_or(NotAPosition)?;
    if digits.bytes().all(|b| b.is_ascii_digit()) { parse(digits) } else { Err(NotAPosition) }
}

/// Makes positions in one log while it is followed: plain ones, or such of a snapshot that waits
/// to be finished.
#[derive(Clone, Debug)]
pub enum Places {
    /// Everything that was to be read has been read.
    Streaming(Identity),
    /// Of the tables only these have been read.
    Unfinished(Identity, Option<TablesDone>),
}

impl Places {
    /// The position to resume after this place.
    pub fn at(&self, lsn: Lsn) -> Position {
        let position = match self {
            Self::Streaming(identity) => LogPosition::streaming(lsn, *identity),
            Self::Unfinished(identity, done) => LogPosition::snapshot(lsn, done.clone(), *identity),
        };
        position.to_position()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_lsn_reads_back_from_its_text(lsn: u64) {
            let lsn = Lsn::new(lsn);
            prop_assert_eq!(lsn.to_string().parse(), Ok(lsn));
        }

        #[test]
        fn sequences_order_as_their_places_do(a: u64, b: u64) {
            let (a, b) = (Lsn::new(a), Lsn::new(b));
            prop_assert_eq!(a.cmp(&b), a.sequence().cmp(&b.sequence()));
        }

        #[test]
        fn a_position_reads_back_from_its_text(
            lsn: u64, snapshot: bool, done: Option<u8>, known: bool, system: u64, timeline: u32,
            database: u32,
        ) {
            let lsn = Lsn::new(lsn);
            let done = done.map(|place| {
                let mut done = TablesDone::none_of([]);
                done.insert(place.into());
                done
            });
            let place = if snapshot { Place::Snapshot(lsn, done) } else { Place::Streaming(lsn) };
            let identity = known.then_some(Identity { system, timeline, database });
            let position = LogPosition { place, identity };
            prop_assert_eq!(position.to_string().parse(), Ok(position.clone()));
            prop_assert!(position.to_string().bytes().all(|b| (0x21..0x7F).contains(&b)));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,40}") {
            if let Ok(position) = text.parse::<LogPosition>() {
                prop_assert_eq!(position.to_string().parse(), Ok(position));
            }
            prop_assert!(text.contains('/') || text.parse::<Lsn>().is_err());
        }
    }

    #[test]
    fn an_lsn_prints_as_the_server_prints_it() {
        assert_eq!(Lsn::new(0x16_B374_D848).to_string(), "16/B374D848");
        assert_eq!(Lsn::new(0x16_B374_D848).sequence().as_str(), "00000016B374D848");
        assert_eq!("0/16B3748".parse(), Ok(Lsn::new(0x016B_3748)));
    }

    #[test]
    fn what_is_not_an_lsn_is_refused() {
        for text in ["", "/", "0", "0/", "/0", "+1/0", "0/-1", "0/123456789", "0/1 ", "g/0"] {
            assert_eq!(text.parse::<Lsn>(), Err(NotAnLsn), "{text}");
        }
    }

    #[test]
    fn a_position_with_half_an_identity_is_refused() {
        for text in [
            "0/1;",
            "0/1;sys=1",
            "0/1;sys=1;tl=1",
            "0/1;sys=1;tl=1;db=1;x",
            "0/1;sys=+1;tl=1;db=1",
            "0/1;done=af63bd4c8601b7be:05",
            "snapshot:0/1;done=af63bd4c8601b7be:",
            "snapshot:0/1;sys=1;tl=1;db=1;done=af63bd4c8601b7be:05",
        ] {
            assert_eq!(text.parse::<LogPosition>(), Err(NotAPosition), "{text}");
        }
    }

    #[test]
    fn an_unfinished_snapshot_lets_the_server_forget_nothing() {
        let position: LogPosition = "snapshot:0/16B3748".parse().unwrap();
        assert_eq!(position.confirmable(), None);
    }
}
