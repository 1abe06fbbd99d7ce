//! Places in the transaction log, and the position this connector stores downstream.
//!
//! A position is stored as text and comes back perhaps months later, perhaps against another
//! server. So it carries whose log it counts in, and what was captured when it was made:
//!
//! | text | meaning |
//! |---|---|
//! | `0000002a:00000198:0003;at=17…;seen=af63…;fork=9e…;made=17…` | every transaction committed up to this place has been sent |
//! | `snapshot:0000002a:00000198:0003;…` | the same, but the tables have not been read |
//! | `snapshot:0000002a:00000198:0003;done=…;part=…;…` | the same, and of the tables only these have been read, and these in part |
//!
//! `at` is the server's own clock there, `seen` a fingerprint of the capture instances that fed us
//! then: together they tell an instance that began later from one whose rows were cleaned away.
//! `fork` is the recovery fork the database was on, `made` when the database was created. All of
//! them are missing in a position that a person wrote; then nothing is compared.

use std::fmt;
use std::str::FromStr;

use erpbridge_connector::{Position, Sequence};

use crate::read_so_far::ReadSoFar;

/// A log sequence number: virtual log file, block and record, ten bytes that compare as bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn([u8; 10]);

impl Lsn {
    /// Before everything. The server's functions also answer it for what they do not know.
    pub const ZERO: Self = Self([0; 10]);

    /// From its bytes, as `binary(10)` carries them.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// From the decimal form of the views about transactions: file, block and record in groups of
    /// up to ten, ten and five digits.
    pub fn from_decimal(number: i128) -> Option<Self> {
        let part = |divisor: i128, modulus: i128| (number / divisor) % modulus;
        let file = u32::try_from(number / 1_000_000_000_000_000).ok()?;
        let block = u32::try_from(part(100_000, 10_000_000_000)).ok()?;
        let record = u16::try_from(part(1, 100_000)).ok()?;
        (number >= 0).then(|| Self::of(file, block, record))
    }

    /// The next place, as `sys.fn_cdc_increment_lsn` counts.
    #[must_use]
    pub fn next(self) -> Self {
        Self::from_number(self.number().saturating_add(1))
    }

    /// The place before, as `sys.fn_cdc_decrement_lsn` counts.
    #[must_use]
    pub fn previous(self) -> Self {
        Self::from_number(self.number().saturating_sub(1))
    }

    /// Virtual log file, block and record.
    pub(crate) fn parts(self) -> (u32, u32, u16) {
        let number = self.number();
        let part = |shift: u32| u32::try_from((number >> shift) & 0xFFFF_FFFF).unwrap_or(0);
        (part(48), part(16), u16::try_from(number & 0xFFFF).unwrap_or(0))
    }

    /// The order of the commit at this place.
    pub fn sequence(self) -> Sequence {
        self.digits('0')
    }

    /// The order of rows read after this commit and before any later one.
    pub fn sequence_after(self) -> Sequence {
        self.digits('1')
    }

    /// One digit more than the place has: two commits may lie next to each other, and what was
    /// read between them needs an order of its own.
    fn digits(self, last: char) -> Sequence {
        let mut digits = String::with_capacity(21);
        for byte in self.0 {
            digits.extend([byte >> 4, byte & 15].map(hex_digit));
        }
        digits.push(last);
        Sequence::new(digits)
    }

    fn of(file: u32, block: u32, record: u16) -> Self {
        Self::from_number((u128::from(file) << 48) | (u128::from(block) << 16) | u128::from(record))
    }

    fn number(self) -> u128 {
        let mut wide = [0; 16];
        wide.iter_mut().skip(6).zip(self.0).for_each(|(to, from)| *to = from);
        u128::from_be_bytes(wide)
    }

    fn from_number(number: u128) -> Self {
        let mut lsn = Self::ZERO;
        let wide = number.to_be_bytes();
        lsn.0.iter_mut().zip(wide.into_iter().skip(6)).for_each(|(to, from)| *to = from);
        lsn
    }
}

fn hex_digit(half: u8) -> char {
    char::from_digit(u32::from(half), 16).map_or('0', |digit| digit.to_ascii_uppercase())
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, block, record) = self.parts();
        write!(f, "{file:08x}:{block:08x}:{record:04x}")
    }
}

/// Text that is not a log sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a log sequence number such as 0000002a:00000198:0003")]
pub struct NotAnLsn;

impl FromStr for Lsn {
    type Err = NotAnLsn;

    fn from_str(text: &str) -> Result<Self, NotAnLsn> {
        let mut parts = text.split(':');
        let file = part(parts.next(), 8)?;
        let block = part(parts.next(), 8)?;
        let record = u16::try_from(part(parts.next(), 4)?).map_err(|_| NotAnLsn)?;
        if parts.next().is_some() { Err(NotAnLsn) } else { Ok(Self::of(file, block, record)) }
    }
}

/// A group of digits. `from_str_radix` alone would also take a sign.
fn part(digits: Option<&str>, width: usize) -> Result<u32, NotAnLsn> {
    let digits = digits.filter(|digits| digits.len() == width).ok_or(NotAnLsn)?;
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(NotAnLsn);
    }
    u32::from_str_radix(digits, 16).map_err(|_| NotAnLsn)
}

/// Whose log a position counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The recovery fork the database is on: it changes when the database is restored to a moment
    /// from which another history begins. Not every server tells it.
    pub fork: Option<u128>,
    /// When the database was created, in microseconds of the server's local time. A replica of an
    /// availability group has its own, so it counts only where there is no fork.
    pub made: i64,
}

