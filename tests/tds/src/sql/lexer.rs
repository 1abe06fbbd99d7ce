//! Text into tokens.

use crate::problem::{Problem, Result};
use crate::value::text::unhex;

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// A word that may be a keyword or a name.
    Word(String),
    /// A name in brackets or double quotes.
    Quoted(String),
    /// A text; true with an `N` before it.
    Text(String, bool),
    Number(String),
    Bytes(Vec<u8>),
    /// `@name` in lower case, sign included.
    Variable(String),
    /// `@@name` in lower case, without signs.
    Global(String),
    Symbol(&'static str),
    End,
}

/// The longest first.
const SYMBOLS: [&str; 26] = [
    "<>", "!=", "<=", ">=", "!<", "!>", "::", "(", ")", ",", ".", ";", "=", "<", ">", "+", "-",
    "*", "/", "%", "&", "|", "^", "~", "{", "}",
];

/// The tokens of a text, with an end.
pub(crate) fn tokens(sql: &str) -> Result<Vec<Token>> {
    let mut lexer = Lexer { rest: sql };
    let mut tokens = Vec::new();
    loop {
        let token = lexer.next()?;
        let ended = token == Token::End;
        tokens.push(token);
        if ended {
            return Ok(tokens);
        }
    }
}

struct Lexer<'s> {
    rest: &'s str,
}

impl Lexer<'_> {
    fn next(&mut self) -> Result<Token> {
        self.skip_blanks()?;
        let Some(first) = self.rest.chars().next() else { return Ok(Token::End) };
        match first {
            '\'' => Ok(Token::Text(self.quoted('\'', '\'')?, false)),
            'N' | 'n' if self.rest.get(1..2) == Some("'") => {
                self.skip(1);
                Ok(Token::Text(self.quoted('\'', '\'')?, true))
            }
            '[' => Ok(Token::Quoted(self.quoted('[', ']')?)),
            '"' => Ok(Token::Quoted(self.quoted('"', '"')?)),
            '@' if self.rest.starts_with("@@") => {
                self.skip(2);
                Ok(Token::Global(self.take(is_of_name).to_lowercase()))
            }
            '@' => Ok(Token::Variable(self.take(|c| c == '@' || is_of_name(c)).to_lowercase())),
            '0' if matches!(self.rest.get(1..2), Some("x" | "X")) => {
                self.skip(2);
                let digits = self.take(|c| c.is_ascii_hexdigit());
                Ok(Token::Bytes(unhex(&digits).unwrap_or_default()))
            }
            '0'..='9' => Ok(Token::Number(self.number())),
            '.' if self.rest.chars().nth(1).is_some_and(|c| c.is_ascii_digit()) => {
                Ok(Token::Number(self.number()))
            }
            c if c.is_alphabetic() || c == '_' || c == '#' => {
                Ok(Token::Word(self.take(is_of_name)))
            }
            _ => self.symbol(),
        }
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    fn take(&mut self, belongs: impl Fn(char) -> bool) -> String {
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let taken = self.rest.get(..end).unwrap_or_default().to_owned();
        self.skip(end);
        taken
    }

    fn number(&mut self) -> String {
        let mut text = self.take(|c| c.is_ascii_digit() || c == '.');
        if self.rest.starts_with(['e', 'E']) {
            text.push('e');
            self.skip(1);
            if let Some(sign) = self.rest.chars().next().filter(|c| "+-".contains(*c)) {
                text.push(sign);
                self.skip(1);
            }
            text.push_str(&self.take(|c| c.is_ascii_digit()));
        }
        text
    }

    /// What stands between the signs; the closing one doubled is one of the text.
    fn quoted(&mut self, open: char, close: char) -> Result<String> {
        let mut text = String::new();
        let mut characters = self.rest.char_indices().skip(1).peekable();
        while let Some((place, character)) = characters.next() {
            if character != close {
                text.push(character);
            } else if characters.peek().is_some_and(|(_, next)| *next == close) {
                text.push(close);
                characters.next();
            } else {
                self.skip(place + close.len_utf8());
                return Ok(text);
            }
        }
        let message = format!("Unclosed quotation mark after the character string '{open}{text}'.");
        Err(Problem::raised(105, message))
    }

    fn skip_blanks(&mut self) -> Result<()> {
        loop {
            self.rest = self.rest.trim_start();
            if self.rest.starts_with("--") {
                self.rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
            } else if self.rest.starts_with("/*") {
                let end = self.rest.find("*/");
                let end =
                    end.ok_or_else(|| Problem::raised(113, "Missing end comment mark '*/'."))?;
                self.skip(end + 2);
            } else {
                return Ok(());
            }
        }
    }

    fn symbol(&mut self) -> Result<Token> {
        let found = SYMBOLS.into_iter().find(|symbol| self.rest.starts_with(symbol));
        let symbol = found.ok_or_else(|| {
            let near: String = self.rest.chars().take(20).collect();
            Problem::raised(102, format!("Incorrect syntax near '{near}'."))
        })?;
        self.skip(symbol.len());
        Ok(Token::Symbol(symbol))
    }
}

/// <https://learn.microsoft.com/en-us/sql/relational-databases/databases/database-identifiers>
fn is_of_name(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '$' | '#' | '@')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_and_quotes_double_their_closing_sign() {
        let read = tokens("[a]]b].\"c\"\"d\" = N'it''s' -- end").unwrap();
        let expected = [
            Token::Quoted("a]b".to_owned()),
            Token::Symbol("."),
            Token::Quoted("c\"d".to_owned()),
            Token::Symbol("="),
            Token::Text("it's".to_owned(), true),
            Token::End,
        ];
        assert_eq!(read, expected);
    }

    #[test]
    fn cdc_names_need_no_brackets() {
        let read = tokens("__$start_lsn>0x0A/**/@P1").unwrap();
        let expected = [
            Token::Word("__$start_lsn".to_owned()),
            Token::Symbol(">"),
            Token::Bytes(vec![10]),
            Token::Variable("@p1".to_owned()),
            Token::End,
        ];
        assert_eq!(read, expected);
    }
}
