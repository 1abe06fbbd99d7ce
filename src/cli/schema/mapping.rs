//! The JSON Schema of the mapping language, for editors.
//!
//! Which keys stand where is the language's own word (`mapping::keys`); this file says what each
//! holds. A test makes sure that nothing is missing on either side, and that every mapping and
//! every file of cases of this repository is valid.

use serde_json::{Map, Value, json};

use crate::canonical::catalog;
use crate::mapping::keys;

/// What a key holds.
#[derive(Clone, Copy)]
enum Shape {
    /// A text, a number or a truth value: what was written.
    Scalar,
    /// A scalar or nothing.
    Nullable,
    /// One scalar or several.
    Scalars,
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Count,
    /// One of these words, or several.
    Words(&'static [&'static str]),
    /// An expression.
    Expression,
    /// A column, a path or an expression; or several.
    Picks,
    /// What another place describes.
    Place(&'static str),
    /// A scalar, or what another place describes.
    ScalarOr(&'static str),
    /// A list of what another place describes.
    List(&'static str),
    /// Names and what another place describes.
    Map(&'static str),
    /// Names and a scalar, or what another place describes.
    MapOr(&'static str),
    /// Names and scalars, or lists of them, or null.
    Scalars2,
    /// A code table.
    Codes,
    /// The name of an event.
    Event,
    /// Whatever the case compares or the row holds.
    Anything,
}
use Shape::{
    Anything, Codes, Count, Event, Expression, Flag, List, Nullable, Picks, Place, Scalar,
    ScalarOr, Scalars, Scalars2, Words,
};

/// What a key of a place holds, and what it means.
#[expect(clippy::too_many_lines, reason = "the catalogue: one entry per key, no logic")]
fn describe(place: &str, key: &str) -> Option<(Shape, &'static str)> {
    let own = match (place, key) {
        ("file" | "overlay file", "read") => {
            (Place("read"), "how cells are read, unless a table or column says otherwise")
        }
        ("file" | "overlay file", "codes") => (Shape::Map("codes"), "code tables by name"),
        ("file", "tables") => (Shape::Map("table"), "the tables, by the names rules use"),
        ("overlay file", "tables") => {
            (Shape::Map("table of an overlay"), "what the site says of tables")
        }
        ("file", "mapping") => (Scalar, "the name; events carry it with a hash of the files"),
        ("overlay file", "overlay") => (Scalar, "the mapping it lies over"),
        ("file", "authority") => {
            (Shape::MapOr("authority"), "which axes of an entity the mapping speaks for")
        }
        ("file", "sources") => (Scalars2, "the one table that tells of an entity"),
        ("file", "drift") => (Place("drift"), "what happens when the ERP changes"),
        ("file", "fields") => (Shape::Map("fields"), "sets of fields that several events share"),
        ("file", "links") => (List("link"), "which entity came from which"),
        ("file", "events") => (List("event"), "which change makes which event"),
        ("file", "exceptions") => {
            (List("exception"), "conditions somebody should know of while they last")
        }
        ("company, plant", "column") => (Scalar, "a column or a path that tells"),
        ("company, plant", "capture") => (Scalar, "a named group of the table's pattern"),
        ("company, plant", "schema") => (Flag, "the table's schema or database tells"),
        ("company, plant", "aliases") => (Codes, "subject tokens by what the source writes"),
        ("drift", _) => (Words(&["stop", "dead_letter", "ignore"]), "what is done about it"),
        ("table", "table") => (Scalar, "`schema.table`, as the database spells it"),
        ("table", "pattern") => (Scalar, "a regular expression for `schema.table`, as a whole"),
        ("table", "deleted") => (ScalarOr("deleted"), "what the ERP means by deleting a row"),
        ("table", "keep") => {
            (Scalars, "columns whose old values are remembered; `all` for every one")
        }
        ("table", "lookups") => (Shape::Map("lookup"), "rows that belong to a row, by name"),
        ("table", "sums") => (Shape::Map("sum"), "sums over rows that point to a row, by name"),
        ("table" | "table of an overlay", "columns") => {
            (Shape::Map("column"), "how single columns are read")
        }
        ("table", "ignore") => (Scalars, "columns whose change alone is no change"),
        ("table", "key") => (Scalars, "what identifies a row; the primary key if left out"),
        ("read" | "column", "trim") => {
            (Words(&["none", "start", "end", "both"]), "which blanks are taken off")
        }
        ("read" | "column", "blank") => (Nullable, "`null`: a text of blanks only is NULL; `keep`"),
        ("read" | "column", "null") => (Scalars, "texts that mean NULL"),
        ("read" | "column", "pad") => (Place("pad"), "filled up at the start"),
        ("read" | "column", "charset") => {
            (Place("charset"), "text stored in another code page than declared")
        }
        ("pad", "start") => (Count, "how many characters the text has then"),
        ("deleted", "moved_to") => (Scalar, "the table a row moves to"),
        ("deleted", "otherwise") => (Scalar, "what a plain delete means"),
        ("lookup", "to") => (Scalar, "the table it leads to"),
        ("lookup", "missing") => {
            (ScalarOr("missing"), "`dead_letter`, `null`, `wait`, or how long a change waits")
        }
        ("missing", "wait") => (Scalar, "how long a change waits for the row: `90s`, `12h`, `3d`"),
        ("sum", "children") => (Scalar, "`table.lookup`: the rows that are summed"),
        ("where", "not") => (Scalars, "values that are not wanted"),
        ("event", "emit") => (Event, "the event, as `family.entity.event`"),
        ("event", "when") => {
            (Words(&["inserted", "updated", "deleted", "moved"]), "what became of the row")
        }
        ("event", "snapshot") => (Flag, "also for rows found by a snapshot"),
        ("event", "transition") => (Place("transition"), "a step from one state to another"),
        ("event", "changed") => (Scalars, "of an update: one of these columns must have changed"),
        ("event", "became") => (Expression, "true after the transaction and not before it"),
        ("event", "effective") => (ScalarOr("field"), "when the business says it happened"),
        ("event", "aliases") => (Scalars, "columns with other numbers it is known by"),
        ("event", "extensions") => (Anything, "columns of the site that may leave the bridge"),
        ("event" | "exception", "codes") => (Scalars, "columns whose raw codes the event carries"),
        ("event" | "exception", "number") => (ScalarOr("field"), "the number people use"),
        ("event" | "exception" | "children", "fields") => {
            (ScalarOr("fields"), "the canonical fields, or a set by name")
        }
        ("exception", "raise") => (Scalar, "the kind of exception"),
        ("exception", "while") => (Expression, "it is open for as long as this holds"),
        ("link", "from") => (Scalar, "the entity of the row, as `family.entity`"),
        ("link", "leads_to") => (Scalar, "the entity that came from it"),
        ("link", "follows") => (Scalar, "the entity it came from"),
        ("transition", "codes") => (Scalar, "the code table that says the state"),
        ("transition", "state") => (Expression, "the canonical state"),
        ("transition", "axis") => (Scalar, "the axis the event tells"),
        ("transition", "from" | "to") => (Scalars, "canonical states"),
        ("field", "first") => (List("first"), "the first case that holds"),
        ("field", "moment") => (Place("moment"), "a day and a time of day in two columns"),
        ("field", "instant") => (Place("instant"), "the zone of a local time"),
        ("field", "bool") => (Place("bool"), "which texts are true and false"),
        ("field", "duration") => (
            Words(&["days", "weeks", "working_days", "hours", "minutes"]),
            "the unit of a number of time",
        ),
        ("field", "mask") => (Words(&["pseudonym"]), "a keyed pseudonym in its place"),
        ("field" | "value", "float") => (Place("float"), "a binary float, rounded"),
        ("field" | "value", "implied_decimals") => {
            (ScalarOr("implied_decimals"), "decimal places of a whole number")
        }
        ("field" | "value", "sign") => {
            (ScalarOr("sign"), "`absolute`, `negate`, or a column that tells")
        }
        ("field" | "value", "convert") => (Place("convert"), "times a factor, or a fraction"),
        ("quantity" | "money", "value") => (ScalarOr("value"), "the number"),
        ("quantity", "unit") | ("money", "currency") => {
            (ScalarOr("unit, currency"), "its unit or currency")
        }
        ("children", "children") => (Scalar, "`table.lookup`: the rows that point here"),
        ("first", "then" | "else") => (Nullable, "the value then"),
        ("moment", "date") => (ScalarOr("field"), "the day"),
        ("moment", "time") => (ScalarOr("time"), "the time of day"),
        ("time", "time") => {
            (Words(&["hhmm", "hhmmss", "iso", "seconds", "milliseconds"]), "how it is written")
        }
        ("float" | "convert", "scale") => (Count, "decimal places"),
        ("bool", _) => (Scalars, "these texts"),
        ("sign", "negative") => (Scalars, "codes that turn the sign"),
        ("cases file", "tables") => (Shape::Map("table of cases"), "the tables, as `schema.table`"),
        ("cases file", "cases") => (List("case"), "rows in, events out"),
        ("table of cases", "columns") => (Scalars2, "columns and their kinds"),
        ("table of cases", "key") => (Scalars, "the primary key; the first column if left out"),
        ("table of cases", "identity") => {
            (Words(&["full", "key", "nothing"]), "what the log carries of old rows")
        }
        ("case", "transactions") => (Anything, "transactions, each a list of row changes"),
        ("case", "expect") => (Anything, "the events, in order"),
        ("case", "dead_letters") => (Anything, "the dead letters, in order"),
        ("cases file" | "case", "given") => (Anything, "rows that are there before"),
        ("row change", "row" | "set") => (Scalars2, "cells by column"),
        ("row change", "absent") => (Scalars, "columns the log does not carry in the new row"),
        ("expected event", "headers" | "data") => {
            (Anything, "what must hold, as far as it is written")
        }
        _ => return anywhere(key),
    };
    Some(own)
}

/// What keys hold that mean the same wherever they stand.
fn anywhere(key: &str) -> Option<(Shape, &'static str)> {
    Some(match key {
        "company" | "plant" => {
            (Place("company, plant"), "whose or where it is, as a subject token")
        }
        "where" => (Shape::MapOr("where"), "columns and the values they must have"),
        "if" => (Expression, "a condition beside `where`"),
        "on" | "read" | "insert" | "update" | "delete" => (Scalar, "the table"),
        "rule" => (Scalar, "the rule's id, part of every event's id"),
        "key" | "by" => (Picks, "columns that make up a key"),
        "from" | "column" | "of" | "sort" => (Scalar, "a column, or a path through lookups"),
        "constant" => (Scalar, "the value itself, canonical already"),
        "expr" => (Expression, "an expression"),
        "code" => (Scalar, "a code table"),
        "date" => (Scalar, "how the column writes a day"),
        "required" => (Flag, "no value is a dead letter"),
        "default" => (ScalarOr("default"), "what stands for no value"),
        "case" => (Words(&["upper", "lower"]), "letters made alike"),
        "strip_zeros" => (Flag, "without leading zeros"),
        "zone" => (Scalar, "UTC, an offset, or a name as Europe/Berlin"),
        "overlap" => (Words(&["earlier", "later", "dead_letter"]), "a local time that comes twice"),
        "gap" => (Words(&["later", "earlier", "dead_letter"]), "a local time that never was"),
        "factor" | "numerator" | "denominator" => (Scalar, "a number, or a column"),
        "with" => (Scalar, "one character"),
        "declared" | "actual" => (Scalar, "a code page"),
        "name" | "event" | "subject" | "reason" => (Scalar, "as it shall be"),
        _ => return None,
    })
}

/// The schema of mapping files and overlays.
pub(super) fn mapping() -> Value {
    document("A mapping of erpbridge", &["file", "overlay file"])
}

/// The schema of files of cases.
pub(super) fn cases() -> Value {
    document("Cases of a mapping of erpbridge", &["cases file"])
}

fn document(title: &str, roots: &[&str]) -> Value {
    let roots: Vec<Value> = roots.iter().map(|place| refer(place)).collect();
    let places = keys::ALL.iter().map(|(place, keys)| ((*place).to_owned(), object(place, keys)));
    let mut definitions: Map<String, Value> = places.collect();
    definitions.insert("codes".into(), code_table());
    definitions.insert("authority".into(), words(&["owner", "replica"]));
    definitions
        .insert("fields".into(), json!({ "type": "object", "additionalProperties": field() }));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "anyOf": roots,
        "$defs": definitions,
    })
}

fn object(place: &str, keys: &[&str]) -> Value {
    let properties = keys.iter().map(|key| {
        let (shape, meaning) = describe(place, key).unwrap_or((Anything, ""));
        let mut schema = shape.schema();
        if let Some(schema) = schema.as_object_mut() {
            schema.insert("description".into(), meaning.into());
        }
        ((*key).to_owned(), schema)
    });
    let properties: Map<String, Value> = properties.collect();
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

fn refer(place: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{}", place.replace(' ', "%20")) })
}

fn scalar() -> Value {
    json!({ "type": ["string", "number", "boolean"] })
}

fn or_list(one: &Value) -> Value {
    json!({ "anyOf": [one, { "type": "array", "items": one }] })
}

fn words(words: &[&str]) -> Value {
    json!({ "enum": words })
}

/// A field is one value, a quantity, an amount, or a list of rows.
fn field() -> Value {
    let places = ["field", "quantity", "money", "children"].map(refer);
    json!({ "anyOf": [scalar(), places[0], places[1], places[2], places[3]] })
}

fn code_table() -> Value {
    let nullable = json!({ "type": ["string", "number", "boolean", "null"] });
    let local = json!({ "type": "object", "additionalProperties": { "type": "object", "additionalProperties": nullable } });
    json!({
        "type": "object",
        "additionalProperties": { "anyOf": [nullable, local] },
    })
}

impl Shape {
    fn schema(self) -> Value {
        match self {
            Scalar => scalar(),
            Nullable => json!({ "type": ["string", "number", "boolean", "null"] }),
            Scalars => or_list(&json!({ "type": ["string", "number", "boolean", "null"] })),
            Flag => json!({ "type": "boolean" }),
            Count => json!({ "type": "integer", "minimum": 0 }),
            Words(known) => or_list(&words(known)),
            Expression => json!({ "type": ["string", "boolean"] }),
            Picks => or_list(&json!({ "anyOf": [scalar(), refer("expression")] })),
            Place(place) => refer(place),
            ScalarOr(place) => {
                json!({ "anyOf": [{ "type": ["string", "number", "boolean", "null"] }, refer(place)] })
            }
            List(place) => json!({ "type": "array", "items": refer(place) }),
            Shape::Map(place) => json!({ "type": "object", "additionalProperties": refer(place) }),
            Shape::MapOr(place) => {
                let value = or_list(&json!({ "type": ["string", "number", "boolean", "null"] }));
                let nested = json!({ "type": "object", "additionalProperties": scalar() });
                json!({
                    "type": "object",
                    "additionalProperties": { "anyOf": [value, refer(place), nested] },
                })
            }
            Scalars2 => json!({
                "type": "object",
                "additionalProperties": { "type": ["string", "number", "boolean", "null"] },
            }),
            Codes => refer("codes"),
            Event => json!({ "enum": catalog().names().collect::<Vec<_>>() }),
            Anything => json!({}),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::document::{Content, Document, Node};

    #[test]
    fn every_key_of_the_language_is_described() {
        for (place, keys) in keys::ALL {
            for key in *keys {
                assert!(
                    describe(place, key).is_some(),
                    "say in this file what `{key}` of {place} holds"
                );
            }
        }
    }

    /// A document as an editor's JSON Schema checker sees it.
    fn json(node: &Node) -> Value {
        match &node.content {
            Content::Null => Value::Null,
            Content::Text { text, quoted: true } => text.as_str().into(),
            Content::Text { text, .. } => match text.as_str() {
                "true" => true.into(),
                "false" => false.into(),
                text => text.parse::<i64>().map_or_else(|_| text.into(), Into::into),
            },
            Content::List(values) => values.iter().map(json).collect(),
            Content::Map(entries) => {
                entries.iter().map(|entry| (entry.key.clone(), json(&entry.value))).collect()
            }
        }
    }

    fn files(directory: &Path, into: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(directory).unwrap().filter_map(Result::ok) {
            let path = entry.path();
            if path.is_dir() {
                files(&path, into);
            } else if path.extension().is_some_and(|end| end == "yaml") {
                into.push(path);
            }
        }
    }

    #[test]
    fn every_mapping_and_every_case_of_this_repository_is_valid() {
        let (mapping, cases) = (mapping(), cases());
        let mapping = jsonschema::validator_for(&mapping).unwrap();
        let cases = jsonschema::validator_for(&cases).unwrap();
        let mut paths = Vec::new();
        files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings"), &mut paths);
        assert!(paths.len() > 3);
        for path in paths {
            let text = std::fs::read_to_string(&path).unwrap();
            let document = json(&Document::parse("f", &text).unwrap());
            let is_cases = path.to_string_lossy().ends_with(".cases.yaml");
            let validator = if is_cases { &cases } else { &mapping };
            let errors: Vec<String> = validator
                .iter_errors(&document)
                .map(|error| format!("{}: {error:.300}", error.instance_path()))
                .collect();
            assert!(errors.is_empty(), "{}: {errors:#?}", path.display());
        }
    }

    #[test]
    fn a_misspelt_key_is_not_valid() {
        let schema = mapping();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let wrong = json!({ "mapping": "m", "tables": { "t": { "tabel": "a.b" } } });
        assert!(!validator.is_valid(&wrong));
    }
}
