//! Subjects: where an event, a dead letter or a claim is published.
//!
//! ```text
//! erp.<source>.<company>.<plant>.<family>.<entity>.<event>
//! erpbridge.<source>.deadletter.<table>.<id>
//! erpbridge.<source>.control
//! ```
//!
//! A token comes from data, and data may hold anything. [`token`] makes it readable and legal;
//! two texts may give the same token, which is why a mapping has an alias table for companies and
//! plants. [`id_token`] is for ids, where two must never share a subject: it is injective.

use std::borrow::Cow;

/// The token of a plant that is not known.
pub const UNKNOWN: &str = "_";

/// A readable subject token: trimmed and lower-case; letters, digits, `-`, `_` and `=` stay, a run
/// of other ASCII becomes one `_` (none at either end), anything else its UTF-8 bytes as `=xx`.
/// Blank text gives [`UNKNOWN`]. A token is its own token.
pub fn token(raw: &str) -> Cow<'_, str> {
    if is_token(raw) { Cow::Borrowed(raw) } else { Cow::Owned(slug(raw)) }
}

/// Whether the text can stand in a subject as it is.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_plain)
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'=')
}

fn slug(raw: &str) -> String {
    let mut slug = String::with_capacity(raw.len());
    let mut gap = false;
    for character in raw.trim().chars().flat_map(char::to_lowercase) {
        if character.is_ascii() && !u8::try_from(character).is_ok_and(is_plain) {
            gap = true;
            continue;
        }
        if std::mem::take(&mut gap) && !slug.is_empty() {
            slug.push('_');
        }
        push_character(&mut slug, character);
    }
    if slug.is_empty() { UNKNOWN.to_owned() } else { slug }
}

fn push_character(slug: &mut String, character: char) {
    if character.is_ascii() {
        return slug.push(character);
    }
    let mut bytes = [0; 4];
    for byte in character.encode_utf8(&mut bytes).bytes() {
        push_hex(slug, byte);
    }
}

fn push_hex(text: &mut String, byte: u8) {
    text.push('=');
    for digit in [byte >> 4, byte & 0x0f] {
        text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
    }
}

/// A subject token no other id has: ASCII letters, digits, `-` and `_` stay, every other byte,
/// `=` among them, becomes `=xx`.
pub fn id_token(id: &str) -> String {
    let mut token = String::with_capacity(id.len() + 8);
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
            token.push(char::from(byte));
        } else {
            push_hex(&mut token, byte);
        }
    }
    if token.is_empty() { "=".to_owned() } else { token }
}

/// All events of a source, as a subscription.
pub fn events_of(source: &str) -> String {
    format!("erp.{}.>", token(source))
}

/// Where the writer of a source claims its stream.
pub fn control(source: &str) -> String {
    format!("erpbridge.{}.control", token(source))
}

/// Where one dead letter lies: a subject of its own, so that the server can refuse a second one.
pub fn dead_letter(source: &str, table: &str, id: &str) -> String {
    format!("erpbridge.{}.deadletter.{}.{}", token(source), token(table), id_token(id))
}

/// All dead letters of a source, as a subscription.
pub fn dead_letters_of(source: &str) -> String {
    format!("erpbridge.{}.deadletter.>", token(source))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn company_names_become_readable_tokens() {
        assert_eq!(token("CRONUS International Ltd."), "cronus_international_ltd");
        assert_eq!(token("         M30"), "m30");
        assert_eq!(token("0_Main.Site > 1"), "0_main_site_1");
        assert_eq!(token("Zürich"), "z=c3=bcrich");
        assert_eq!(token("  "), UNKNOWN);
        assert!(matches!(token("m30"), Cow::Borrowed("m30")));
    }

    #[test]
    fn dead_letters_of_two_ids_never_share_a_subject() {
        assert_eq!(
            dead_letter("erp1", "public.purchase_line", "erp1:0A:7:line-added"),
            "erpbridge.erp1.deadletter.public_purchase_line.erp1=3a0A=3a7=3aline-added"
        );
        assert_ne!(id_token("a=3a"), id_token("a:"));
        assert_eq!(control("erp1"), "erpbridge.erp1.control");
    }

    fn is_legal(token: &str) -> bool {
        let illegal = |c: char| c.is_control() || c.is_whitespace() || ".*>".contains(c);
        !token.is_empty() && token.is_ascii() && !token.chars().any(illegal)
    }

    proptest! {
        #[test]
        fn any_text_gives_a_legal_token_that_is_its_own_token(text in any::<String>()) {
            let once = token(&text).into_owned();
            prop_assert!(is_legal(&once), "{once:?}");
            prop_assert_eq!(token(&once), once.as_str());
        }

        #[test]
        fn ids_give_legal_tokens_and_differ_when_the_ids_differ(
            one in any::<String>(),
            other in any::<String>(),
        ) {
            prop_assert!(is_legal(&id_token(&one)));
            prop_assert_eq!(id_token(&one) == id_token(&other), one == other);
        }

        #[test]
        fn ids_of_few_characters_differ_too(one in "[a=3:]{0,4}", other in "[a=3:]{0,4}") {
            prop_assert_eq!(id_token(&one) == id_token(&other), one == other);
        }
    }
}
