//! Sets of short codes, put together when the bridge is compiled: one bit for every text of up to
//! three capitals and digits. Whether a code is in the set is one look, also per cell.

/// Capitals, digits, and nothing: the place a shorter code leaves.
const SYMBOLS: usize = 37;
const WORDS: usize = (SYMBOLS * SYMBOLS * SYMBOLS).div_ceil(64);

/// A set of codes.
pub(super) struct CodeSet([u64; WORDS]);

impl CodeSet {
    /// The codes in a text, separated by spaces and line ends. What is no code does not compile.
    #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which checks it")]
    pub(super) const fn of(text: &str) -> Self {
        let (text, mut words) = (text.as_bytes(), [0; WORDS]);
        let (mut at, mut start) = (0, 0);
        while at <= text.len() {
            if at == text.len() || matches!(text[at], b' ' | b'\n') {
                if at > start {
                    let code = text.split_at(start).1.split_at(at - start).0;
                    let place = place(code).expect("a code has up to three capitals and digits");
                    words[place / 64] |= 1 << (place % 64);
                }
                start = at + 1;
            }
            at += 1;
        }
        Self(words)
    }

    /// Whether the text is one of the codes.
    pub(super) fn holds(&self, text: &str) -> bool {
        let place = place(text.as_bytes());
        place.is_some_and(|p| self.0.get(p / 64).is_some_and(|word| word >> (p % 64) & 1 == 1))
    }
}

/// The bit of a code: its symbols read as a number.
const fn place(code: &[u8]) -> Option<usize> {
    if code.is_empty() || code.len() > 3 {
        return None;
    }
    let (mut rest, mut place, mut left) = (code, 0, 3);
    while left > 0 {
        let symbol = match rest.split_first() {
            Some((symbol @ b'0'..=b'9', tail)) => {
                rest = tail;
                *symbol - b'0' + 1
            }
            Some((symbol @ b'A'..=b'Z', tail)) => {
                rest = tail;
                *symbol - b'A' + 11
            }
            Some(_) => return None,
            None => 0,
        };
        place = place * SYMBOLS + symbol as usize;
        left -= 1;
    }
    Some(place)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    static SOME: CodeSet = CodeSet::of("EUR\nC62 1I X1 0\n\n  ZZZ");

    #[test]
    fn a_set_holds_its_codes_and_nothing_near_them() {
        for code in ["EUR", "C62", "1I", "X1", "0", "ZZZ"] {
            assert!(SOME.holds(code), "{code}");
        }
        for text in ["", " ", "EU", "EURO", "eur", "1", "I", "00", "X1 ", "C6", "ZZ", "É"] {
            assert!(!SOME.holds(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_two_codes_share_a_place(one in "[0-9A-Z]{1,3}", other in "[0-9A-Z]{1,3}") {
            prop_assert_eq!(place(one.as_bytes()) == place(other.as_bytes()), one == other);
        }
    }
}
