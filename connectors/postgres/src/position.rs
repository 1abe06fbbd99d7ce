//! A place in the write-ahead log.

use std::fmt;
use std::str::FromStr;

/// A log sequence number, printed as the server prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

impl Lsn {
    /// From the number.
    pub const fn new(lsn: u64) -> Self {
        Self(lsn)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xffff_ffff)
    }
}

/// Text that is not a log sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a log sequence number")]
pub struct NotAnLsn;

impl FromStr for Lsn {
    type Err = NotAnLsn;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (high, low) = text.split_once('/').ok_or(NotAnLsn)?;
        let half = |digits| u32::from_str_radix(digits, 16).map_err(|_| NotAnLsn);
        Ok(Self((u64::from(half(high)?) << 32) | u64::from(half(low)?)))
    }
}
