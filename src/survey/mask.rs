//! Rows as they may be shown to others: no name, address or note, and still the same case.
//!
//! Letters become other letters and digits other digits, of the same kind and as many. The same
//! text always becomes the same, in whichever column it stands, so that rows still find each other:
//! leading zeros, blanks, capitals and separators stay, because keys are compared after they are
//! stripped, cut at separators and made alike. What the mapping names itself stays as well, and so
//! do numbers of one or two digits, which count lines and name nobody. Every
//! number is multiplied by the same whole factor, so that sums and comparisons stay true.
//!
//! This keeps what a person would read out of a case that is sent to somebody else. It does not
//! withstand someone who knows some of the numbers and wants the others.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use erpbridge_connector::{Column, ColumnKind};

use crate::mapping::Use;

/// A code has no more characters, and no blanks within.
const LONGEST_CODE: usize = 12;
/// So often another text is tried before an equal one must do.
const TRIES: u64 = 200;

/// How the cells of a column are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shown {
    /// As they are, if they are short.
    Code,
    /// As they are.
    Moment,
    /// Times the factor.
    Number,
    /// In other letters and digits.
    Text,
}

impl Shown {
    /// By its kind, and by what the mapping reads it for.
    pub(super) fn of(column: &Column, uses: &BTreeSet<Use>) -> Self {
        let number = matches!(
            column.kind,
            ColumnKind::Integer | ColumnKind::Decimal | ColumnKind::Float32 | ColumnKind::Float64
        );
        match column.kind {
            _ if uses.contains(&Use::Code) => Self::Code,
            // A text that an expression names stays by itself.
            _ if number && uses.contains(&Use::Compared) => Self::Code,
            ColumnKind::Bool => Self::Code,
            _ if is_moment(column) || uses.contains(&Use::Day) => Self::Moment,
            _ if uses.contains(&Use::Key) => Self::Text,
            _ if number || uses.contains(&Use::Number) => Self::Number,
            _ => Self::Text,
        }
    }
}

/// What hides the cells of one recording.
pub(super) struct Mask {
    /// Neither the same in two recordings nor known to who reads one.
    secret: RandomState,
    factor: u64,
    words: HashMap<String, String>,
    given: HashSet<String>,
}

impl Mask {
    /// One that leaves the texts alone that the mapping names.
    pub(super) fn new(named: &BTreeSet<String>) -> Self {
        let secret = RandomState::new();
        let factor = secret.hash_one("factor") % 8 + 2;
        let mut mask = Self { secret, factor, words: HashMap::new(), given: HashSet::new() };
        for text in named {
            for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
                let core = core(word).1.to_lowercase();
                mask.given.insert(core.clone());
                mask.words.insert(core.clone(), core);
            }
        }
        mask
    }

    /// The cell as it is shown.
    pub(super) fn cell(&mut self, column: &Column, shown: Shown, text: &str) -> String {
        let code = || text.trim().chars().count() <= LONGEST_CODE && !text.trim().contains(' ');
        match shown {
            Shown::Moment if is_moment(column) || !has_words(text) => text.to_owned(),
            Shown::Code if code() => text.to_owned(),
            Shown::Number => multiplied(text, self.factor).unwrap_or_else(|| self.text(text)),
            _ if matches!(column.kind, ColumnKind::Uuid | ColumnKind::Bytes) => self.hex(text),
            Shown::Code | Shown::Moment | Shown::Text => self.text(text),
        }
    }

    /// Word by word; what stands between words stays.
    fn text(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find(char::is_alphanumeric) {
            let (between, from) = rest.split_at(start);
            let end = from.find(|c: char| !c.is_alphanumeric()).unwrap_or(from.len());
            let (word, after) = from.split_at(end);
            out.push_str(between);
            out.push_str(&self.word(word));
            rest = after;
        }
        out + rest
    }

    fn word(&mut self, word: &str) -> String {
        let (zeros, core) = core(word);
        let counts = core.len() <= 2 && core.bytes().all(|byte| byte.is_ascii_digit());
        if core.is_empty() || counts {
            return word.to_owned();
        }
        let known = core.to_lowercase();
        let shown = self.words.get(&known).cloned().unwrap_or_else(|| self.invent(&known));
        let cased = core
            .chars()
            .zip(shown.chars())
            .map(|(was, is)| if was.is_uppercase() { is.to_ascii_uppercase() } else { is });
        zeros.chars().chain(cased).collect()
    }

    /// Another word of the same classes that no other word has become.
    fn invent(&mut self, word: &str) -> String {
        let mut shown = String::new();
        for attempt in 0..TRIES {
            shown = self.attempt(word, attempt);
            // Of nine digits the last one may have to stay what it is.
            let moved = shown != word || attempt > TRIES / 2;
            if moved && !self.given.contains(&shown) {
                break;
            }
        }
        self.given.insert(shown.clone());
        self.words.insert(word.to_owned(), shown.clone());
        shown
    }

    fn attempt(&self, word: &str, attempt: u64) -> String {
        let letter = |(place, was): (usize, char)| {
            let random = self.secret.hash_one((word, place, attempt));
            // A number does not begin with a zero that it did not have.
            let (first, many) = match was {
                _ if !was.is_numeric() => (b'a', 26),
                _ if place == 0 => (b'1', 9),
                _ => (b'0', 10),
            };
            char::from(first + u8::try_from(random % many).unwrap_or_default())
        };
        word.chars().enumerate().map(letter).collect()
    }

    /// Digits of base sixteen stay such.
    fn hex(&self, text: &str) -> String {
        let letter = |(place, was): (usize, char)| {
            let random = self.secret.hash_one((text, place)) % 16;
            let digit = char::from_digit(u32::try_from(random).unwrap_or_default(), 16);
            if was.is_ascii_hexdigit() { digit.unwrap_or('0') } else { was }
        };
        // What says that digits follow is none of them.
        let (head, digits) = text.split_at(if text.starts_with("\\x") { 2 } else { 0 });
        head.chars().chain(digits.chars().enumerate().map(letter)).collect()
    }
}

