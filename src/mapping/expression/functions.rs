//! The functions of expressions. `x.f(y)` is `f(x, y)`; what stands in brackets may be left out.
//!
//! | function | gives | what it does |
//! | --- | --- | --- |
//! | `trim(text)` | text | without blanks at both ends |
//! | `upper(text)` | text | in capitals |
//! | `lower(text)` | text | in small letters |
//! | `substr(text, start[, length])` | text | from the character `start`, counted from 0; shorter where the text ends |
//! | `concat(text, text, ...)` | text | one after the other; `+` does the same for two |
//! | `split(text, separator)` | list | the texts between the separators; `[0]` takes the first, beyond the last is null |
//! | `replace(text, from, to)` | text | every `from` becomes `to` |
//! | `startsWith(text, start)` | bool | whether it begins so |
//! | `endsWith(text, end)` | bool | whether it ends so |
//! | `contains(text, part)` | bool | whether it holds the part |
//! | `size(text or list)` | number | how many characters, or how many texts |
//! | `lpad(text, size[, fill])` | text | filled on the left up to `size` characters, with blanks if not said otherwise; never cut |
//! | `rpad(text, size[, fill])` | text | the same on the right |
//! | `ltrim0(text)` | text | without leading zeros; of zeros only, one stays |
//! | `matches(text, "pattern")` | bool | whether the regular expression is found in it; `^` and `$` to say the whole text |
//! | `json(text, "path")` | text | the value in a JSON text, by names and places: `lines.0.code`; numbers as they are written, null where there is none |
//! | `coalesce(value, value, ...)` | as its values | the first that is not null |
//! | `number(text)` | number | the number it writes: `12`, `-0.50`, `1e3`; another text is an error |
//! | `text(value)` | text | the canonical text of any value |
//! | `key(value, ...)` | text | the values joined as the key of an entity |
//! | `date(text[, "format"])` | date | the day it writes, in a format of `date:`, `iso` if left out |
//! | `date(instant)` | date | its day in UTC |
//! | `instant(text)` | instant | the point in time it writes, with its zone: `2026-11-21T10:00:00+01:00` |
//! | `jde_date(number or text)` | date | the day of CYYDDD; 0 is null |
//! | `round(number[, places])` | number | to `places`, or to a whole; half up, away from zero |
//! | `abs(number)` | number | without its sign |
//! | `floor(number)` | number | the whole number below |
//! | `ceil(number)` | number | the whole number above |
//! | `min(value, value, ...)` | as its values | the least of numbers, texts, dates or instants |
//! | `max(value, value, ...)` | as its values | the greatest |
//! | `days_between(from, to)` | number | days from one date to the other; negative backwards |
//! | `add_days(date, days)` | date | so many days later; negative earlier |
//! | `changed(column)` | bool | whether the column differs from before the transaction |
//!
//! If any of the values given is null, the result is null; only `coalesce` looks further.

use super::Type;

/// A function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Trim,
    Upper,
    Lower,
    Substr,
    Concat,
    Split,
    Replace,
    StartsWith,
    EndsWith,
    Contains,
    Size,
    Lpad,
    Rpad,
    Ltrim0,
    Matches,
    Json,
    Coalesce,
    Number,
    Text,
    Key,
    Date,
    Instant,
    JdeDate,
    Round,
    Abs,
    Floor,
    Ceil,
    Min,
    Max,
    DaysBetween,
    AddDays,
}

/// What a function takes and gives.
#[derive(Debug)]
pub(super) struct Signature {
    pub(super) name: &'static str,
    /// How a call is written, as in the table above.
    pub(super) usage: &'static str,
    pub(super) function: Function,
    pub(super) parameters: &'static [Parameter],
    /// How many of them cannot be left out.
    pub(super) required: usize,
    /// Whether the last may be given any number of times.
    pub(super) repeats: bool,
    pub(super) gives: Gives,
}

/// One value a function takes.
#[derive(Debug)]
pub(super) struct Parameter {
    /// The types it may have.
    pub(super) types: &'static [Type],
    pub(super) demand: Demand,
}

/// What a function asks of a value beside its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Demand {
    Nothing,
    /// A text of at least one character.
    Filled,
    /// A whole number that is not negative.
    Count,
    /// Known when the mapping is loaded.
    Literal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gives {
    This(Type),
    /// The type all its values have.
    Theirs,
}

/// The function of this name.
pub(super) fn find(name: &str) -> Option<&'static Signature> {
    FUNCTIONS.iter().find(|signature| signature.name == name)
}

const fn demanding(types: &'static [Type], demand: Demand) -> Parameter {
    Parameter { types, demand }
}

const fn plain(types: &'static [Type]) -> Parameter {
    demanding(types, Demand::Nothing)
}

const TEXT: Parameter = plain(&[Type::Text]);
const FILLED: Parameter = demanding(&[Type::Text], Demand::Filled);
const LITERAL: Parameter = demanding(&[Type::Text], Demand::Literal);
const NUMBER: Parameter = plain(&[Type::Number]);
const COUNT: Parameter = demanding(&[Type::Number], Demand::Count);
const DATE: Parameter = plain(&[Type::Date]);
const ORDERED: Parameter = plain(&[Type::Number, Type::Text, Type::Date, Type::Instant]);
const SINGLE: Parameter = plain(&[Type::Text, Type::Number, Type::Bool, Type::Date, Type::Instant]);

