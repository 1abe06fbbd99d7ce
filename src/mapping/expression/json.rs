//! A value inside of a JSON text. Numbers are given as they are written: no digit is lost on the way.
//!
//! The text is checked as a whole first; what walks it then may take it for JSON. It keeps no
//! stack, so no depth can exhaust one.

use std::borrow::Cow;

use serde::de::IgnoredAny;

/// Why there is no telling.
pub(super) const NOT_JSON: &str = "the text is not JSON";

/// The value at a path of names and places, joined by dots: `lines.0.code`. A text gives itself, a
/// list or an object its JSON; nothing there and `null` give nothing. Of a name that comes twice
/// the last counts.
pub(super) fn at<'t>(text: &'t str, path: &str) -> Result<Option<Cow<'t, str>>, &'static str> {
    serde_json::from_str::<IgnoredAny>(text).map_err(|_| NOT_JSON)?;
    let mut value = text.trim();
    for step in path.split('.') {
        let inner = match value.as_bytes().first() {
            Some(b'{') => member(value, step)?,
            Some(b'[') => step.parse().ok().and_then(|place| Values::of(value).nth(place)),
            _ => None,
        };
        let Some(inner) = inner else { return Ok(None) };
        value = inner;
    }
    match value {
        "null" => Ok(None),
        text if text.starts_with('"') => unquoted(text).map(Some),
        plain => Ok(Some(Cow::Borrowed(plain))),
    }
}

fn member<'t>(object: &'t str, name: &str) -> Result<Option<&'t str>, &'static str> {
    let (mut values, mut found) = (Values::of(object), None);
    while let (Some(key), Some(value)) = (values.next(), values.next()) {
        if unquoted(key)? == name {
            found = Some(value);
        }
    }
    Ok(found)
}

fn unquoted(text: &str) -> Result<Cow<'_, str>, &'static str> {
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    if inner.contains('\\') {
        return serde_json::from_str(text).map(Cow::Owned).map_err(|_| NOT_JSON);
    }
    Ok(Cow::Borrowed(inner))
}

/// The values of a list, or the names and values of an object, one after the other.
struct Values<'t>(&'t str);

impl<'t> Values<'t> {
    fn of(container: &'t str) -> Self {
        Self(container.get(1..container.len().saturating_sub(1)).unwrap_or_default())
    }
}

impl<'t> Iterator for Values<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        let between = |c: char| c.is_ascii_whitespace() || c == ',' || c == ':';
        let rest = self.0.trim_start_matches(between);
        let (value, after) = rest.split_at_checked(end_of(rest.as_bytes()))?;
        self.0 = after;
        Some(value).filter(|value| !value.is_empty())
    }
}

/// Where the value ends that stands at the beginning.
fn end_of(text: &[u8]) -> usize {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.iter().enumerate() {
        if quoted {
            quoted = escaped || *byte != b'"';
            escaped = !escaped && *byte == b'\\';
            if !quoted && depth == 0 {
                return at + 1;
            }
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth <= 1 => return if depth == 1 { at + 1 } else { at },
            b'}' | b']' => depth -= 1,
            b',' | b':' | b' ' | b'\t' | b'\r' | b'\n' if depth == 0 => return at,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_value_is_found_by_names_and_places_and_numbers_keep_their_digits() {
        let text = r#" { "no": 4711, "price": 1.10000000000000000001, "ok": true, "none": null,
            "a b": "x", "lines": [ {"code": "A,1"}, {"code": "B\"]}\u00e4", "tags": ["t", []]} ],
            "twice": 1, "twice": 2, "k\u0065y": "v", "": {"": "empty"} } "#;
        for (path, expected) in [
            ("no", Some("4711")),
            ("price", Some("1.10000000000000000001")),
            ("ok", Some("true")),
            ("a b", Some("x")),
            ("lines.0.code", Some("A,1")),
            ("lines.1.code", Some("B\"]}ä")),
            ("lines.1.tags", Some(r#"["t", []]"#)),
            ("lines.1.tags.0", Some("t")),
            ("lines.1.tags.1", Some("[]")),
            ("lines.1.tags.1.0", None),
            ("twice", Some("2")),
            ("key", Some("v")),
            (".", Some("empty")),
            ("none", None),
            ("nothing", None),
            ("no.thing", None),
            ("lines.2", None),
            ("lines.x", None),
            ("lines.-1", None),
        ] {
            assert_eq!(at(text, path).unwrap().as_deref(), expected, "{path}");
        }
        assert_eq!(at("[1, 2]", "1").unwrap().as_deref(), Some("2"));
        assert_eq!(at("7", "a").unwrap(), None);
    }

    #[test]
    fn what_is_no_json_is_told_and_no_depth_is_too_deep() {
        for text in ["", "{", "{a: 1}", "[1,]", "nul", "\"open", "{\"a\": 1} x"] {
            assert_eq!(at(text, "a"), Err(NOT_JSON), "{text}");
        }
        assert_eq!(at(&"[".repeat(100_000), "0"), Err(NOT_JSON));
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-c\"\\\\,:{}\\[\\] ä\n]{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-c\"\\\\{ ]{0,2}", inner, 0..4)
                    .prop_map(|map| map.into_iter().collect::<Value>()),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_a_parser_finds(
            value in json(),
            path in prop::collection::vec("[a-c\"\\\\{ ]{0,2}|[0-3]", 1..4),
            pretty: bool,
        ) {
            let text = if pretty { format!("{value:#}") } else { value.to_string() };
            let mut expected = Some(&value);
            for step in &path {
                expected = match expected {
                    Some(Value::Object(map)) => map.get(step),
                    Some(Value::Array(list)) => {
                        step.parse::<usize>().ok().and_then(|place| list.get(place))
                    }
                    _ => None,
                };
            }
            let found = at(&text, &path.join(".")).unwrap();
            match expected {
                None | Some(Value::Null) => prop_assert_eq!(found, None),
                Some(Value::String(text)) => prop_assert_eq!(found.as_deref(), Some(text.as_str())),
                Some(other) => {
                    let found: Value = serde_json::from_str(&found.unwrap()).unwrap();
                    prop_assert_eq!(&found, other);
                }
            }
        }

        #[test]
        fn no_text_makes_it_stumble(text in "[\\[\\]{}\",:a\\\\ 0-9]{0,30}|.*", path in ".{0,9}") {
            prop_assert!(at(&text, &path).is_ok() || serde_json::from_str::<Value>(&text).is_err());
            let mut values = Values::of(&text);
            prop_assert!((0..=text.len()).any(|_| values.next().is_none()));
        }
    }
}
