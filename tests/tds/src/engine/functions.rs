//! Functions of values: texts, numbers, times.
#![expect(clippy::unnecessary_wraps, reason = "all functions are of one type")]

use super::Context;
use super::calls::{Entry, Gives};
use crate::problem::{Problem, Result};
use crate::value::calendar::{DAY, DAYS_TO_1900, SECOND, date, days, join, split};
use crate::value::cast::cast;
use crate::value::kind::{Kind, Type};
use crate::value::order::{exact, float};
use crate::value::text::text;
use crate::value::{Decimal, Value};

const TEXT: Gives = Gives::Kind(Kind::NVarChar(Some(4000)));
const INT: Gives = Gives::Kind(Kind::Int);
const MANY: usize = 254;

/// The functions that look at nothing but their arguments and the clock.
pub(super) const ENTRIES: &[Entry] = &[
    ("getdate", (0, 0), Gives::Kind(Kind::DateTime), |context, _, _| {
        to_datetime(context.local_now())
    }),
    ("current_timestamp", (0, 0), Gives::Kind(Kind::DateTime), |c, _, _| {
        to_datetime(c.local_now())
    }),
    ("getutcdate", (0, 0), Gives::Kind(Kind::DateTime), |context, _, _| to_datetime(context.now)),
    ("sysdatetime", (0, 0), Gives::Kind(Kind::DateTime2(7)), |c, _, _| {
        Ok(Value::Moment(c.local_now()))
    }),
    ("sysutcdatetime", (0, 0), Gives::Kind(Kind::DateTime2(7)), |c, _, _| Ok(Value::Moment(c.now))),
    ("sysdatetimeoffset", (0, 0), Gives::Kind(Kind::DateTimeOffset(7)), |context, _, _| {
        Ok(Value::Offset(context.now, context.facts.utc_offset))
    }),
    ("datediff", (3, 3), INT, date_difference),
    ("datediff_big", (3, 3), Gives::Kind(Kind::BigInt), date_difference),
    ("dateadd", (3, 3), Gives::Kind(Kind::DateTime2(7)), date_add),
    ("datepart", (2, 2), INT, date_part),
    ("todatetimeoffset", (2, 2), Gives::Kind(Kind::DateTimeOffset(7)), to_offset),
    ("switchoffset", (2, 2), Gives::Kind(Kind::DateTimeOffset(7)), |_, values, _| match values {
        [Value::Offset(moment, _), zone] => Ok(Value::Offset(*moment, minutes(zone)?)),
        _ => Ok(Value::Null),
    }),
    ("len", (1, 1), INT, |_, values, types| {
        with_text(values, types, |text| Value::from(units(text.trim_end_matches(' '))))
    }),
    ("datalength", (1, 1), INT, data_length),
    ("upper", (1, 1), TEXT, |_, v, t| with_text(v, t, |text| text.to_uppercase().into())),
    ("lower", (1, 1), TEXT, |_, v, t| with_text(v, t, |text| text.to_lowercase().into())),
    ("ltrim", (1, 1), TEXT, |_, v, t| with_text(v, t, |text| text.trim_start_matches(' ').into())),
    ("rtrim", (1, 1), TEXT, |_, v, t| with_text(v, t, |text| text.trim_end_matches(' ').into())),
    ("left", (2, 2), TEXT, |_, v, t| part(v, t, |_, wanted| (0, wanted))),
    ("right", (2, 2), TEXT, |_, v, t| part(v, t, |length, n| (length.saturating_sub(n), n))),
    ("substring", (3, 3), Gives::First, substring),
    ("replace", (3, 3), TEXT, |_, values, types| match texts(values, types).as_slice() {
        [Some(text), Some(old), Some(new)] if !old.is_empty() => Ok(text.replace(old, new).into()),
        _ => Ok(Value::Null),
    }),
    ("charindex", (2, 3), INT, char_index),
    ("quotename", (1, 1), Gives::Kind(Kind::NVarChar(Some(258))), |_, values, types| {
        with_text(values, types, |text| format!("[{}]", text.replace(']', "]]")).into())
    }),
    ("concat", (2, MANY), TEXT, |_, values, types| {
        Ok(texts(values, types).into_iter().flatten().collect::<String>().into())
    }),
    ("abs", (1, 1), Gives::First, |_, values, _| {
        Ok(match values {
            [Value::Int(number)] => Value::Int(number.abs()),
            [Value::Float(number)] => Value::Float(number.abs()),
            [Value::Decimal(Decimal { digits, scale })] => {
                Value::Decimal(Decimal { digits: digits.abs(), scale: *scale })
            }
            _ => Value::Null,
        })
    }),
    ("sign", (1, 1), INT, |_, values, _| {
        Ok(values
            .first()
            .and_then(exact)
            .map_or(Value::Null, |n| Value::Int(i64::try_from(n.digits.signum()).unwrap_or(0))))
    }),
    ("floor", (1, 1), Gives::First, |_, values, _| {
        Ok(match values {
            [Value::Float(number)] => Value::Float(number.floor()),
            [Value::Int(number)] => Value::Int(*number),
            _ => return Err(Problem::unknown("FLOOR of this type")),
        })
    }),
];