/// What was true where a position was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Witness {
    /// The server's local time there, in microseconds since 1970.
    pub at: i64,
    /// Fingerprint of the capture instances there were.
    pub instances: u64,
}

/// What a position says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Resume after this place, but the snapshot is not complete: only this has been read, as of
    /// this place or an earlier one.
    Snapshot(Lsn, ReadSoFar),
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
    /// What was true there, if the position says so.
    pub witness: Option<Witness>,
    /// In whose log, if the position says so.
    pub identity: Option<Identity>,
}

impl LogPosition {
    /// As it was made, if it is one of ours.
    pub fn read(position: &Position) -> Option<Self> {
        position.as_str().parse().ok()
    }

    /// As the bridge carries it.
    pub fn to_position(&self) -> Position {
        Position::new(self.to_string())
    }
}

impl fmt::Display for LogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Snapshot(lsn, ReadSoFar { tables, parts }) => {
                write!(f, "snapshot:{lsn}")?;
                if let Some(done) = tables {
                    write!(f, ";done={done}")?;
                }
                if !parts.is_empty() {
                    write!(f, ";part={parts}")?;
                }
            }
            Place::Streaming(lsn) => write!(f, "{lsn}")?,
        }
        if let Some(Witness { at, instances }) = self.witness {
            write!(f, ";at={at};seen={instances:016x}")?;
        }
        if let Some(Identity { fork, made }) = self.identity {
            if let Some(fork) = fork {
                write!(f, ";fork={fork:032x}")?;
            }
            write!(f, ";made={made}")?;
        }
        Ok(())
    }
}

/// Text that is not a position of this connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a SQL Server position such as 0000002a:00000198:0003;at=17…;seen=…;fork=…;made=17…")]
pub struct NotAPosition;

impl FromStr for LogPosition {
    type Err = NotAPosition;

    fn from_str(text: &str) -> Result<Self, NotAPosition> {
        let mut fields = Fields(text.split(';').peekable());
        let place = fields.0.next().unwrap_or_default();
        let place = match place.strip_prefix("snapshot:") {
            Some(lsn) => {
                let tables = fields.take("done=", parse)?;
                let parts = fields.take("part=", parse)?.unwrap_or_default();
                Place::Snapshot(parse(lsn)?, ReadSoFar { tables, parts })
            }
            None => Place::Streaming(parse(place)?),
        };
        let witness = fields.take("at=", number)?;
        let witness = match witness {
            Some(at) => Some(Witness { at, instances: fields.needed("seen=", fingerprint)? }),
            None => None,
        };
        let fork = fields.take("fork=", fork)?;
        let made = fields.take("made=", number)?;
        let identity = match (fork, made) {
            (fork, Some(made)) => Some(Identity { fork, made }),
            (Some(_), None) => return Err(NotAPosition),
            (None, None) => None,
        };
        if fields.0.next().is_some() {
            Err(NotAPosition)
        } else {
            Ok(Self { place, witness, identity })
        }
    }
}

/// The fields behind the place, each with its name, in their order.
struct Fields<'t, I: Iterator<Item = &'t str>>(std::iter::Peekable<I>);

impl<'t, I: Iterator<Item = &'t str>> Fields<'t, I> {
    fn take<T>(
        &mut self,
        name: &str,
        read: fn(&str) -> Result<T, NotAPosition>,
    ) -> Result<Option<T>, NotAPosition> {
        let field = self.0.next_if(|field| field.starts_with(name));
        field.and_then(|field| field.strip_prefix(name)).map(read).transpose()
    }

    fn needed<T>(
        &mut self,
        name: &str,
        read: fn(&str) -> Result<T, NotAPosition>,
    ) -> Result<T, NotAPosition> {
        self.take(name, read)?.ok_or(NotAPosition)
    }
}

fn parse<T: FromStr>(text: &str) -> Result<T, NotAPosition> {
    text.parse().map_err(|_| NotAPosition)
}

fn number(text: &str) -> Result<i64, NotAPosition> {
    if text.starts_with('+') { Err(NotAPosition) } else { parse(text) }
}

fn fingerprint(text: &str) -> Result<u64, NotAPosition> {
    let plain = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if plain { u64::from_str_radix(text, 16).map_err(|_| NotAPosition) } else { Err(NotAPosition) }
}

fn fork(text: &str) -> Result<u128, NotAPosition> {
    let plain = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if plain { u128::from_str_radix(text, 16).map_err(|_| NotAPosition) } else { Err(NotAPosition) }
}

/// Makes positions in one log while it is followed: plain ones, or such of a snapshot that waits
/// to be finished.
#[derive(Clone, Debug)]
pub enum Places {
    /// Everything that was to be read has been read.
    Streaming(Identity),
    /// Of the tables only this has been read.
    Unfinished(Identity, ReadSoFar),
}

impl Places {
    /// The position to resume after this place.
    pub fn at(&self, lsn: Lsn, witness: Witness) -> LogPosition {
        let (place, identity) = match self {
            Self::Streaming(identity) => (Place::Streaming(lsn), identity),
            Self::Unfinished(identity, read) => {
                let mut read = read.clone();
                read.tables = read.tables.filter(|tables| !tables.is_empty());
                (Place::Snapshot(lsn, read), identity)
            }
        };
        LogPosition { place, witness: Some(witness), identity: Some(*identity) }
    }
}

#[cfg(test)]
mod tests;
