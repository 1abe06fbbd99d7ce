//! Global transaction identifiers, of both families.
//!
//! `MySQL` names a transaction `uuid:number` (since 8.3 also `uuid:tag:number`) and a place in the
//! log by the *set* of all transactions before it. `MariaDB` names it `domain-server-number` and a
//! place by the last transaction of each domain. Both survive a failover, where a file name and an
//! offset do not.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Text that is not a set of transaction identifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a set of transaction identifiers such as 3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5")]
pub struct NotGtids;

/// A server's or a group's own identifier, 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, byte) in self.0.iter().enumerate() {
            if matches!(place, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl FromStr for Uuid {
    type Err = NotGtids;

    fn from_str(text: &str) -> Result<Self, NotGtids> {
        let mut digits = [0_u8; 32];
        let mut found = 0;
        for byte in text.bytes().filter(|byte| *byte != b'-') {
            let digit = char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            *digits.get_mut(found).ok_or(NotGtids)? = digit.ok_or(NotGtids)?;
            found += 1;
        }
        if found != digits.len() {
            return Err(NotGtids);
        }
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.as_chunks::<2>().0) {
            *byte = pair[0] << 4 | pair[1];
        }
        Ok(Self(bytes))
    }
}

/// One transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gtid {
    /// `uuid[:tag]:number`
    MySql(Origin, u64),
    /// `domain-server-number`
    MariaDb(DomainGtid),
}

/// Who numbers transactions: a server or group, and since 8.3 a tag.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The server or group.
    pub uuid: Uuid,
    /// The tag; empty without one.
    pub tag: Box<str>,
}

/// A transaction of `MariaDB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DomainGtid {
    /// Independent streams of transactions.
    pub domain: u32,
    /// The server that committed it first.
    pub server: u32,
    /// Its number in the domain.
    pub number: u64,
}

impl fmt::Display for DomainGtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.domain, self.server, self.number)
    }
}

impl FromStr for DomainGtid {
    type Err = NotGtids;

    fn from_str(text: &str) -> Result<Self, NotGtids> {
        let mut parts = text.split('-');
        let gtid = Self {
            domain: number(parts.next())?,
            server: number(parts.next())?,
            number: number(parts.next())?,
        };
        if parts.next().is_some() { Err(NotGtids) } else { Ok(gtid) }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tag.is_empty() { self.uuid.fmt(f) } else { write!(f, "{}:{}", self.uuid, self.tag) }
    }
}

impl fmt::Display for Gtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MySql(origin, number) => write!(f, "{origin}:{number}"),
            Self::MariaDb(gtid) => gtid.fmt(f),
        }
    }
}

impl FromStr for Gtid {
    type Err = NotGtids;

    fn from_str(text: &str) -> Result<Self, NotGtids> {
        let Some((origin, digits)) = text.rsplit_once(':') else {
            return text.parse().map(Self::MariaDb);
        };
        let (uuid, tag) = origin.split_once(':').unwrap_or((origin, ""));
        let origin = Origin { uuid: uuid.parse()?, tag: tag_of(tag)? };
        Ok(Self::MySql(origin, number(Some(digits))?))
    }
}

/// All transactions before a place of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GtidSet {
    /// Every transaction, as intervals per origin.
    MySql(IntervalSet),
    /// The last transaction of each domain.
    MariaDb(BTreeMap<u32, DomainGtid>),
}

impl GtidSet {
    /// Adds a transaction. One of the other family is ignored: a log holds only one.
    pub fn insert(&mut self, gtid: &Gtid) {
        match (self, gtid) {
            (Self::MySql(set), Gtid::MySql(origin, number)) => set.insert(origin, *number),
            (Self::MariaDb(last), Gtid::MariaDb(gtid)) => {
                last.insert(gtid.domain, *gtid);
            }
            _ => {}
        }
    }

    /// Whether the transaction lies before this place.
    pub fn contains(&self, gtid: &Gtid) -> bool {
        match (self, gtid) {
            (Self::MySql(set), Gtid::MySql(origin, number)) => set.contains(origin, *number),
            (Self::MariaDb(last), Gtid::MariaDb(gtid)) => {
                last.get(&gtid.domain).is_some_and(|last| gtid.number <= last.number)
            }
            _ => false,
        }
    }

    /// Removes one transaction, so that a log asked for what is not in the set brings it again.
    /// In `MariaDB` everything of its domain after it comes again too.
    pub fn remove(&mut self, gtid: &Gtid) {
        match (self, gtid) {
            (Self::MySql(set), Gtid::MySql(origin, number)) => set.remove(origin, *number),
            (Self::MariaDb(last), Gtid::MariaDb(gtid)) => {
                let before = DomainGtid { number: gtid.number.saturating_sub(1), ..*gtid };
                match last.get_mut(&gtid.domain) {
                    Some(_) if before.number == 0 => {
                        last.remove(&gtid.domain);
                    }
                    Some(known) if known.number > before.number => *known = before,
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// Whether every transaction of `other` lies before this place as well.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::MySql(set), Self::MySql(other)) => set.covers(other),
            (Self::MariaDb(_), Self::MariaDb(other)) => {
                other.values().all(|gtid| self.contains(&Gtid::MariaDb(*gtid)))
            }
            _ => false,
        }
    }

    /// Whether it names no transaction.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::MySql(set) => set.origins.is_empty(),
            Self::MariaDb(last) => last.is_empty(),
        }
    }
}

impl fmt::Display for GtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MySql(set) => set.fmt(f),
            Self::MariaDb(last) => list(f, last.values()),
        }
    }
}

impl FromStr for GtidSet {
    type Err = NotGtids;

