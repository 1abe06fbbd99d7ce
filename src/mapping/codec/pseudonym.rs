//! Pseudonyms: who it is cannot be read, that it is the same one can.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Half of a SHA-256: enough that two persons never share a pseudonym.
const BYTES: usize = 16;

/// The shortest key: as long as what comes out of the hash, as RFC 2104 asks.
const MIN_KEY: usize = 32;

/// Says what the key is used for here, so that nothing else made with it looks the same. Another
/// way to make pseudonyms needs another label.
const LABEL: &[u8] = b"erpbridge pseudonym 1\0";

/// Makes pseudonyms of texts with a secret key. Without the key nobody can find out which text a
/// pseudonym stands for, not even by trying all names there are.
///
/// The field does not go in: a person has one pseudonym in all fields and events of a source. The
/// domain does, so that sources with one key do not share pseudonyms unless they share a domain.
///
/// Only what HMAC has made of the key is kept, and is overwritten when this is dropped.
#[derive(Clone)]
pub struct Pseudonym {
    keyed: Hmac<Sha256>,
}

impl Pseudonym {
    /// A key of at least 32 bytes, or nothing.
    pub fn new(key: &[u8], domain: &str) -> Option<Self> {
        let key = Some(key).filter(|key| key.len() >= MIN_KEY)?;
        let mut keyed = Hmac::<Sha256>::new_from_slice(key).ok()?;
        keyed.update(LABEL);
        keyed.update(&u64::try_from(domain.len()).ok()?.to_be_bytes());
        keyed.update(domain.as_bytes());
        Some(Self { keyed })
    }

    /// `p_` and 32 hexadecimal digits.
    pub fn of<'a>(&self, text: &str, scratch: &'a mut String) -> &'a str {
        let code = self.keyed.clone().chain_update(text).finalize().into_bytes();
        scratch.clear();
        scratch.push_str("p_");
        let halves = code.iter().take(BYTES).flat_map(|byte| [byte >> 4, byte & 15]);
        scratch.extend(halves.filter_map(|half| char::from_digit(half.into(), 16)));
        scratch
    }
}

impl fmt::Debug for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pseudonym(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn of(key: &[u8], domain: &str, text: &str) -> String {
        Pseudonym::new(key, domain).unwrap().of(text, &mut "old".to_owned()).to_owned()
    }

    #[test]
    fn a_pseudonym_is_the_same_wherever_it_is_made() {
        // From Python's `hmac`: a promise, because consumers keep pseudonyms.
        assert_eq!(of(KEY, "erp1", "Müller"), "p_a0c6c83b9e9709ada4e5c39ed642ef62");
        assert_eq!(of(KEY, "erp1", ""), "p_7cc46f60c4c18f7933ef77917f846095");
        assert_eq!(of(&KEY.repeat(3), "erp1", "Müller"), "p_f3ad192f73d6f43354867ef3c10c861d");
    }

    #[test]
    fn key_domain_and_text_all_count() {
        let same = of(KEY, "erp1", "a");
        assert_eq!(same, of(KEY, "erp1", "a"));
        assert_ne!(same, of(KEY, "erp1", "A"));
        assert_ne!(same, of(KEY, "erp2", "a"));
        assert_ne!(same, of(&KEY.repeat(2), "erp1", "a"));
        assert_ne!(of(KEY, "erp1", "1a"), of(KEY, "erp11", "a"));
    }

    #[test]
    fn a_short_key_is_refused_and_no_key_is_printed() {
        assert!(Pseudonym::new(&[7; 31], "erp1").is_none());
        let pseudonym = Pseudonym::new(KEY, "erp1").unwrap();
        assert_eq!(format!("{pseudonym:?}"), "Pseudonym(***)");
    }

    proptest::proptest! {
        #[test]
        fn every_text_has_one_pseudonym(text: String) {
            let found = of(KEY, "erp1", &text);
            let digits = found.strip_prefix("p_").unwrap();
            proptest::prop_assert_eq!(digits.len(), 32);
            proptest::prop_assert!(digits.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f')));
        }
    }
}
