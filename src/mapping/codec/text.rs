//! Texts: leading zeros, padding and case.

use std::borrow::Cow;

/// A number's text without its leading zeros; the last zero stays. What is not all digits is
/// no number, and is left alone (as SAP's conversion exit ALPHA does).
pub(crate) fn strip_zeros(text: &str) -> &str {
    if text.is_empty() || !text.bytes().all(|c| c.is_ascii_digit()) {
        return text;
    }
    let stripped = text.trim_start_matches('0');
    if stripped.is_empty() { "0" } else { stripped }
}

/// The text with `fill` in front until it has `width` characters; a longer one is left alone. The
/// width is the mapping's, which bounds it.
pub(crate) fn pad<'a>(text: &'a str, width: usize, fill: char, scratch: &'a mut String) -> &'a str {
    let missing = width.saturating_sub(text.chars().count());
    if missing == 0 {
        return text;
    }
    scratch.clear();
    scratch.extend(std::iter::repeat_n(fill, missing));
    scratch.push_str(text);
    scratch
}

/// In capitals, by Unicode's rules and no country's: `ß` becomes `SS`, `i` always `I`.
pub(crate) fn upper(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        let changes = text.bytes().any(|c| c.is_ascii_lowercase());
        return if changes { text.to_ascii_uppercase().into() } else { text.into() };
    }
    if text.chars().all(|c| c.to_uppercase().eq([c])) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.to_uppercase())
}

/// In small letters.
pub(crate) fn lower(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        let changes = text.bytes().any(|c| c.is_ascii_uppercase());
        return if changes { text.to_ascii_lowercase().into() } else { text.into() };
    }
    if text.chars().all(|c| c.to_lowercase().eq([c])) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_lose_leading_zeros() {
        let cases = [
            // SAP: EBELN and MATNR.
            ("000000000000004711", "4711"),
            ("0000", "0"),
            ("4500", "4500"),
            ("00A-4711", "00A-4711"),
            ("00 1", "00 1"),
            ("-007", "-007"),
            ("", ""),
            ("٠٠١", "٠٠١"),
        ];
        for (text, expected) in cases {
            assert_eq!(strip_zeros(text), expected);
        }
    }

    #[test]
    fn texts_are_filled_up_from_the_front() {
        let mut scratch = "old".to_owned();
        assert_eq!(pad("4711", 10, '0', &mut scratch), "0000004711");
        // JD Edwards: a business unit stands right-justified in its twelve characters.
        assert_eq!(pad("M30", 12, ' ', &mut scratch), "         M30");
        assert_eq!(pad("Größe", 6, '·', &mut scratch), "·Größe");
        assert_eq!(pad("4711", 4, '0', &mut scratch), "4711");
        assert_eq!(pad("4711", 2, '0', &mut scratch), "4711");
        assert_eq!(pad("", 2, '0', &mut scratch), "00");
    }

    #[test]
    fn case_is_changed_only_where_there_is_one_to_change() {
        assert_eq!(upper("Straße-1"), "STRASSE-1");
        assert_eq!(lower("ÄPFEL"), "äpfel");
        assert!(matches!(upper("PO-4711 Ж"), Cow::Borrowed(_)));
        assert!(matches!(lower("po-4711 ж"), Cow::Borrowed(_)));
    }

    proptest::proptest! {
        #[test]
        fn letters_are_those_of_the_standard_library(text in "[ -~]{0,20}|.*") {
            proptest::prop_assert_eq!(upper(&text), text.to_uppercase());
            proptest::prop_assert_eq!(lower(&text), text.to_lowercase());
        }

        #[test]
        fn what_is_stripped_pads_back(number: u64, zeros in 0_usize..12) {
            let text = format!("{}{number}", "0".repeat(zeros));
            let mut scratch = String::new();
            let stripped = strip_zeros(&text);
            proptest::prop_assert_eq!(stripped.parse(), Ok(number));
            let padded = pad(stripped, text.len(), '0', &mut scratch);
            proptest::prop_assert_eq!(padded, text.as_str());
        }

        #[test]
        fn case_is_that_of_the_standard_library(text: String) {
            proptest::prop_assert_eq!(upper(&text), text.to_uppercase());
            proptest::prop_assert_eq!(lower(&text), text.to_lowercase());
        }
    }
}
