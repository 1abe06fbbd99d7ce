//! What a case expects against what happened.
//!
//! A case says as much as it wants to: every key it writes must be as written, what it does not
//! write is not compared. Only the number of events and dead letters always counts.
//!
//! Events are paired in their order so that as many as possible belong together: one that is
//! missing does not make every later one differ.

use serde_json::Value as Json;

use super::read::{Case, ExpectedEvent, ExpectedLetter};
use super::update;
use crate::canonical::{FrozenBatch, Message, catalog, header};
use crate::deadletter::DeadLetter;
use crate::document::{Content, Node};

/// The names of the fields that an update changed.
const CHANGED: &str = "data.changed";

/// More pairs than this are not weighed; events are paired by their places then.
const MAX_PAIRS: usize = 40_000;

/// Where what happened is not what is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// Something is not as it should be.
    Other {
        /// `event 2, procurement.purchaseorder.released`, or a dead letter.
        of: String,
        /// Which part of it: `data.after.supplier`, `subject`.
        path: String,
        /// As the case says it.
        expected: String,
        /// As it came, or that nothing did.
        got: String,
    },
    /// Something did not come.
    Missing(String),
    /// Something came that nobody expected.
    Surplus {
        /// What it is.
        of: String,
        /// What it says, in lines.
        lines: Vec<String>,
    },
    /// An event breaks its own schema.
    Broken {
        /// The event.
        of: String,
        /// In which way.
        problem: String,
    },
}

/// Every difference.
pub(super) fn differences(case: &Case, batch: &FrozenBatch) -> Vec<Difference> {
    let mut out = Vec::new();
    let found: Vec<Found<'_>> = batch.messages().map(Found::of).collect();
    for pair in pairs(&case.events, &found) {
        match pair {
            (Some(expected), Some(number)) => {
                let (Some(expected), Some(found)) = (case.events.get(expected), found.get(number))
                else {
                    continue;
                };
                found.keeps_contract(number, &mut out);
                found.compare(&found.name(number), expected, &mut out);
            }
            (Some(expected), None) => {
                let event = case.events.get(expected).and_then(|event| event.event.as_deref());
                out.push(Difference::Missing(named(expected, event.unwrap_or("any"))));
            }
            (None, Some(number)) => {
                let Some(found) = found.get(number) else { continue };
                found.keeps_contract(number, &mut out);
                let lines = update::event_lines(&found.message);
                out.push(Difference::Surplus { of: found.name(number), lines });
            }
            (None, None) => {}
        }
    }
    compare_letters(&case.letters, &batch.dead_letters, &mut out);
    out
}

fn named(number: usize, event: &str) -> String {
    format!("event {}, {event}", number + 1)
}

/// An event that came.
struct Found<'m> {
    message: Message<'m>,
    data: Json,
}

impl<'m> Found<'m> {
    fn of(message: Message<'m>) -> Self {
        let data = serde_json::from_slice(&message.payload()).unwrap_or(Json::Null);
        Self { message, data }
    }

    fn name(&self, number: usize) -> String {
        named(number, event_name(&self.message))
    }

    fn keeps_contract(&self, number: usize, out: &mut Vec<Difference>) {
        let kind = self.message.header(header::TYPE).unwrap_or_default();
        if let Err(problems) = catalog().validate(kind, &self.message.payload()) {
            let broken = |problem| Difference::Broken { of: self.name(number), problem };
            out.extend(problems.into_iter().map(broken));
        }
    }

    fn compare(&self, name: &str, expected: &ExpectedEvent, out: &mut Vec<Difference>) {
        let message = &self.message;
        let mut same = |what: &str, wanted: &str, found: Option<&str>| {
            if found != Some(wanted) {
                out.push(differs(name, what, wanted, found.unwrap_or("nothing")));
            }
        };
        if let Some(event) = &expected.event {
            same("event", event, Some(event_name(message)));
        }
        if let Some(subject) = &expected.subject {
            same("subject", subject, Some(message.subject()));
        }
        for (header, value) in &expected.headers {
            same(header, value, message.header(header));
        }
        if let Some(data) = &expected.data {
            compare_data(name, "data", data, Some(&self.data), out);
        }
    }

