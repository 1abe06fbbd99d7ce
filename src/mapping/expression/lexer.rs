//! From the text of an expression to its words.
//!
//! Literals, names and signs are CEL's. Two things of CEL are left out because they would say
//! something else here than a reader expects: numbers are always decimal (no `0x10`, no `1u`), and
//! there are no comments and no triple quotes. A name that is no identifier, such as NAV's
//! `Document Type`, stands between backquotes.

use super::decimal::Decimal;

/// A word and where it begins, in characters from the start of the expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) at: usize,
    pub(super) word: Word,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Word {
    /// A name as it is.
    Name(Box<str>),
    /// A name between backquotes: never a word of the language.
    Quoted(Box<str>),
    Number(Decimal),
    Text(Box<str>),
    Sign(&'static str),
    /// The end of the expression.
    End,
}

/// Why an expression cannot be read, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) problem: String,
    pub(super) mend: String,
}

impl Fault {
    pub(super) fn new(at: usize, problem: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { at, problem: problem.into(), mend: mend.into() }
    }
}

/// The signs; of two that begin alike the longer one comes first.
const SIGNS: [&str; 22] = [
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "!", "+", "-", "*", "/", "%", "?", ":", ",", ".",
    "(", ")", "[", "]",
];

/// Signs of other languages and what is written here instead.
const FOREIGN: [(&str, &str); 8] = [
    ("<>", "`!=`"),
    ("=~", "`matches(text, \"pattern\")`"),
    ("=", "`==`"),
    ("&", "`&&`"),
    ("|", "`||`"),
    ("~", "`+` or `concat(...)`"),
    ("{", "a list: `[\"a\", \"b\"]`"),
    ("\u{201c}", "straight quotes: `\"`"),
];

/// All words, the end included.
pub(super) fn words(text: &str) -> Result<Vec<Token>, Fault> {
    let mut lexer = Lexer { rest: text, at: 0 };
    let mut words = Vec::new();
    loop {
        lexer.skip(char::is_whitespace);
        let at = lexer.at;
        let word = lexer.word()?;
        let done = word == Word::End;
        words.push(Token { at, word });
        if done {
            return Ok(words);
        }
    }
}