fn to_datetime(moment: i64) -> Result<Value> {
    Ok(Value::Moment(crate::value::calendar::round_datetime(moment)))
}

fn units(text: &str) -> i64 {
    i64::try_from(text.encode_utf16().count()).unwrap_or(i64::MAX)
}

/// The arguments as texts.
fn texts(values: &[Value], types: &[Type]) -> Vec<Option<String>> {
    values.iter().zip(types).map(|(value, of)| text(value, of.kind, 0)).collect()
}

fn with_text(values: &[Value], types: &[Type], make: impl Fn(&str) -> Value) -> Result<Value> {
    let texts = texts(values, types);
    Ok(texts.first().and_then(Option::as_deref).map_or(Value::Null, make))
}

fn part(
    values: &[Value],
    types: &[Type],
    place: impl Fn(usize, usize) -> (usize, usize),
) -> Result<Value> {
    let (Some(Value::Int(wanted)), texts) = (values.get(1), texts(values, types)) else {
        return Ok(Value::Null);
    };
    let Some(text) = texts.first().and_then(Option::as_deref) else { return Ok(Value::Null) };
    let wanted = usize::try_from(*wanted)
        .map_err(|_| Problem::raised(536, "Invalid length parameter passed to the function."))?;
    let (skip, take) = place(text.chars().count(), wanted);
    Ok(text.chars().skip(skip).take(take).collect::<String>().into())
}

fn substring(_: &Context, values: &[Value], types: &[Type]) -> Result<Value> {
    let [value, Value::Int(from), Value::Int(length)] = values else { return Ok(Value::Null) };
    let (from, length) = (from - 1, *length);
    let skip = usize::try_from(std::cmp::max(from, 0)).unwrap_or(0);
    let take = usize::try_from(std::cmp::max(length + std::cmp::min(from, 0), 0)).unwrap_or(0);
    if let Value::Bytes(bytes) = value {
        return Ok(bytes.iter().copied().skip(skip).take(take).collect::<Vec<u8>>().into());
    }
    with_text(values, types, |text| text.chars().skip(skip).take(take).collect::<String>().into())
}

fn char_index(_: &Context, values: &[Value], types: &[Type]) -> Result<Value> {
    let texts = texts(values, types);
    let [Some(wanted), Some(text), ..] = texts.as_slice() else { return Ok(Value::Null) };
    let begin = match values.get(2) {
        Some(Value::Int(from)) => usize::try_from(from - 1).unwrap_or(0),
        _ => 0,
    };
    let (text, wanted) = (text.to_lowercase(), wanted.to_lowercase());
    let rest: String = text.chars().skip(begin).collect();
    let found = rest.find(&wanted).and_then(|place| rest.get(..place));
    let place = found.map_or(0, |before| before.chars().count() + begin + 1);
    Ok(Value::Int(i64::try_from(place).unwrap_or(0)))
}