    /// How much it is what is expected: nothing if it is another event.
    fn likeness(&self, expected: &ExpectedEvent) -> usize {
        let named = expected.event.as_deref();
        if named.is_some_and(|event| event != event_name(&self.message)) {
            return 0;
        }
        let mut differences = Vec::new();
        self.compare("", expected, &mut differences);
        // An event of the same row with differences is still more alike than that of another.
        100 - std::cmp::min(differences.len() * 5, 90)
    }
}

type Pair = (Option<usize>, Option<usize>);

/// What belongs together, in order; the rest stands alone.
fn pairs(expected: &[ExpectedEvent], found: &[Found<'_>]) -> Vec<Pair> {
    let likeness: Vec<Vec<usize>> = if expected.len().saturating_mul(found.len()) <= MAX_PAIRS {
        let row = |expected| found.iter().map(|found| found.likeness(expected)).collect();
        expected.iter().map(row).collect()
    } else {
        let place = |place: usize| (0..found.len()).map(|own| usize::from(own == place)).collect();
        (0..expected.len()).map(place).collect()
    };
    align(&likeness, expected.len(), found.len())
}

/// The pairing of two lists in order that has the most likeness.
fn align(likeness: &[Vec<usize>], rows: usize, columns: usize) -> Vec<Pair> {
    let like = |row: usize, column: usize| {
        likeness.get(row).and_then(|row| row.get(column)).copied().unwrap_or_default()
    };
    // best[r][c]: of everything from row r and column c on.
    let mut best = vec![vec![0_usize; columns + 1]; rows + 1];
    let at = |best: &[Vec<usize>], row: usize, column: usize| {
        best.get(row).and_then(|row| row.get(column)).copied().unwrap_or_default()
    };
    for row in (0..rows).rev() {
        for column in (0..columns).rev() {
            let alone = std::cmp::max(at(&best, row + 1, column), at(&best, row, column + 1));
            let own = like(row, column);
            let paired = if own > 0 { own + at(&best, row + 1, column + 1) } else { 0 };
            if let Some(cell) = best.get_mut(row).and_then(|row| row.get_mut(column)) {
                *cell = std::cmp::max(alone, paired);
            }
        }
    }
    let (mut row, mut column, mut out) = (0, 0, Vec::new());
    while row < rows || column < columns {
        let own = like(row, column);
        let both = row < rows && column < columns && own > 0;
        if both && at(&best, row, column) == own + at(&best, row + 1, column + 1) {
            out.push((Some(row), Some(column)));
            (row, column) = (row + 1, column + 1);
        } else if column >= columns
            || (row < rows && at(&best, row, column) == at(&best, row + 1, column))
        {
            out.push((Some(row), None));
            row += 1;
        } else {
            out.push((None, Some(column)));
            column += 1;
        }
    }
    out
}

/// `procurement.purchaseorder.released`, from the type header.
pub(super) fn event_name<'m>(message: &Message<'m>) -> &'m str {
    let name = message.header(header::TYPE).unwrap_or_default();
    let name = name.strip_prefix("erpbridge.").unwrap_or(name);
    name.rsplit_once('.').map_or(name, |(name, _version)| name)
}

fn compare_data(
    name: &str,
    path: &str,
    expected: &Node,
    found: Option<&Json>,
    out: &mut Vec<Difference>,
) {
    match (&expected.content, found) {
        (Content::Map(entries), Some(Json::Object(object))) => {
            for entry in entries {
                let path = format!("{path}.{}", entry.key);
                compare_data(name, &path, &entry.value, object.get(&entry.key), out);
            }
        }
        (Content::List(values), Some(Json::Array(array))) if path == CHANGED => {
            compare_sets(name, path, values, array, out);
        }
        (Content::List(values), Some(Json::Array(array))) => {
            for (index, value) in values.iter().enumerate() {
                compare_data(name, &format!("{path}[{index}]"), value, array.get(index), out);
            }
            for (index, found) in array.iter().enumerate().skip(values.len()) {
                let path = format!("{path}[{index}]");
                out.push(differs(name, &path, "nothing", &update::flow(found)));
            }
        }
        (Content::Null, Some(Json::Null)) => {}
        (Content::Text { text, quoted }, Some(found)) if equals(text, *quoted, found) => {}
        (Content::Text { text, .. }, Some(found @ Json::String(_))) => {
            let expected = Json::from(text.as_str()).to_string();
            out.push(differs(name, path, &expected, &found.to_string()));
        }
        (_, found) => {
            let found = found.map_or_else(|| "nothing".to_owned(), shown);
            out.push(differs(name, path, &show(expected), &found));
        }
    }
}