struct Lexer<'t> {
    rest: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    fn word(&mut self) -> Result<Word, Fault> {
        let Some(first) = self.rest.chars().next() else { return Ok(Word::End) };
        let raw = self.rest.starts_with("r\"") || self.rest.starts_with("r'");
        match first {
            '"' | '\'' => self.text(false),
            _ if raw => self.text(true),
            '`' => self.quoted_name(),
            '0'..='9' => self.number(),
            _ if first == '_' || first.is_alphabetic() => Ok(Word::Name(self.name().into())),
            _ => self.sign(first),
        }
    }

    fn name(&mut self) -> &'t str {
        self.skip(|c| c == '_' || c.is_alphanumeric())
    }

    fn quoted_name(&mut self) -> Result<Word, Fault> {
        let at = self.at;
        self.advance();
        let name = self.skip(|c| c != '`');
        if name.is_empty() || self.advance().is_none() {
            let problem = "a name between backquotes is empty or has no end";
            return Err(Fault::new(at, problem, "write it as `` `Document Type` ``"));
        }
        Ok(Word::Quoted(name.into()))
    }

    /// `digits[.digits][e[+-]digits]`; a point without a digit after it belongs to a path.
    fn number(&mut self) -> Result<Word, Fault> {
        let (at, start) = (self.at, self.rest);
        self.skip(|c| c.is_ascii_digit());
        let mut ahead = self.rest.chars();
        if ahead.next() == Some('.') && ahead.next().is_some_and(|c| c.is_ascii_digit()) {
            self.advance();
            self.skip(|c| c.is_ascii_digit());
        }
        if self.rest.starts_with(['e', 'E']) {
            self.advance();
            if self.rest.starts_with(['+', '-']) {
                self.advance();
            }
            self.skip(|c| c.is_ascii_digit());
        }
        let tail = self.name();
        let length = start.len() - self.rest.len();
        let number = start.get(..length).filter(|_| tail.is_empty()).and_then(Decimal::parse);
        number.map(Word::Number).ok_or_else(|| {
            let problem = "this is not a number of at most 76 digits";
            Fault::new(at, problem, "write it as `12` or `12.5`, without units or suffixes")
        })
    }

    fn sign(&mut self, first: char) -> Result<Word, Fault> {
        let at = self.at;
        let starts = |sign: &&str| self.rest.starts_with(*sign);
        let foreign = FOREIGN.iter().find(|(sign, _)| starts(sign));
        let known = SIGNS.iter().copied().find(|sign| starts(sign));
        if let Some((sign, instead)) = foreign
            && known.is_none_or(|known| known.len() < sign.len())
        {
            let problem = format!("`{sign}` is not a sign of expressions");
            return Err(Fault::new(at, problem, format!("write {instead}")));
        }
        let Some(sign) = known else {
            let problem = format!("`{}` is not a sign of expressions", first.escape_debug());
            return Err(Fault::new(at, problem, "write a name with such signs as `` `name` ``"));
        };
        for _ in sign.chars() {
            self.advance();
        }
        Ok(Word::Sign(sign))
    }

    /// A text in quotes; `raw` texts begin with `r` and know no escapes.
    fn text(&mut self, raw: bool) -> Result<Word, Fault> {
        let at = self.at;
        if raw {
            self.advance();
        }
        let quote = self.advance();
        let mut text = String::new();
        loop {
            let place = self.at;
            match self.advance() {
                None | Some('\n' | '\r') => {
                    let mend = "close it with the quote it began with";
                    return Err(Fault::new(at, "this text has no end on its line", mend));
                }
                end if end == quote => return Ok(Word::Text(text.into())),
                Some('\\') if !raw => text.push(self.escape(place)?),
                Some(other) => text.push(other),
            }
        }
    }

    /// What stands after a backslash.
    fn escape(&mut self, at: usize) -> Result<char, Fault> {
        let escaped = match self.advance() {
            Some('n') => Some('\n'),
            Some('r') => Some('\r'),
            Some('t') => Some('\t'),
            Some('a') => Some('\u{07}'),
            Some('b') => Some('\u{08}'),
            Some('f') => Some('\u{0c}'),
            Some('v') => Some('\u{0b}'),
            Some('x' | 'X') => self.code_point(2, 16),
            Some('u') => self.code_point(4, 16),
            Some('U') => self.code_point(8, 16),
            Some(first @ '0'..='3') => {
                let rest = self.code_point(2, 8).map(u32::from);
                rest.and_then(|rest| char::from_u32(first.to_digit(8)? * 64 + rest))
            }
            plain => plain.filter(|c| matches!(c, '\\' | '"' | '\'' | '`' | '?')),
        };
        escaped.ok_or_else(|| {
            let mend = "write `\\\\` for a backslash, or `r\"...\"` for a text without escapes";
            Fault::new(at, "this escape is not known", mend)
        })
    }

    /// Exactly `length` digits of a character's number.
    fn code_point(&mut self, length: usize, radix: u32) -> Option<char> {
        let mut number = 0_u32;
        for _ in 0..length {
            number = number.checked_mul(radix)?.checked_add(self.advance()?.to_digit(radix)?)?;
        }
        char::from_u32(number)
    }

    fn advance(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let first = characters.next()?;
        self.rest = characters.as_str();
        self.at += 1;
        Some(first)
    }

    /// Takes the characters that are `wanted`.
    fn skip(&mut self, wanted: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest.trim_start_matches(wanted);
        let taken = self.rest.strip_suffix(rest).unwrap_or_default();
        self.at += taken.chars().count();
        self.rest = rest;
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Word> {
        words(text).unwrap().into_iter().map(|token| token.word).collect()
    }

    fn refused(text: &str) -> Fault {
        words(text).unwrap_err()
    }

    #[test]
    fn both_quotes_and_all_escapes_are_read() {
        let cases = [
            (r#""a\"b'c""#, "a\"b'c"),
            (r#"'a"b\'c'"#, "a\"b'c"),
            (r#""\\ \? \` \n\r\t\a\b\f\v""#, "\\ ? ` \n\r\t\u{7}\u{8}\u{c}\u{b}"),
            (r#""\x41 \u00e4 \U0001F600 \101 \000""#, "A ä 😀 A \0"),
            (r#"r"\d+\.""#, r"\d+\."),
            ("r'\\'", "\\"),
            ("\"\"", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), [Word::Text(expected.into()), Word::End], "{text}");
        }
    }

    #[test]
    fn a_text_without_end_or_with_a_wrong_escape_is_refused_at_its_place() {
        assert_eq!(refused("a + 'b").at, 4);
        assert_eq!(refused("\"a\nb\"").at, 0);
        for text in [r#""ab\q""#, r#""ab\x4""#, r#""ab\u12""#, r#""ab\UFFFFFFFF""#, r#""ab\ud800""#]
        {
            assert_eq!(
                (refused(text).at, refused(text).problem.as_str()),
                (3, "this escape is not known")
            );
        }
    }

    #[test]
    fn numbers_are_decimal_and_have_no_suffix() {
        let number = |text: &str| Word::Number(Decimal::parse(text).unwrap());
        assert_eq!(read("1 1.50 1e3"), [number("1"), number("1.5"), number("1000"), Word::End]);
        assert_eq!(read("1.a")[1], Word::Sign("."));
        let long = "1".repeat(77);
        for text in ["0x10", "1u", "12EUR", "1e", "1e+", "1_000", &long] {
            assert_eq!(refused(text).at, 0, "{text}");
        }
    }

    #[test]
    fn names_are_identifiers_or_stand_between_backquotes() {
        let name = |text: &str| Word::Name(text.into());
        assert_eq!(read("a_1 größe _x"), [name("a_1"), name("größe"), name("_x"), Word::End]);
        assert_eq!(read("`Qty. to Receive`"), [Word::Quoted("Qty. to Receive".into()), Word::End]);
        assert_eq!(refused("``").at, 0);
        assert_eq!(refused("a == `b").at, 5);
    }

    #[test]
    fn signs_of_other_languages_are_told() {
        let cases = [("a = 1", "`==`"), ("a <> 1", "`!=`"), ("a & b", "`&&`"), ("a | b", "`||`")];
        for (text, instead) in cases {
            let fault = refused(text);
            assert_eq!(fault.at, 2, "{text}");
            assert!(fault.mend.contains(instead), "{fault:?}");
        }
        assert_eq!(read("a<=b").len(), 4);
        assert_eq!(refused("a # b").at, 2);
    }

    #[test]
    fn places_count_characters() {
        let places: Vec<usize> = words("'äö' + ü").unwrap().iter().map(|token| token.at).collect();
        assert_eq!(places, [0, 5, 7, 8]);
    }
}
