//! Instants: from local time to RFC 3339 in UTC, with the precision the source has.

use time::Date;

use super::date::{parse_iso, write_day, write_padded};
use super::time_of_day::{TimeOfDay, parse_clock};
use super::zone::{LocalTimeError, LocalZone, Zone, offset_of};
use crate::canonical::Precision;

/// `YYYY-MM-DD HH:MM:SS[.f…][+00]` as RFC 3339 in UTC. The text's fraction is kept digit by digit.
pub(crate) fn instant<'a>(text: &str, zone: Zone, scratch: &'a mut String) -> Option<&'a str> {
    instant_in(text, &zone.into(), scratch).ok()
}

/// Whether a text is an instant as events write it.
pub(crate) fn is_instant(text: &str) -> bool {
    let zoned = text.ends_with('Z') && text.get(10..11) == Some("T");
    zoned && instant(text, Zone::UTC, &mut String::new()) == Some(text)
}

/// [`instant`] in any zone. A text that says itself how far it is ahead of UTC (`Z`, `+00`, `+02:00`,
/// `-0530`) is, whatever the zone.
pub(crate) fn instant_in<'a>(
    text: &str,
    zone: &LocalZone,
    scratch: &'a mut String,
) -> Result<&'a str, LocalTimeError> {
    let (local, offset) = split_offset(text).ok_or(LocalTimeError::Form)?;
    let (day, time) = local_time(local).ok_or(LocalTimeError::Form)?;
    let (day, time) = time.on(day).ok_or(LocalTimeError::Range)?;
    let ahead = offset.map_or_else(|| zone.ahead(day, time.second), Ok)?;
    write_instant(day, time, ahead, scratch).ok_or(LocalTimeError::Range)?;
    Ok(scratch)
}

/// The instant of a day (as `YYYY-MM-DD`) and a time of day that stand in two columns, and how
/// exactly the source knows it: a time to the minute is written with `:00` seconds, which the
/// precision takes back.
pub(crate) fn moment<'a>(
    day_iso: &str,
    time: TimeOfDay,
    zone: &LocalZone,
    scratch: &'a mut String,
) -> Result<(&'a str, Precision), LocalTimeError> {
    let day = parse_iso(day_iso).ok_or(LocalTimeError::Form)?;
    let (day, time) = time.on(day).ok_or(LocalTimeError::Range)?;
    let ahead = zone.ahead(day, time.second)?;
    write_instant(day, time, ahead, scratch).ok_or(LocalTimeError::Range)?;
    Ok((scratch, time.precision()))
}

/// The text without its own offset, and the offset in seconds.
fn split_offset(text: &str) -> Option<(&str, Option<i32>)> {
    const DAY: usize = "2026-11-21".len();
    if let Some(local) = text.strip_suffix('Z') {
        return Some((local, Some(0)));
    }
    let time = text.get(DAY..)?;
    let Some(at) = time.find(['+', '-']) else { return Some((text, None)) };
    let (local, offset) = text.split_at_checked(DAY + at)?;
    Some((local.strip_suffix(' ').unwrap_or(local), Some(offset_of(offset)?)))
}

/// A day and a time of at least a second's precision; less would be published as if it were more.
fn local_time(text: &str) -> Option<(Date, TimeOfDay)> {
    let (day, time) = text.split_at_checked(10)?;
    let time = parse_clock(time.strip_prefix([' ', 'T'])?)?;
    (time.precision() != Precision::Minute).then_some((parse_iso(day)?, time))
}

/// Writes the instant at which clocks `ahead` seconds before UTC show this time.
fn write_instant(day: Date, time: TimeOfDay, ahead: i32, out: &mut String) -> Option<()> {
    let second = i64::from(time.second) - i64::from(ahead);
    let day = day.checked_add(time::Duration::days(second.div_euclid(86_400)))?;
    let day = Some(day).filter(|day| (1..=9999).contains(&day.year()))?;
    let second = u32::try_from(second.rem_euclid(86_400)).ok()?;
    out.clear();
    write_day(day, out);
    for (mark, part) in [('T', second / 3600), (':', second / 60 % 60), (':', second % 60)] {
        out.push(mark);
        write_padded(part, 2, out);
    }
    time.write_fraction(out);
    out.push('Z');
    Some(())
}