/// The names of the fields that changed have no order, and are told whole: which of them stands at
/// which place says nothing.
fn compare_sets(
    name: &str,
    path: &str,
    expected: &[Node],
    found: &[Json],
    out: &mut Vec<Difference>,
) {
    let mut wanted: Vec<String> = expected.iter().map(show_plain).collect();
    let mut came: Vec<String> = found.iter().map(update::flow).collect();
    wanted.sort_unstable();
    came.sort_unstable();
    if wanted != came {
        let listed = |names: &[String]| format!("[{}]", names.join(", "));
        out.push(differs(name, path, &listed(&wanted), &listed(&came)));
    }
}

/// As `map test --update` would write it, however the case quotes it.
fn show_plain(node: &Node) -> String {
    node.text().map_or_else(|| show(node), update::scalar)
}

/// A text with its quotes, because `1.50` and `"1.50"` differ.
fn shown(found: &Json) -> String {
    match found {
        Json::String(_) => found.to_string(),
        found => update::flow(found),
    }
}

/// Text in quotes is a JSON string; plain text is whatever prints like it.
fn equals(text: &str, quoted: bool, found: &Json) -> bool {
    match found {
        Json::String(found) => found == text,
        Json::Number(number) => !quoted && number.to_string() == text,
        Json::Bool(truth) => !quoted && text == if *truth { "true" } else { "false" },
        Json::Null | Json::Array(_) | Json::Object(_) => false,
    }
}

/// As the case writes it, on one line.
fn show(node: &Node) -> String {
    match &node.content {
        Content::Null => "null".to_owned(),
        Content::Text { text, quoted: true } => Json::from(text.as_str()).to_string(),
        Content::Text { text, .. } => text.clone(),
        Content::List(values) => {
            format!("[{}]", values.iter().map(show).collect::<Vec<_>>().join(", "))
        }
        Content::Map(entries) => {
            let entries =
                entries.iter().map(|entry| format!("{}: {}", entry.key, show(&entry.value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

fn differs(of: &str, path: &str, expected: &str, got: &str) -> Difference {
    Difference::Other {
        of: of.to_owned(),
        path: path.to_owned(),
        expected: expected.to_owned(),
        got: got.to_owned(),
    }
}

fn compare_letters(expected: &[ExpectedLetter], found: &[DeadLetter], out: &mut Vec<Difference>) {
    for (number, letter) in found.iter().enumerate() {
        let (of, reason) = (format!("dead letter {}", number + 1), letter.reason.as_str());
        let Some(wanted) = expected.get(number) else {
            let lines = vec![format!("reason: {reason}"), letter.detail.clone()];
            out.push(Difference::Surplus { of, lines });
            continue;
        };
        let rule = letter.rule.as_deref().unwrap_or("none");
        if let Some(wanted) = wanted.rule.as_deref().filter(|wanted| *wanted != rule) {
            out.push(differs(&of, "rule", wanted, rule));
        }
        if let Some(wanted) = wanted.reason.as_deref().filter(|wanted| *wanted != reason) {
            out.push(differs(&of, "reason", wanted, &format!("{reason}: {}", letter.detail)));
        }
    }
    let missing = (found.len()..expected.len()).map(|number| format!("dead letter {}", number + 1));
    out.extend(missing.map(Difference::Missing));
}

#[cfg(test)]
mod tests {
    use super::align;

    #[test]
    fn one_that_is_missing_leaves_the_later_ones_in_pairs() {
        let likeness = [vec![100, 0, 0], vec![0, 0, 0], vec![0, 90, 0], vec![0, 0, 100]];
        let pairs = align(&likeness, 4, 3);
        assert_eq!(
            pairs,
            [(Some(0), Some(0)), (Some(1), None), (Some(2), Some(1)), (Some(3), Some(2))]
        );
    }

    #[test]
    fn of_two_alike_the_more_alike_is_the_pair_and_nothing_is_left_out() {
        let pairs = align(&[vec![50, 100]], 1, 2);
        assert_eq!(pairs, [(None, Some(0)), (Some(0), Some(1))]);
        assert_eq!(align(&[], 0, 2), [(None, Some(0)), (None, Some(1))]);
        assert_eq!(align(&[vec![]], 1, 0), [(Some(0), None)]);
        assert_eq!(align(&[vec![0]], 1, 1), [(Some(0), None), (None, Some(0))]);
    }
}