/// What stands before the bracket.
const fn name_of(usage: &'static str) -> &'static str {
    let (mut length, mut rest) = (0, usage.as_bytes());
    while let [first, after @ ..] = rest {
        if *first == b'(' {
            break;
        }
        (length, rest) = (length + 1, after);
    }
    usage.split_at(length).0
}

/// A function of exactly these values.
const fn of(
    usage: &'static str,
    function: Function,
    parameters: &'static [Parameter],
    gives: Type,
) -> Signature {
    let required = parameters.len();
    let (name, gives) = (name_of(usage), Gives::This(gives));
    Signature { name, usage, function, parameters, required, repeats: false, gives }
}

/// A function whose last value may be left out.
const fn short(
    usage: &'static str,
    function: Function,
    parameters: &'static [Parameter],
    gives: Type,
) -> Signature {
    Signature { required: parameters.len() - 1, ..of(usage, function, parameters, gives) }
}

/// A function of at least these values and more of the last.
const fn many(
    usage: &'static str,
    function: Function,
    parameters: &'static [Parameter],
    gives: Gives,
) -> Signature {
    let (name, required) = (name_of(usage), parameters.len());
    Signature { name, usage, function, parameters, required, repeats: true, gives }
}

/// All functions but `changed`, which takes a column and not a value.
pub(super) const FUNCTIONS: [Signature; 31] = [
    of("trim(text)", Function::Trim, &[TEXT], Type::Text),
    of("upper(text)", Function::Upper, &[TEXT], Type::Text),
    of("lower(text)", Function::Lower, &[TEXT], Type::Text),
    short("substr(text, start[, length])", Function::Substr, &[TEXT, COUNT, COUNT], Type::Text),
    many("concat(text, text, ...)", Function::Concat, &[TEXT, TEXT], Gives::This(Type::Text)),
    of("split(text, separator)", Function::Split, &[TEXT, FILLED], Type::Texts),
    of("replace(text, from, to)", Function::Replace, &[TEXT, FILLED, TEXT], Type::Text),
    of("startsWith(text, start)", Function::StartsWith, &[TEXT, TEXT], Type::Bool),
    of("endsWith(text, end)", Function::EndsWith, &[TEXT, TEXT], Type::Bool),
    of("contains(text, part)", Function::Contains, &[TEXT, TEXT], Type::Bool),
    of("size(text or list)", Function::Size, &[plain(&[Type::Text, Type::Texts])], Type::Number),
    short("lpad(text, size[, fill])", Function::Lpad, &[TEXT, COUNT, FILLED], Type::Text),
    short("rpad(text, size[, fill])", Function::Rpad, &[TEXT, COUNT, FILLED], Type::Text),
    of("ltrim0(text)", Function::Ltrim0, &[TEXT], Type::Text),
    of("matches(text, \"pattern\")", Function::Matches, &[TEXT, LITERAL], Type::Bool),
    of("json(text, \"path\")", Function::Json, &[TEXT, LITERAL], Type::Text),
    many("coalesce(value, value, ...)", Function::Coalesce, &[SINGLE, SINGLE], Gives::Theirs),
    of("number(text)", Function::Number, &[TEXT], Type::Number),
    of("text(value)", Function::Text, &[SINGLE], Type::Text),
    many("key(value, ...)", Function::Key, &[SINGLE], Gives::This(Type::Text)),
    short(
        "date(text[, \"format\"])",
        Function::Date,
        &[plain(&[Type::Text, Type::Instant]), LITERAL],
        Type::Date,
    ),
    of("instant(text)", Function::Instant, &[TEXT], Type::Instant),
    of(
        "jde_date(number or text)",
        Function::JdeDate,
        &[plain(&[Type::Number, Type::Text])],
        Type::Date,
    ),
    short("round(number[, places])", Function::Round, &[NUMBER, COUNT], Type::Number),
    of("abs(number)", Function::Abs, &[NUMBER], Type::Number),
    of("floor(number)", Function::Floor, &[NUMBER], Type::Number),
    of("ceil(number)", Function::Ceil, &[NUMBER], Type::Number),
    many("min(value, value, ...)", Function::Min, &[ORDERED, ORDERED], Gives::Theirs),
    many("max(value, value, ...)", Function::Max, &[ORDERED, ORDERED], Gives::Theirs),
    of("days_between(from, to)", Function::DaysBetween, &[DATE, DATE], Type::Number),
    of("add_days(date, days)", Function::AddDays, &[DATE, NUMBER], Type::Date),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_lists_every_function_as_it_is_called() {
        let source = include_str!("functions.rs");
        let rows = source.lines().filter_map(|line| line.strip_prefix("//! | `"));
        let calls = rows.filter_map(|row| row.split_once("` |")).map(|(call, _)| call);
        // A second way to call a function, and the one that takes no value.
        let calls = calls.filter(|call| !["date(instant)", "changed(column)"].contains(call));
        let usages: Vec<&str> = FUNCTIONS.iter().map(|signature| signature.usage).collect();
        assert_eq!(calls.collect::<Vec<_>>(), usages);
        for Signature { usage, required, .. } in &FUNCTIONS {
            let sure = usage.split('[').next().unwrap_or_default();
            let named = sure.split(", ").filter(|part| *part != "...)").count();
            assert_eq!(named, *required, "{usage}");
        }
    }
}