#[cfg(test)]
mod tests {
    use super::super::time_of_day::{TimeFormat, time_of_day};
    use super::super::zone::{Gap, Overlap};
    use super::*;

    fn read(text: &str, zone: &str) -> Option<String> {
        let zone = LocalZone::parse(zone)?;
        instant_in(text, &zone, &mut String::new()).ok().map(str::to_owned)
    }

    #[test]
    fn precision_is_kept_and_zones_are_taken_out() {
        let cases = [
            ("2026-11-21 10:00:00+00", "UTC", "2026-11-21T10:00:00Z"),
            ("2026-11-21 10:00:00.1200+00", "UTC", "2026-11-21T10:00:00.1200Z"),
            ("2026-11-21 10:00:00.123456789", "UTC", "2026-11-21T10:00:00.123456789Z"),
            ("2026-11-21 00:30:05", "+02:00", "2026-11-20T22:30:05Z"),
            ("2026-12-31 23:30:00", "-01:30", "2027-01-01T01:00:00Z"),
            ("2026-11-21T10:00:00", "UTC", "2026-11-21T10:00:00Z"),
            ("2026-11-21T10:00:00Z", "Europe/Berlin", "2026-11-21T10:00:00Z"),
            ("2026-11-21 10:00:00+02", "UTC", "2026-11-21T08:00:00Z"),
            ("2026-11-21T10:00:00.5+02:00", "Asia/Kolkata", "2026-11-21T08:00:00.5Z"),
            ("2026-11-21 10:00:00.0000000 -05:30", "UTC", "2026-11-21T15:30:00.0000000Z"),
            ("2026-11-21T10:00:00-0530", "UTC", "2026-11-21T15:30:00Z"),
            ("2026-12-31 24:00:00", "UTC", "2027-01-01T00:00:00Z"),
            ("2026-03-28 24:00:00", "Europe/Berlin", "2026-03-28T23:00:00Z"),
        ];
        for (text, zone, expected) in cases {
            assert_eq!(read(text, zone).as_deref(), Some(expected), "{text}");
            if let Some(fixed) = Zone::parse(zone) {
                assert_eq!(instant(text, fixed, &mut String::new()), Some(expected), "{text}");
            }
        }
    }

    #[test]
    fn what_is_not_an_instant_is_refused() {
        let wrong = [
            "infinity",
            "2026-11-21",
            "2026-11-21 10:00",
            "2026-11-21 25:00:00",
            "2026-11-21 10:00:00.",
            "2026-11-21 10:00:00+2",
            "2026-11-21 10:00:00+16:00",
            "2026-11-21 10:00:00+02:60",
            "2026-11-21 10:00:00+02:00Z",
            "2026-11-21 24:00:01",
            "2026-11-21 24:00:00.1",
            "2026-1.-21 10:00:00",
            "0044-03-15 10:00:00 BC",
            "",
        ];
        for text in wrong {
            assert_eq!(read(text, "UTC"), None, "{text}");
        }
        let range = |text| {
            instant_in(text, &LocalZone::parse("+02:00").unwrap(), &mut String::new())
                .map(str::to_owned)
        };
        assert_eq!(range("0001-01-01 00:00:00"), Err(LocalTimeError::Range));
        assert_eq!(range("0001-01-01 02:00:00").as_deref(), Ok("0001-01-01T00:00:00Z"));
    }

    /// Zone, local time, and its instant with the earlier and the later of two choices each;
    /// `None` where neither policy is asked.
    type Local = (&'static str, &'static str, &'static str, Option<&'static str>);

