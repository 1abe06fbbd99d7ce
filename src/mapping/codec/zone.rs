//! Time zones: how far local time is ahead of UTC.
//!
//! Named zones come from the IANA database that is compiled in, so that a mapping means the same
//! on every machine, whatever that machine has installed.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use time::Date;

use super::date::digits;

/// How far local time is ahead of UTC, in minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Zone(i32);

impl Zone {
    /// UTC itself.
    pub(crate) const UTC: Self = Self(0);

    /// `UTC`, `+02:00` or `-05:30`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("utc") || text == "Z" {
            return Some(Self::UTC);
        }
        let (hours, minutes) = text.strip_prefix(['+', '-'])?.split_once(':')?;
        let sized = hours.len() == 2 && minutes.len() == 2;
        let (hours, minutes) =
            (i32::try_from(digits(hours)?).ok()?, i32::try_from(digits(minutes)?).ok()?);
        let valid = sized && hours <= 15 && minutes < 60;
        let ahead = hours * 60 + minutes;
        valid.then_some(Self(if text.starts_with('-') { -ahead } else { ahead }))
    }

    pub(super) fn seconds(self) -> i32 {
        self.0 * 60
    }
}

/// An offset as texts carry it, in seconds: `+02:00`, `+02` or `+0200`.
pub(super) fn offset_of(text: &str) -> Option<i32> {
    match (text.len(), text.split_at_checked(3)) {
        (3, _) => Zone::parse(&format!("{text}:00")),
        (5, Some((hours, minutes))) => Zone::parse(&format!("{hours}:{minutes}")),
        _ => Zone::parse(text).filter(|_| text.starts_with(['+', '-'])),
    }
    .map(Zone::seconds)
}

/// Which instant a local time means that a clock shows twice, when it is put back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Overlap {
    /// The first of the two.
    #[default]
    Earlier,
    /// The second.
    Later,
    /// Neither.
    Refuse,
}

impl Overlap {
    /// The names mappings use.
    pub(crate) const NAMES: [(&'static str, Self); 3] =
        [("earlier", Self::Earlier), ("later", Self::Later), ("dead_letter", Self::Refuse)];
}

/// Which instant a local time means that no clock shows, when it is put forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Gap {
    /// Read as if the clock had not been put forward yet: 02:30 is the instant at 03:30.
    #[default]
    Later,
    /// Read as if it had been already: 02:30 is the instant at 01:30.
    Earlier,
    /// Neither.
    Refuse,
}

impl Gap {
    /// The names mappings use.
    pub(crate) const NAMES: [(&'static str, Self); 3] =
        [("later", Self::Later), ("earlier", Self::Earlier), ("dead_letter", Self::Refuse)];
}

/// Why a local time gives no instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LocalTimeError {
    /// The text is no local time.
    #[error("is not a local time")]
    Form,
    /// It comes twice, and the mapping wants neither.
    #[error("comes twice, because the clock was put back")]
    Repeated,
    /// It never was, and the mapping wants nothing else for it.
    #[error("does not exist, because the clock was put forward")]
    Skipped,
    /// Its instant is outside of the years 1 to 9999.
    #[error("is outside of the years 1 to 9999 in UTC")]
    Range,
}

/// The zone of local times: a fixed offset or a named one, and what becomes of the local times
/// that a named zone has twice or not at all.
#[derive(Clone, Debug)]
pub(crate) struct LocalZone {
    clock: Clock,
    overlap: Overlap,
    gap: Gap,
}

#[derive(Clone, Debug)]
enum Clock {
    Fixed(Zone),
    Named(TimeZone),
}

impl From<Zone> for LocalZone {
    fn from(zone: Zone) -> Self {
        Self { clock: Clock::Fixed(zone), overlap: Overlap::default(), gap: Gap::default() }
    }
}

impl LocalZone {
    /// `UTC`, `+02:00` or a name of the IANA database such as `Europe/Berlin`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Some(zone) = Zone::parse(text) {
            return Some(zone.into());
        }
        let zone = TimeZoneDatabase::bundled().get(text).ok().filter(|zone| !zone.is_unknown())?;
        Some(Self { clock: Clock::Named(zone), ..Zone::UTC.into() })
    }

    /// The same zone with these policies.
    #[must_use]
    pub(crate) fn with(self, overlap: Overlap, gap: Gap) -> Self {
        Self { overlap, gap, ..self }
    }

    /// How many seconds the zone is ahead of UTC at a local time.
    pub(super) fn ahead(&self, day: Date, second: u32) -> Result<i32, LocalTimeError> {
        let zone = match &self.clock {
            Clock::Fixed(zone) => return Ok(zone.seconds()),
            Clock::Named(zone) => zone,
        };
        let local = civil(day, second).ok_or(LocalTimeError::Range)?;
        let offset = match zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset,
            AmbiguousOffset::Fold { before, after } => match self.overlap {
                Overlap::Earlier => before,
                Overlap::Later => after,
                Overlap::Refuse => return Err(LocalTimeError::Repeated),
            },
            AmbiguousOffset::Gap { before, after } => match self.gap {
                Gap::Later => before,
                Gap::Earlier => after,
                Gap::Refuse => return Err(LocalTimeError::Skipped),
            },
        };
        Ok(offset.seconds())
    }
}

fn civil(day: Date, second: u32) -> Option<DateTime> {
    let (year, month, day) = day.to_calendar_date();
    let part = |number: u32| i8::try_from(number).ok();
    DateTime::new(
        i16::try_from(year).ok()?,
        part(u8::from(month).into())?,
        part(day.into())?,
        part(second / 3600)?,
        part(second / 60 % 60)?,
        part(second % 60)?,
        0,
    )
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_offsets_or_names_of_the_database() {
        for text in ["UTC", "utc", "Z", "+02:00", "-05:30", "Europe/Berlin", "Australia/Lord_Howe"]
        {
            assert!(LocalZone::parse(text).is_some(), "{text}");
        }
        for text in ["", "+2", "Berlin", "Europe/Berlin ", "Etc/Unknown", "../etc/passwd", "+25:00"]
        {
            assert!(LocalZone::parse(text).is_none(), "{text}");
        }
        assert_eq!(Zone::parse("Europe/Berlin"), None);
        assert_eq!(Zone::parse("+2"), None);
        assert_eq!(Zone::parse("-05:30").map(Zone::seconds), Some(-19_800));
    }
}
