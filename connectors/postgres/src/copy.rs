//! One row of `COPY … TO STDOUT` in text format, taken apart. Pure: bytes in, cells out.
//!
//! The server prints each cell with the type's output function, which is the very function that
//! logical decoding uses; then it escapes what would end a cell or a row. Undoing the escapes
//! therefore gives the text the log would carry.
//! Format: <https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS>

use std::borrow::Cow;

/// Why bytes are not a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    /// The row is not UTF-8: the database stores bytes that its encoding does not vouch for.
    #[error("the row is not valid UTF-8")]
    NotUtf8,
    /// Not as many cells as columns were asked for.
    #[error("the row has {found} cells, not {expected}")]
    Cells {
        /// As many as came.
        found: usize,
        /// As many as were asked for.
        expected: usize,
    },
}

/// The text of one row without its line end.
pub(crate) fn line(data: &[u8]) -> Result<&str, Malformed> {
    let text = std::str::from_utf8(data).map_err(|_| Malformed::NotUtf8)?;
    Ok(text.strip_suffix('\n').unwrap_or(text))
}

/// The cells of a row; `None` is NULL. A cell without escapes borrows from the row.
///
/// A table without columns gives one empty line per row, which is indistinguishable from one
/// empty cell; the caller never asks for such a table.
pub(crate) fn cells(line: &str) -> impl Iterator<Item = Option<Cow<'_, str>>> {
    line.split('\t').map(|cell| match cell {
        "\\N" => None,
        cell if cell.contains('\\') => Some(Cow::Owned(unescape(cell))),
        cell => Some(Cow::Borrowed(cell)),
    })
}

fn unescape(cell: &str) -> String {
    let mut text = String::with_capacity(cell.len());
    let mut characters = cell.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => text.extend(characters.next().map(meaning)),
            plain => text.push(plain),
        }
    }
    text
}

/// What a backslash and this character stand for. The server writes no other forms (the octal
/// and hexadecimal ones are for input only); an unknown character stands for itself.
fn meaning(escaped: char) -> char {
    match escaped {
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        itself => itself,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As the server writes a row (`CopyAttributeOutText`).
    fn encode(cells: &[Option<String>]) -> String {
        let cells = cells.iter().map(|cell| cell.as_deref().map_or("\\N".to_owned(), escape));
        cells.collect::<Vec<_>>().join("\t") + "\n"
    }

    fn escape(text: &str) -> String {
        let mut escaped = String::new();
        for character in text.chars() {
            match character {
                '\\' => escaped.push_str("\\\\"),
                '\u{8}' => escaped.push_str("\\b"),
                '\u{c}' => escaped.push_str("\\f"),
                '\n' => escaped.push_str("\\n"),
                '\r' => escaped.push_str("\\r"),
                '\t' => escaped.push_str("\\t"),
                '\u{b}' => escaped.push_str("\\v"),
                plain => escaped.push(plain),
            }
        }
        escaped
    }

    fn decode(row: &str) -> Vec<Option<String>> {
        cells(line(row.as_bytes()).unwrap()).map(|cell| cell.map(Cow::into_owned)).collect()
    }

    #[test]
    fn null_the_empty_text_and_the_text_of_null_are_three_things() {
        let row = decode("\\N\t\t\\\\N\n");
        assert_eq!(row, [None, Some(String::new()), Some("\\N".to_owned())]);
    }

    #[test]
    fn a_cell_without_escapes_is_not_copied() {
        let mut cells = cells("plain\tti\\tmes");
        assert!(matches!(cells.next(), Some(Some(Cow::Borrowed("plain")))));
        assert!(matches!(cells.next(), Some(Some(Cow::Owned(text))) if text == "ti\tmes"));
    }

    #[test]
    fn bytes_that_are_not_utf8_are_refused() {
        assert_eq!(line(b"M\xfcller\n"), Err(Malformed::NotUtf8));
    }

    #[test]
    fn a_backslash_at_the_very_end_is_survived() {
        assert_eq!(decode("a\\\n"), [Some("a".to_owned())]);
    }

    proptest! {
        #[test]
        fn what_was_encoded_decodes_to_itself(
            row in prop::collection::vec(
                prop::option::of("(\\PC|[\\x00-\\x1f\\\\]|\\\\N){0,12}"), 1..8)
        ) {
            prop_assert_eq!(decode(&encode(&row)), row);
        }

        #[test]
        fn no_bytes_make_it_panic(data in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(text) = line(&data) {
                prop_assert!(cells(text).count() >= 1);
            }
        }
    }
}