fn data_length(_: &Context, values: &[Value], types: &[Type]) -> Result<Value> {
    let length = match (values, types) {
        ([Value::Null], _) => return Ok(Value::Null),
        ([Value::Bytes(bytes)], _) => bytes.len(),
        ([Value::Text(text)], [of]) if of.kind.has_code_page() => of.collation.encode(text).len(),
        ([Value::Text(text)], _) => text.encode_utf16().count() * 2,
        (_, [of]) => usize::try_from(of.kind.sizes().0).unwrap_or(0),
        _ => 0,
    };
    Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

/// Units of 100 ns since 0001-01-01, of whatever is a time.
fn ticks(value: &Value, of: Type) -> Result<Option<i64>> {
    let to = Kind::DateTimeOffset(7).into();
    match cast(value, of, to, 0)? {
        Value::Offset(moment, _) => Ok(Some(moment)),
        _ => Ok(None),
    }
}

/// How long a part of a date is, in units of 100 ns; none where it depends.
fn length(part: &str) -> Option<i64> {
    Some(match part {
        "week" | "wk" | "ww" => 7 * DAY,
        "day" | "dd" | "d" | "dayofyear" => DAY,
        "hour" | "hh" => 3600 * SECOND,
        "minute" | "mi" | "n" => 60 * SECOND,
        "second" | "ss" | "s" => SECOND,
        "millisecond" | "ms" => SECOND / 1000,
        "microsecond" | "mcs" => 10,
        _ => return None,
    })
}

/// How often the border of a part is passed between two times.
fn date_difference(_: &Context, values: &[Value], types: &[Type]) -> Result<Value> {
    let ([Value::Text(part), from, to], [_, from_type, to_type]) = (values, types) else {
        return Ok(Value::Null);
    };
    let (Some(from), Some(to)) = (ticks(from, *from_type)?, ticks(to, *to_type)?) else {
        return Ok(Value::Null);
    };
    if part.as_ref() == "nanosecond" || part.as_ref() == "ns" {
        return Ok(Value::Int((to - from) * 100));
    }
    if let Some(length) = length(part) {
        return Ok(Value::Int(to.div_euclid(length) - from.div_euclid(length)));
    }
    let months = |moment: i64| {
        let (year, month, _) = date(split(moment).0);
        i64::from(year) * 12 + i64::from(month) - 1
    };
    match part.as_ref() {
        "month" | "mm" | "m" => Ok(Value::Int(months(to) - months(from))),
        "year" | "yy" | "yyyy" => Ok(Value::Int(months(to) / 12 - months(from) / 12)),
        other => Err(Problem::unknown(format!("the date part {other}"))),
    }
}

fn date_add(_: &Context, values: &[Value], types: &[Type]) -> Result<Value> {
    let ([Value::Text(part), Value::Int(number), value], [_, _, of]) = (values, types) else {
        return Ok(Value::Null);
    };
    let Some(moment) = ticks(value, *of)? else { return Ok(Value::Null) };
    if let Some(length) = length(part) {
        return Ok(Value::Moment(moment + number * length));
    }
    let (day, rest) = split(moment);
    let (year, month, day) = date(day);
    let months = match part.as_ref() {
        "month" | "mm" | "m" => *number,
        "year" | "yy" | "yyyy" => number * 12,
        other => return Err(Problem::unknown(format!("the date part {other}"))),
    };
    let total = i64::from(year) * 12 + i64::from(month) - 1 + months;
    let small = |n: i64| i32::try_from(n).unwrap_or(0);
    let (year, month) = (small(total.div_euclid(12)), small(total.rem_euclid(12)) + 1);
    let found = (0..4).find_map(|less| days(year, month, day - less));
    let message = "Adding a value to a 'datetime' column caused an overflow.";
    found.map(|day| Value::Moment(join(day, rest))).ok_or_else(|| Problem::raised(517, message))
}

fn date_part(_: &Context, values: &[Value], types: &[Type]) -> Result<Value> {
    let ([Value::Text(part), value], [_, of]) = (values, types) else { return Ok(Value::Null) };
    if let (true, Value::Offset(_, zone)) = (matches!(part.as_ref(), "tzoffset" | "tz"), value) {
        return Ok(Value::Int((*zone).into()));
    }
    let Some(moment) = ticks(value, *of)? else { return Ok(Value::Null) };
    let (day, rest) = split(moment);
    let (year, month, number) = date(day);
    let seconds = rest / SECOND;
    Ok(Value::Int(match part.as_ref() {
        "year" | "yy" | "yyyy" => year.into(),
        "month" | "mm" | "m" => month.into(),
        "day" | "dd" | "d" => number.into(),
        "weekday" | "dw" => i64::from((day - DAYS_TO_1900 + 1).rem_euclid(7)) + 1,
        "hour" | "hh" => seconds / 3600,
        "minute" | "mi" | "n" => seconds / 60 % 60,
        "second" | "ss" | "s" => seconds % 60,
        "millisecond" | "ms" => rest % SECOND / 10_000,
        "microsecond" | "mcs" => rest % SECOND / 10,
        "tzoffset" | "tz" => 0,
        other => return Err(Problem::unknown(format!("the date part {other}"))),
    }))
}

fn minutes(zone: &Value) -> Result<i16> {
    match zone {
        Value::Int(minutes) => i16::try_from(*minutes).ok(),
        Value::Text(text) => crate::value::calendar::read(&format!("2000-01-01 00:00:00 {text}"))
            .and_then(|r| r.zone),
        _ => float(zone).map(|_| 0),
    }
    .ok_or_else(|| {
        Problem::raised(
            9812,
            "The timezone provided to builtin function todatetimeoffset is invalid.",
        )
    })
}

fn to_offset(_: &Context, values: &[Value], types: &[Type]) -> Result<Value> {
    let ([value, zone], [of, _]) = (values, types) else { return Ok(Value::Null) };
    if *value == Value::Null || *zone == Value::Null {
        return Ok(Value::Null);
    }
    let minutes = minutes(zone)?;
    let local = ticks(value, *of)?.unwrap_or(0);
    Ok(Value::Offset(local - i64::from(minutes) * 60 * SECOND, minutes))
}
