//! Whether a codec can read a column.

use erpbridge_connector::ColumnKind as Kind;

use super::column::Cell;
use crate::mapping::codec::{DateFormat, LocalZone, Zone};
use crate::mapping::file::Codec;
use crate::mapping::stage::Written;

/// Why a codec cannot read a column.
pub(super) struct Misfit {
    /// What is wrong.
    pub(super) problem: String,
    /// What to do.
    pub(super) mend: String,
}

/// The codec as it will run on this column: what was left open is settled by the column's kind.
pub(super) fn codec(codec: &Codec<Written>, column: &Cell) -> Result<Codec<Written>, Misfit> {
    let format = column.reading.date;
    let misfit = |what: &str, mend: &str| {
        let Cell { name, type_name, .. } = column;
        let problem = format!("column `{name}` ({type_name}) {what}");
        Err(Misfit { problem, mend: mend.to_owned() })
    };
    let number = matches!(column.kind, Kind::Integer | Kind::Decimal | Kind::Text);
    let float = matches!(column.kind, Kind::Float32 | Kind::Float64);
    match codec {
        Codec::Integer if number => Ok(Codec::Integer),
        Codec::Integer => misfit("holds no whole numbers", "name a column of whole numbers"),
        Codec::Decimal if number => Ok(Codec::Decimal),
        Codec::Decimal if float => misfit(
            "is a binary float, which has no exact decimals",
            "say how many places count: `float: { scale: 3 }`",
        ),
        Codec::Float(_) | Codec::Implied(_) | Codec::Duration(_) if number || float => {
            Ok(codec.clone())
        }
        Codec::Decimal | Codec::Float(_) | Codec::Implied(_) | Codec::Duration(_) => {
            misfit("holds no numbers", "name a column of numbers")
        }
        Codec::Date(_) | Codec::Moment | Codec::Instant(_) => {
            let codec = match (codec, column.kind) {
                (Codec::Instant(None), Kind::LocalTimestamp | Kind::Text) => {
                    Codec::Instant(column.reading.zone.clone())
                }
                (Codec::Moment, Kind::LocalTimestamp) if format.is_none() => {
                    Codec::Instant(column.reading.zone.clone())
                }
                _ => codec.clone(),
            };
            moment(codec, column.kind, format).or_else(|(what, mend)| misfit(what, mend))
        }
        Codec::Bool(None) if column.kind != Kind::Bool => misfit(
            "is no truth value",
            "say which codes are which: `bool: { true: [Y], false: [N] }`",
        ),
        Codec::Text | Codec::Code(_) | Codec::Bool(_) => Ok(codec.clone()),
    }
}

type Refusal = (&'static str, &'static str);

fn moment(
    codec: Codec<Written>,
    kind: Kind,
    format: Option<DateFormat>,
) -> Result<Codec<Written>, Refusal> {
    match codec {
        Codec::Date(own) => date(own.or(format), kind),
        Codec::Instant(zone) => instant(zone, kind),
        _ if format.is_some() => date(format, kind),
        _ => match kind {
            Kind::Date | Kind::Text => date(None, kind),
            _ => instant(None, kind),
        },
    }
}

/// Days are read from day columns, from the day part of local timestamps, and from numbers and
/// text whose format is said.
fn date(format: Option<DateFormat>, kind: Kind) -> Result<Codec<Written>, Refusal> {
    match (kind, format) {
        (Kind::Date | Kind::LocalTimestamp, None | Some(DateFormat::Iso)) => {
            Ok(Codec::Date(Some(DateFormat::Iso)))
        }
        (Kind::Date | Kind::LocalTimestamp, Some(_)) => {
            Err(("holds days already", "remove the date format"))
        }
        (Kind::Text, format) => Ok(Codec::Date(Some(format.unwrap_or(DateFormat::Iso)))),
        (
            Kind::Integer | Kind::Decimal,
            Some(
                DateFormat::YearMonthDay
                | DateFormat::CenturyDay
                | DateFormat::YearDay
                | DateFormat::PackedDayMonthYear
                | DateFormat::ShortYearMonthDay,
            ),
        ) => Ok(Codec::Date(format)),
        (Kind::Integer | Kind::Decimal, _) => {
            Err(("is a number", "say how it writes a day: `date: yyyymmdd` or `date: cyyddd`"))
        }
        (Kind::Instant, _) => {
            Err(("is an instant, whose day depends on a zone", "map it as an instant"))
        }
        _ => Err(("holds no days", "name a column of days")),
    }
}

/// Instants are read from instants, and from local times whose zone is said.
fn instant(zone: Option<LocalZone>, kind: Kind) -> Result<Codec<Written>, Refusal> {
    match (kind, &zone) {
        (Kind::Instant, None) => Ok(Codec::Instant(Some(Zone::UTC.into()))),
        (Kind::Instant, Some(_)) => {
            Err(("is an instant already, without a zone of its own", "remove the zone"))
        }
        (Kind::LocalTimestamp | Kind::Text, Some(_)) => Ok(Codec::Instant(zone)),
        (Kind::LocalTimestamp | Kind::Text, None) => {
            Err(("is a local time", "say its zone: `instant: { zone: UTC }`"))
        }
        _ => Err(("holds no instants", "name a column of instants")),
    }
}