    /// From Python's `zoneinfo`, with `fold` 0 and 1.
    #[rustfmt::skip]
    const LOCAL_TIMES: [Local; 21] = [
        ("Europe/Berlin", "2026-03-29 01:59:59", "2026-03-29T00:59:59Z", None),
        ("Europe/Berlin", "2026-03-29 03:00:00", "2026-03-29T01:00:00Z", None),
        ("Europe/Berlin", "2026-10-25 01:59:59.5", "2026-10-24T23:59:59.5Z", None),
        ("Europe/Berlin", "2026-10-25 02:30:00", "2026-10-25T00:30:00Z", Some("2026-10-25T01:30:00Z")),
        ("Europe/Berlin", "2026-10-25 03:00:00", "2026-10-25T02:00:00Z", None),
        ("Europe/Berlin", "2080-07-01 12:00:00", "2080-07-01T10:00:00Z", None),
        ("Europe/Berlin", "1945-06-01 12:00:00", "1945-06-01T09:00:00Z", None),
        ("Europe/Berlin", "1880-01-01 00:53:28", "1880-01-01T00:00:00Z", None),
        ("America/New_York", "2026-03-08 01:59:59", "2026-03-08T06:59:59Z", None),
        ("America/New_York", "2026-03-08 03:00:00", "2026-03-08T07:00:00Z", None),
        ("America/New_York", "2026-11-01 00:59:59", "2026-11-01T04:59:59Z", None),
        ("America/New_York", "2026-11-01 01:00:00", "2026-11-01T05:00:00Z", Some("2026-11-01T06:00:00Z")),
        ("America/New_York", "2026-11-01 01:59:59", "2026-11-01T05:59:59Z", Some("2026-11-01T06:59:59Z")),
        ("America/New_York", "2026-11-01 02:00:00", "2026-11-01T07:00:00Z", None),
        ("Asia/Kolkata", "2026-03-29 02:30:00", "2026-03-28T21:00:00Z", None),
        ("Asia/Kolkata", "2026-12-31 00:15:00", "2026-12-30T18:45:00Z", None),
        ("Australia/Lord_Howe", "2026-04-05 01:29:59", "2026-04-04T14:29:59Z", None),
        ("Australia/Lord_Howe", "2026-04-05 01:30:00", "2026-04-04T14:30:00Z", Some("2026-04-04T15:00:00Z")),
        ("Australia/Lord_Howe", "2026-04-05 02:00:00", "2026-04-04T15:30:00Z", None),
        ("Australia/Lord_Howe", "2026-10-04 02:30:00", "2026-10-03T15:30:00Z", None),
        ("Pacific/Apia", "2011-12-31 00:00:00", "2011-12-30T10:00:00Z", None),
    ];

    #[test]
    fn local_times_are_what_the_zone_had_that_day() {
        for (name, text, earlier, later) in LOCAL_TIMES {
            let read = |overlap| {
                let zone = LocalZone::parse(name).unwrap().with(overlap, Gap::Refuse);
                instant_in(text, &zone, &mut String::new()).map(str::to_owned)
            };
            let repeated = later.is_some();
            let refused = if repeated { Err(LocalTimeError::Repeated) } else { Ok(earlier) };
            assert_eq!(read(Overlap::Earlier).as_deref(), Ok(earlier), "{name} {text}");
            assert_eq!(read(Overlap::Later).as_deref(), Ok(later.unwrap_or(earlier)), "{text}");
            assert_eq!(read(Overlap::Refuse).as_deref(), refused.as_ref().copied(), "{text}");
        }
    }

