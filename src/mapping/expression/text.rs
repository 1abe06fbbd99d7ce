//! Functions of text. Characters are Unicode's; what is only a part of a text stays borrowed.

use std::borrow::Cow;

use super::MAX_TEXT;

/// Why a text was not made.
pub(super) const TOO_LONG: &str = "the text it makes is longer than 1 MiB";

type Made<'v> = Result<Cow<'v, str>, &'static str>;

/// A part of a text.
pub(super) fn part(text: Cow<'_, str>, pick: impl Fn(&str) -> &str) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(pick(text)),
        Cow::Owned(text) => Cow::Owned(pick(&text).to_owned()),
    }
}

/// `length` characters from the one at `start`, as far as there are any.
pub(super) fn slice(text: &str, start: usize, length: Option<usize>) -> &str {
    let rest = skip(text, start);
    match length {
        None => rest,
        Some(length) => rest.strip_suffix(skip(rest, length)).unwrap_or_default(),
    }
}

fn skip(text: &str, characters: usize) -> &str {
    text.char_indices().nth(characters).map_or("", |(at, _)| text.get(at..).unwrap_or_default())
}

/// Without leading zeros. The last of zeros only stays: it is a number, not nothing.
pub(super) fn without_zeros(text: &str) -> &str {
    match text.trim_start_matches('0') {
        "" => skip(text, text.len().saturating_sub(1)),
        rest => rest,
    }
}

pub(super) fn upper(text: Cow<'_, str>) -> Made<'_> {
    let done = text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_lowercase());
    recased(text, done, str::to_uppercase)
}

pub(super) fn lower(text: Cow<'_, str>) -> Made<'_> {
    let done = text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
    recased(text, done, str::to_lowercase)
}

fn recased(text: Cow<'_, str>, done: bool, recase: fn(&str) -> String) -> Made<'_> {
    if done {
        return Ok(text);
    }
    // One character becomes at most three.
    if text.len() > MAX_TEXT {
        return Err(TOO_LONG);
    }
    Some(recase(&text)).filter(|made| made.len() <= MAX_TEXT).map(Cow::Owned).ok_or(TOO_LONG)
}

/// Every `from`, which is not empty, becomes `to`.
pub(super) fn replace<'v>(text: Cow<'v, str>, from: &str, to: &str) -> Made<'v> {
    let found = text.matches(from).count();
    if found == 0 {
        return Ok(text);
    }
    let length = (text.len() - found * from.len()).checked_add(found.saturating_mul(to.len()));
    if length.is_none_or(|length| length > MAX_TEXT) {
        return Err(TOO_LONG);
    }
    Ok(Cow::Owned(text.replace(from, to)))
}

/// Filled up to `size` characters; `fill`, which is not empty, is repeated and cut to fit.
pub(super) fn pad<'v>(text: Cow<'v, str>, size: usize, fill: &str, left: bool) -> Made<'v> {
    let missing = size.saturating_sub(text.chars().count());
    if missing == 0 {
        return Ok(text);
    }
    // A character has at most four bytes; `size` itself is bounded.
    let widest = fill.chars().map(char::len_utf8).max().unwrap_or(1);
    if missing.saturating_mul(widest).saturating_add(text.len()) > MAX_TEXT {
        return Err(TOO_LONG);
    }
    let filling = fill.chars().cycle().take(missing);
    let mut made = String::with_capacity(text.len() + missing * widest);
    if left {
        made.extend(filling);
        made.push_str(&text);
    } else {
        made.push_str(&text);
        made.extend(filling);
    }
    Ok(Cow::Owned(made))
}

/// One text after the other, with an end.
#[derive(Default)]
pub(super) struct Joined(String);

impl Joined {
    pub(super) fn push(&mut self, text: &str) -> Result<(), &'static str> {
        if self.0.len().saturating_add(text.len()) > MAX_TEXT {
            return Err(TOO_LONG);
        }
        self.0.push_str(text);
        Ok(())
    }

    /// One more part of a key: a `/` stands between the parts, those within are written `%2F`.
    pub(super) fn push_part(&mut self, part: &str) -> Result<(), &'static str> {
        for piece in part.split_inclusive(['/', '%']) {
            let plain = piece.trim_end_matches(['/', '%']);
            self.push(plain)?;
            match piece.strip_prefix(plain) {
                Some("/") => self.push("%2F")?,
                Some("%") => self.push("%25")?,
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn done<'v>(self) -> Cow<'v, str> {
        Cow::Owned(self.0)
    }
}
