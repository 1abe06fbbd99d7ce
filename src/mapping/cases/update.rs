//! Rewriting expectations in place.
//!
//! Only the lines of `expect` and `dead_letters` are replaced; names, rows and comments stay as a
//! person wrote them. What is written is all that tells events apart: type, subject, the headers
//! the case asked for before, and the data without what repeats the row or the subject.

use std::ops::Range;

use serde_json::{Map, Value as Json};

use super::compare::event_name;
use super::read::Case;
use crate::canonical::{FrozenBatch, Message};
use crate::document::Place;

/// Data an update leaves out: the subject says it, or the row, or the order of the events.
const LEFT_OUT: [&str; 4] = ["company", "plant", "source", "revision"];

/// The file's text with every case expecting what it got.
pub(super) fn rewrite(text: &str, played: &[(&Case, FrozenBatch)]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut edits: Vec<(Range<usize>, Vec<String>)> = Vec::new();
    for (case, batch) in played {
        if !batch.is_empty() || case.expect_at.is_some() {
            let events = events(case, batch);
            edits.push((range(&lines, case, case.expect_at.as_ref()), events));
        }
        if !batch.dead_letters.is_empty() || case.letters_at.is_some() {
            let letters = letters(case, batch);
            edits.push((range(&lines, case, case.letters_at.as_ref()), letters));
        }
    }
    // From the end, so that earlier line numbers stay true; of two insertions at the same line
    // the first one written comes first.
    edits.sort_by_key(|(range, _)| (range.start, range.end));
    for (range, replacement) in edits.into_iter().rev() {
        lines.splice(range, replacement);
    }
    lines.join("\n") + "\n"
}

/// The lines a key's entry takes, or the place after the case where it is to be added.
fn range(lines: &[String], case: &Case, key: Option<&Place>) -> Range<usize> {
    if let Some(place) = key {
        let start = place.line.saturating_sub(1);
        return start..end_of(lines, start, place.column, true);
    }
    let end = end_of(lines, case.place.line.saturating_sub(1), case.place.column, false);
    end..end
}

/// The line after the last one that belongs to what begins on line `start` in `column`. A list
/// under a key may stand in the key's own column; keys of a map go on in the map's own column.
fn end_of(lines: &[String], start: usize, column: usize, key: bool) -> usize {
    let mut end = start + 1;
    for (number, line) in lines.iter().enumerate().skip(start + 1) {
        let content = line.trim_start();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let indent = line.chars().count() - content.chars().count() + 1;
        let inside = indent > column || (indent == column && (!key || content.starts_with("- ")));
        if !inside {
            break;
        }
        end = number + 1;
    }
    end
}

fn events(case: &Case, batch: &FrozenBatch) -> Vec<String> {
    let indent = " ".repeat(case.place.column.saturating_sub(1));
    if batch.is_empty() {
        return vec![format!("{indent}expect: []")];
    }
    let mut out = vec![format!("{indent}expect:")];
    for (number, message) in batch.messages().enumerate() {
        let asked = case.events.get(number).map_or(&[][..], |expected| &expected.headers);
        event(&indent, &message, asked, &mut out);
    }
    out
}

fn event(indent: &str, message: &Message<'_>, asked: &[(String, String)], out: &mut Vec<String>) {
    out.push(format!("{indent}  - event: {}", event_name(message)));
    out.push(format!("{indent}    subject: {}", message.subject()));
    if !asked.is_empty() {
        out.push(format!("{indent}    headers:"));
    }
    for (name, _) in asked {
        let value = message.header(name).unwrap_or_default();
        out.push(format!("{indent}      {name}: {}", scalar(value)));
    }
    data(&format!("{indent}    "), message, out);
}

/// What an event says, as it would be written down.
pub(super) fn event_lines(message: &Message<'_>) -> Vec<String> {
    let mut out = vec![format!("subject: {}", message.subject())];
    data("", message, &mut out);
    out
}

fn data(indent: &str, message: &Message<'_>, out: &mut Vec<String>) {
    let data = serde_json::from_slice(&message.payload()).unwrap_or(Json::Null);
    let Json::Object(mut data) = data else { return };
    data.retain(|name, _| !LEFT_OUT.contains(&name.as_str()));
    out.push(format!("{indent}data:"));
    for (name, value) in &data {
        block(&format!("{indent}  "), name, value, out);
    }
}

/// An object of simple values goes on one line; deeper ones are spread out.
fn block(indent: &str, name: &str, value: &Json, out: &mut Vec<String>) {
    match value {
        Json::Object(object) if !is_short(object) => {
            out.push(format!("{indent}{name}:"));
            for (name, value) in object {
                block(&format!("{indent}  "), name, value, out);
            }
        }
        value => out.push(format!("{indent}{name}: {}", flow(value))),
    }
}

fn is_short(object: &Map<String, Json>) -> bool {
    object.len() <= 3 && !object.values().any(|value| value.is_object() || value.is_array())
}

pub(super) fn flow(value: &Json) -> String {
    match value {
        Json::String(text) => scalar(text),
        Json::Array(values) => {
            format!("[{}]", values.iter().map(flow).collect::<Vec<_>>().join(", "))
        }
        Json::Object(object) if object.is_empty() => "{}".to_owned(),
        Json::Object(object) => {
            let entries = object.iter().map(|(name, value)| format!("{name}: {}", flow(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        simple => simple.to_string(),
    }
}

/// Plain where YAML and this reader take it as the same text, in quotes otherwise.
pub(super) fn scalar(text: &str) -> String {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '+' | '-');
    let plain = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && text.chars().all(word)
        && !["null", "true", "false"].contains(&text);
    if plain { text.to_owned() } else { Json::from(text).to_string() }
}

fn letters(case: &Case, batch: &FrozenBatch) -> Vec<String> {
    let indent = " ".repeat(case.place.column.saturating_sub(1));
    if batch.dead_letters.is_empty() {
        return vec![format!("{indent}dead_letters: []")];
    }
    let mut out = vec![format!("{indent}dead_letters:")];
    out.extend(batch.dead_letters.iter().map(|letter| {
        let rule =
            letter.rule.as_deref().map_or_else(String::new, |rule| format!("rule: {rule}, "));
        format!("{indent}  - {{ {rule}reason: {} }}", letter.reason.as_str())
    }));
    out
}