const fn is_moment(column: &Column) -> bool {
    matches!(
        column.kind,
        ColumnKind::Date
            | ColumnKind::Time
            | ColumnKind::LocalTimestamp
            | ColumnKind::Instant
            | ColumnKind::Interval
    )
}

/// A column of days as texts may hold a note instead.
fn has_words(text: &str) -> bool {
    text.chars().any(|c| c.is_alphabetic() && !matches!(c, 'T' | 'Z'))
}

/// Leading zeros of a number, and what follows them.
fn core(word: &str) -> (&str, &str) {
    if !word.bytes().all(|byte| byte.is_ascii_digit()) {
        return ("", word);
    }
    word.split_at(word.len() - word.trim_start_matches('0').len())
}

/// The number times a whole one, with as many decimals. `None` if it is none.
fn multiplied(text: &str, factor: u64) -> Option<String> {
    let trimmed = text.trim();
    let unsigned = trimmed.strip_prefix('-').unwrap_or(trimmed);
    let (whole, places) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits: String = [whole, places].concat();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (mut out, mut carry) = (Vec::new(), 0);
    for digit in digits.bytes().rev() {
        let product = u64::from(digit - b'0') * factor + carry;
        out.push(b'0' + u8::try_from(product % 10).unwrap_or_default());
        carry = product / 10;
    }
    if carry > 0 {
        out.push(b'0' + u8::try_from(carry).unwrap_or_default());
    }
    out.reverse();
    let mut number = String::from_utf8(out).ok()?;
    if unsigned.contains('.') {
        number.insert(number.len() - places.len(), '.');
    }
    Some(if trimmed.starts_with('-') { format!("-{number}") } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(kind: ColumnKind) -> Column {
        Column { name: "c".to_owned(), kind, type_name: String::new(), missing_in_log: false }
    }

    #[test]
    fn numbers_are_multiplied_and_keep_their_decimals() {
        for (text, expected) in [
            ("12.50", "37.50"),
            ("-0.05", "-0.15"),
            ("0", "0"),
            ("999", "2997"),
            ("40.", "120."),
            ("12345678901234567890123456789.1", "37037036703703703670370370367.3"),
        ] {
            assert_eq!(multiplied(text, 3).as_deref(), Some(expected), "{text}");
        }
        for text in ["", "NaN", "1e5", "A1", "-"] {
            assert_eq!(multiplied(text, 3), None, "{text}");
        }
    }

    #[test]
    fn a_text_becomes_another_of_the_same_form_and_always_the_same_one() {
        let mut mask = Mask::new(&BTreeSet::new());
        let text = column(ColumnKind::Text);
        let masked = mask.cell(&text, Shown::Text, "Mrs Nightingale, 120 Harbour Lane");
        let form = |text: &str| -> String {
            let class = |c: char| match c {
                _ if c.is_uppercase() => 'A',
                _ if c.is_alphabetic() => 'a',
                _ if c.is_numeric() => '1',
                other => other,
            };
            text.chars().map(class).collect()
        };
        assert_eq!(form(&masked), "Aaa Aaaaaaaaaaa, 111 Aaaaaaa Aaaa");
        for word in ["Mrs", "Nightingale", "120", "Harbour", "Lane"] {
            assert!(!masked.contains(word), "{masked}");
        }
        let lane = mask.cell(&text, Shown::Text, "LANE");
        assert_eq!(lane.to_lowercase(), masked.rsplit(' ').next().unwrap().to_lowercase());
    }

    #[test]
    fn keys_meet_after_zeros_and_blanks_and_stay_apart() {
        let mut mask = Mask::new(&BTreeSet::from(["request,".to_owned()]));
        let (text, number) = (column(ColumnKind::Text), column(ColumnKind::Integer));
        let key = mask.cell(&number, Shown::Text, "4711");
        assert_eq!(mask.cell(&text, Shown::Text, "00004711 "), format!("0000{key} "));
        assert_eq!(mask.cell(&text, Shown::Text, "request,4711"), format!("request,{key}"));
        let keys: HashSet<String> =
            (1..=499).map(|key| mask.cell(&number, Shown::Text, &key.to_string())).collect();
        assert_eq!(keys.len(), 499);
        assert!(keys.contains("7"), "lines are counted as they were");
    }

    #[test]
    fn a_code_is_kept_and_a_text_in_its_place_is_not() {
        let mut mask = Mask::new(&BTreeSet::new());
        let text = column(ColumnKind::Text);
        assert_eq!(mask.cell(&text, Shown::Code, "280"), "280");
        assert_ne!(mask.cell(&text, Shown::Code, "call Ada"), "call Ada");
        assert_eq!(mask.cell(&text, Shown::Moment, "2026-01-15T10:00:00Z"), "2026-01-15T10:00:00Z");
        assert_ne!(mask.cell(&text, Shown::Moment, "ask Ada"), "ask Ada");
        let uuid = "00000000-1111-2222-3333-444444444444";
        let masked = mask.cell(&column(ColumnKind::Uuid), Shown::Text, uuid);
        assert!(masked != uuid && masked.len() == 36 && masked.matches('-').count() == 4);
    }
}