    /// Reads what the servers print: `@@gtid_executed`, `@@gtid_binlog_pos`. The empty text is a
    /// set of neither family.
    fn from_str(text: &str) -> Result<Self, NotGtids> {
        if text.contains(':') {
            return text.parse().map(Self::MySql);
        }
        let mut last = BTreeMap::new();
        for gtid in text.split(',') {
            let gtid: DomainGtid = gtid.trim().parse()?;
            last.insert(gtid.domain, gtid);
        }
        Ok(Self::MariaDb(last))
    }
}

/// Transactions of `MySQL`: for each origin its numbers as closed intervals, apart and in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IntervalSet {
    origins: BTreeMap<Origin, BTreeMap<u64, u64>>,
}

impl IntervalSet {
    /// Adds one number.
    pub fn insert(&mut self, origin: &Origin, number: u64) {
        // Nearly always the origin is known, and its last interval grows by one.
        if let Some(intervals) = self.origins.get_mut(origin)
            && let Some(mut last) = intervals.last_entry()
            && last.get().checked_add(1) == Some(number)
        {
            *last.get_mut() = number;
            return;
        }
        self.insert_interval(origin.clone(), number, number);
    }

    /// Adds the numbers from `first` to `last`.
    pub fn insert_interval(&mut self, origin: Origin, first: u64, last: u64) {
        let intervals = self.origins.entry(origin).or_default();
        let (mut first, mut last) = (first, last);
        // Everything that overlaps or touches becomes one interval.
        while let Some((start, end)) = intervals.range(..=last.saturating_add(1)).next_back() {
            if end.saturating_add(1) < first {
                break;
            }
            let (start, end) = (*start, *end);
            first = std::cmp::min(first, start);
            last = std::cmp::max(last, end);
            intervals.remove(&start);
        }
        intervals.insert(first, last);
    }

    /// Whether the number is in it.
    pub fn contains(&self, origin: &Origin, number: u64) -> bool {
        self.holds(origin, number, number)
    }

    /// The intervals of each origin, in order.
    pub fn intervals(&self) -> impl Iterator<Item = (&Origin, impl Iterator<Item = (u64, u64)>)> {
        let pairs = |intervals: &BTreeMap<u64, u64>| {
            intervals.iter().map(|(first, last)| (*first, *last)).collect::<Vec<_>>().into_iter()
        };
        self.origins.iter().map(move |(origin, intervals)| (origin, pairs(intervals)))
    }

    fn remove(&mut self, origin: &Origin, number: u64) {
        let Some(intervals) = self.origins.get_mut(origin) else { return };
        let found = intervals.range(..=number).next_back().map(|(first, last)| (*first, *last));
        let Some((first, last)) = found.filter(|(_, last)| *last >= number) else { return };
        intervals.remove(&first);
        if first < number {
            intervals.insert(first, number - 1);
        }
        if last > number {
            intervals.insert(number + 1, last);
        }
        if intervals.is_empty() {
            self.origins.remove(origin);
        }
    }

    fn holds(&self, origin: &Origin, first: u64, last: u64) -> bool {
        let intervals = self.origins.get(origin);
        let found = intervals.and_then(|intervals| intervals.range(..=first).next_back());
        found.is_some_and(|(_, end)| *end >= last)
    }

    fn covers(&self, other: &Self) -> bool {
        other.origins.iter().all(|(origin, intervals)| {
            intervals.iter().all(|(first, last)| self.holds(origin, *first, *last))
        })
    }
}

impl fmt::Display for IntervalSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut previous: Option<&Uuid> = None;
        for (origin, intervals) in &self.origins {
            // Tags of one uuid follow each other, as the server prints them.
            match previous {
                Some(uuid) if *uuid == origin.uuid => write!(f, ":{}", origin.tag)?,
                Some(_) => write!(f, ",{origin}")?,
                None => write!(f, "{origin}")?,
            }
            previous = Some(&origin.uuid);
            for (first, last) in intervals {
                if first == last { write!(f, ":{first}")? } else { write!(f, ":{first}-{last}")? }
            }
        }
        Ok(())
    }
}

impl FromStr for IntervalSet {
    type Err = NotGtids;

    fn from_str(text: &str) -> Result<Self, NotGtids> {
        let mut set = Self::default();
        for one in text.split(',') {
            let mut parts = one.trim().split(':');
            let uuid: Uuid = parts.next().ok_or(NotGtids)?.parse()?;
            let mut tag: Box<str> = "".into();
            for part in parts {
                if part.starts_with(|first: char| first.is_ascii_digit()) {
                    let (first, last) = part.split_once('-').unwrap_or((part, part));
                    let (first, last) = (number(Some(first))?, number(Some(last))?);
                    if first == 0 || first > last {
                        return Err(NotGtids);
                    }
                    set.insert_interval(Origin { uuid, tag: tag.clone() }, first, last);
                } else {
                    tag = tag_of(part)?;
                }
            }
        }
        Ok(set)
    }
}

fn list<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    mut items: impl Iterator<Item = T>,
) -> fmt::Result {
    if let Some(first) = items.next() {
        write!(f, "{first}")?;
    }
    items.try_for_each(|item| write!(f, ",{item}"))
}

/// Plain digits: `parse` alone would also take a sign.
fn number<T: FromStr>(digits: Option<&str>) -> Result<T, NotGtids> {
    let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).ok_or(NotGtids)
}

fn tag_of(text: &str) -> Result<Box<str>, NotGtids> {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if plain && text.len() <= 32 { Ok(text.to_ascii_lowercase().into()) } else { Err(NotGtids) }
}

#[cfg(test)]
mod tests;