    #[test]
    fn a_skipped_local_time_is_moved_or_refused() {
        let skipped = [
            (
                "Europe/Berlin",
                "2026-03-29 02:30:00",
                "2026-03-29T01:30:00Z",
                "2026-03-29T00:30:00Z",
            ),
            (
                "America/New_York",
                "2026-03-08 02:00:00",
                "2026-03-08T07:00:00Z",
                "2026-03-08T06:00:00Z",
            ),
            (
                "Australia/Lord_Howe",
                "2026-10-04 02:15:00",
                "2026-10-03T15:45:00Z",
                "2026-10-03T15:15:00Z",
            ),
            // The day the date line moved.
            ("Pacific/Apia", "2011-12-30 12:00:00", "2011-12-30T22:00:00Z", "2011-12-29T22:00:00Z"),
        ];
        for (name, text, later, earlier) in skipped {
            let zone = LocalZone::parse(name).unwrap();
            let read = |gap| {
                let zone = zone.clone().with(Overlap::Refuse, gap);
                instant_in(text, &zone, &mut String::new()).map(str::to_owned)
            };
            assert_eq!(instant_in(text, &zone, &mut String::new()), Ok(later), "{name} by default");
            assert_eq!(read(Gap::Later).as_deref(), Ok(later), "{name}");
            assert_eq!(read(Gap::Earlier).as_deref(), Ok(earlier), "{name}");
            assert_eq!(read(Gap::Refuse), Err(LocalTimeError::Skipped), "{name}");
        }
    }

    #[test]
    fn two_columns_make_a_moment_as_exact_as_the_time() {
        let cases = [
            ("2026-11-21", "930", TimeFormat::Hhmm, "2026-11-21T08:30:00Z", Precision::Minute),
            ("2026-07-01", "93005", TimeFormat::Hhmmss, "2026-07-01T07:30:05Z", Precision::Second),
            ("2026-07-01", "34205", TimeFormat::Seconds, "2026-07-01T07:30:05Z", Precision::Second),
            (
                "2026-01-01",
                "00:30:00.250",
                TimeFormat::Iso,
                "2025-12-31T23:30:00.250Z",
                Precision::Micro,
            ),
        ];
        let zone = LocalZone::parse("Europe/Berlin").unwrap();
        for (day, time, format, expected, precision) in cases {
            let time = time_of_day(time, format).unwrap();
            let found =
                moment(day, time, &zone, &mut String::new()).map(|(t, p)| (t.to_owned(), p));
            assert_eq!(found, Ok((expected.to_owned(), precision)));
        }
        let noon = time_of_day("12:00", TimeFormat::Iso).unwrap();
        assert_eq!(
            moment("2026-13-01", noon, &zone, &mut String::new()),
            Err(LocalTimeError::Form)
        );
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_an_instant_or_none(text in "[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?([+]00)?|.*") {
            for zone in ["+14:00", "America/New_York"] {
                if let Some(found) = read(&text, zone) {
                    proptest::prop_assert!(found.ends_with('Z') && found.len() >= 20, "{}", found);
                }
            }
        }

        // The other direction is another computation: an instant has exactly one local time.
        #[test]
        fn the_local_time_of_an_instant_leads_back_to_it(
            second in -5_000_000_000_i64..30_000_000_000,
            name in proptest::sample::select(vec![
                "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe",
                "America/St_Johns", "Africa/Casablanca", "Pacific/Chatham", "+05:45",
            ]),
        ) {
            let at = time::OffsetDateTime::from_unix_timestamp(second).unwrap();
            let named = || {
                let zone = jiff::tz::TimeZoneDatabase::bundled().get(name).unwrap();
                zone.to_offset(jiff::Timestamp::from_second(second).unwrap()).seconds()
            };
            let ahead = Zone::parse(name).map_or_else(named, Zone::seconds);
            let local = at + time::Duration::seconds(ahead.into());
            let write = |at: time::OffsetDateTime, mark: char| {
                let (h, m, s) = at.to_hms();
                format!("{}{mark}{h:02}:{m:02}:{s:02}", at.date())
            };
            let found = |overlap| {
                let zone = LocalZone::parse(name).unwrap().with(overlap, Gap::Refuse);
                instant_in(&write(local, ' '), &zone, &mut String::new()).map(str::to_owned).unwrap()
            };
            let (first, second) = (found(Overlap::Earlier), found(Overlap::Later));
            let expected = format!("{}Z", write(at, 'T'));
            proptest::prop_assert!(first <= second, "{} {}", first, second);
            proptest::prop_assert!(first == expected || second == expected, "{} is not {}", first, expected);
        }
    }
}
