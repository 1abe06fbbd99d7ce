//! Writing JSON straight into a buffer: no value trees, no allocation per field.

use std::io::Write as _;

/// Appends `text` as a JSON string. Text is UTF-8 already, so only the quote, the backslash and
/// control characters need escaping; everything between them is copied in one piece.
pub(super) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = first_special(rest) {
        let (plain, tail) = rest.split_at(at);
        out.extend_from_slice(plain);
        if let Some((special, after)) = tail.split_first() {
            escape(out, *special);
            rest = after;
        }
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Where the first byte is that needs escaping. Most texts hold none, so whole words are looked
/// at first, eight bytes by one operation.
fn first_special(bytes: &[u8]) -> Option<usize> {
    let (words, _) = bytes.as_chunks::<8>();
    let plain = words.iter().take_while(|word| is_plain(u64::from_le_bytes(**word))).count() * 8;
    let rest = bytes.get(plain..).unwrap_or_default();
    rest.iter().position(|byte| must_escape(*byte)).map(|at| plain + at)
}

/// Whether none of the eight bytes needs escaping. Subtracting `n` from a byte borrows from its
/// highest bit exactly if the byte is below `n`; what is below is asked of the bytes themselves,
/// and of their difference from the quote and the backslash.
fn is_plain(word: u64) -> bool {
    const ONES: u64 = u64::from_le_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    const QUOTES: u64 = u64::from_le_bytes([b'"'; 8]);
    const BACKSLASHES: u64 = u64::from_le_bytes([b'\\'; 8]);
    let below = |bytes: u64, n: u64| bytes.wrapping_sub(ONES * n) & !bytes;
    (below(word, 0x20) | below(word ^ QUOTES, 1) | below(word ^ BACKSLASHES, 1)) & HIGH == 0
}

fn must_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn escape(out: &mut Vec<u8>, byte: u8) {
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        control => write!(out, "\\u{control:04x}").expect("writing to memory does not fail"),
    }
}

/// Appends a string, or `null`.
pub(super) fn optional(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        Some(text) => string(out, text),
        None => out.extend_from_slice(b"null"),
    }
}

/// Appends a whole number.
pub(super) fn integer(out: &mut Vec<u8>, value: i64) {
    write!(out, "{value}").expect("writing to memory does not fail");
}

/// An object being written. Nested objects are written through [`Object::member`] and an object
/// of their own; [`Object::end`] closes it.
pub(super) struct Object<'o> {
    out: &'o mut Vec<u8>,
    empty: bool,
}

impl<'o> Object<'o> {
    /// Opens an object.
    pub(super) fn begin(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    /// Writes a member's name, one of the contract: plain ASCII that needs no escaping. Its value
    /// is whatever is appended to the buffer next.
    pub(super) fn member(&mut self, name: &str) -> &mut Vec<u8> {
        debug_assert!(name.is_ascii() && !name.bytes().any(must_escape), "{name:?}");
        let open: &[u8] = if std::mem::take(&mut self.empty) { b"\"" } else { b",\"" };
        self.out.extend_from_slice(open);
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    /// Writes a member whose name comes from outside: any text.
    pub(super) fn foreign(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        if !std::mem::take(&mut self.empty) {
            self.out.push(b',');
        }
        string(self.out, name);
        self.out.push(b':');
        optional(self.out, value);
        self
    }

    /// Writes a member that is a string.
    pub(super) fn text(&mut self, name: &str, value: &str) -> &mut Self {
        string(self.member(name), value);
        self
    }

    /// Writes a member that is a string or null.
    pub(super) fn optional(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        optional(self.member(name), value);
        self
    }

    /// What lies in the buffer from `start` on, this object's open part at its end.
    pub(super) fn written_since(&self, start: usize) -> &[u8] {
        self.out.get(start..).unwrap_or_default()
    }

    /// Closes the object.
    pub(super) fn end(self) {
        self.out.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_word_is_plain_if_none_of_its_bytes_needs_escaping(
            bytes in prop::array::uniform8(prop_oneof![any::<u8>(), 0x1e..0x24_u8, 0x5a..0x5f_u8]),
        ) {
            let plain = !bytes.iter().any(|byte| must_escape(*byte));
            prop_assert_eq!(is_plain(u64::from_le_bytes(bytes)), plain);
        }

        #[test]
        fn any_text_reads_back_as_it_was(text in any::<String>()) {
            let mut out = Vec::new();
            string(&mut out, &text);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }

        #[test]
        fn text_made_of_special_characters_reads_back(text in "[\\x00-\\x1f\"\\\\\\x7f\u{2028}é]*") {
            let mut out = Vec::new();
            string(&mut out, &text);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }

    #[test]
    fn an_object_separates_its_members_and_may_be_empty() {
        let mut out = Vec::new();
        let mut object = Object::begin(&mut out);
        object.text("a", "1").optional("b", None);
        Object::begin(object.member("c")).end();
        object.foreign("\"d", Some("2"));
        object.end();
        assert_eq!(String::from_utf8(out).unwrap(), r#"{"a":"1","b":null,"c":{},"\"d":"2"}"#);
    }
}
