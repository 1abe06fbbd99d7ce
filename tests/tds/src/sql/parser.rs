//! The reader's hands: looking at tokens, taking them, names and types.

use super::{Name, Token, tokens};
use crate::problem::{Problem, Result};
use crate::value::collation::Collation;
use crate::value::kind::{Kind, Type};

/// Reads tokens one after the other.
pub(crate) struct Parser {
    tokens: Vec<Token>,
    place: usize,
}

/// What SQL Server does not take for a name without brackets.
///
/// <https://learn.microsoft.com/en-us/sql/t-sql/language-elements/reserved-keywords-transact-sql>
const RESERVED: &[&str] = &[
    "add",
    "all",
    "alter",
    "and",
    "any",
    "as",
    "asc",
    "authorization",
    "backup",
    "begin",
    "between",
    "break",
    "browse",
    "bulk",
    "by",
    "cascade",
    "case",
    "check",
    "checkpoint",
    "close",
    "clustered",
    "coalesce",
    "collate",
    "column",
    "commit",
    "compute",
    "constraint",
    "contains",
    "continue",
    "convert",
    "create",
    "cross",
    "current",
    "current_date",
    "current_time",
    "current_timestamp",
    "current_user",
    "cursor",
    "database",
    "deallocate",
    "declare",
    "default",
    "delete",
    "deny",
    "desc",
    "disk",
    "distinct",
    "distributed",
    "double",
    "drop",
    "dump",
    "else",
    "end",
    "escape",
    "except",
    "exec",
    "execute",
    "exists",
    "exit",
    "external",
    "fetch",
    "file",
    "fillfactor",
    "for",
    "foreign",
    "freetext",
    "from",
    "full",
    "function",
    "goto",
    "grant",
    "group",
    "having",
    "holdlock",
    "identity",
    "if",
    "in",
    "index",
    "inner",
    "insert",
    "intersect",
    "into",
    "is",
    "join",
    "key",
    "kill",
    "left",
    "like",
    "lineno",
    "load",
    "merge",
    "national",
    "nocheck",
    "nonclustered",
    "not",
    "null",
    "nullif",
    "of",
    "off",
    "offsets",
    "on",
    "open",
    "option",
    "or",
    "order",
    "outer",
    "over",
    "percent",
    "pivot",
    "plan",
    "precision",
    "primary",
    "print",
    "proc",
    "procedure",
    "public",
    "raiserror",
    "read",
    "readtext",
    "reconfigure",
    "references",
    "replication",
    "restore",
    "restrict",
    "return",
    "revert",
    "revoke",
    "right",
    "rollback",
    "rowcount",
    "rowguidcol",
    "rule",
    "save",
    "schema",
    "select",
    "session_user",
    "set",
    "setuser",
    "shutdown",
    "some",
    "statistics",
    "system_user",
    "table",
    "tablesample",
    "textsize",
    "then",
    "to",
    "top",
    "tran",
    "transaction",
    "trigger",
    "truncate",
    "try_convert",
    "tsequal",
    "union",
    "unique",
    "unpivot",
    "update",
    "updatetext",
    "use",
    "user",
    "values",
    "varying",
    "view",
    "waitfor",
    "when",
    "where",
    "while",
    "with",
    "within",
    "writetext",
];

impl Parser {
    pub(crate) fn new(sql: &str) -> Result<Self> {
        Ok(Self { tokens: tokens(sql)?, place: 0 })
    }

    pub(super) fn peek(&self) -> &Token {
        self.tokens.get(self.place).unwrap_or(&Token::End)
    }

    pub(super) fn peek_after(&self, tokens: usize) -> &Token {
        self.tokens.get(self.place + tokens).unwrap_or(&Token::End)
    }

    pub(super) fn advance(&mut self) -> Token {
        let token = self.peek().clone();
        self.place += 1;
        token
    }

    /// Where it stands, to come back to after a reading that led nowhere.
    pub(super) fn mark(&self) -> usize {
        self.place
    }

    pub(super) fn back_to(&mut self, mark: usize) {
        self.place = mark;
    }

    pub(crate) fn at_end(&self) -> bool {
        *self.peek() == Token::End
    }

    /// Whether the next token is this word, in any case.
    pub(super) fn at(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Word(found) if found.eq_ignore_ascii_case(word))
    }

    /// Takes these words if they all come next.
    pub(super) fn take(&mut self, words: &str) -> bool {
        let mark = self.place;
        for word in words.split(' ') {
            if !self.at(word) {
                self.place = mark;
                return false;
            }
            self.place += 1;
        }
        true
    }

    pub(super) fn expect(&mut self, words: &str) -> Result<()> {
        if self.take(words) { Ok(()) } else { Err(self.unexpected(words)) }
    }

    pub(super) fn at_symbol(&self, symbol: &str) -> bool {
        matches!(self.peek(), Token::Symbol(found) if *found == symbol)
    }

    pub(super) fn take_symbol(&mut self, symbol: &str) -> bool {
        let found = self.at_symbol(symbol);
        if found {
            self.place += 1;
        }
        found
    }

    pub(super) fn expect_symbol(&mut self, symbol: &str) -> Result<()> {
        if self.take_symbol(symbol) { Ok(()) } else { Err(self.unexpected(symbol)) }
    }

    /// The error at the next token.
    pub(super) fn unexpected(&self, wanted: &str) -> Problem {
        let near = match self.peek() {
            Token::Word(text)
            | Token::Quoted(text)
            | Token::Number(text)
            | Token::Variable(text) => text.clone(),
            Token::Text(text, _) => format!("'{text}'"),
            Token::Bytes(_) => "0x…".to_owned(),
            Token::Global(text) => format!("@@{text}"),
            Token::Symbol(symbol) => (*symbol).to_owned(),
            Token::End => "the end".to_owned(),
        };
        Problem::unknown(format!("near `{near}` (number {}), wanted {wanted}", self.place + 1))
    }

    /// A name of one part; a keyword needs brackets.
    pub(super) fn identifier(&mut self) -> Result<String> {
        match self.peek().clone() {
            Token::Quoted(name) => {
                self.place += 1;
                Ok(name)
            }
            Token::Word(name) if !is_reserved(&name) => {
                self.place += 1;
                Ok(name)
            }
            _ => Err(self.unexpected("a name")),
        }
    }

    /// Whether a name comes next.
    pub(super) fn at_identifier(&self) -> bool {
        match self.peek() {
            Token::Quoted(_) => true,
            Token::Word(word) => !is_reserved(word),
            _ => false,
        }
    }

    /// A name of parts with points between; an empty part is left out (`ERP..OPOR` is dbo's).
    pub(super) fn name(&mut self) -> Result<Name> {
        let mut parts = vec![self.identifier()?];
        while self.at_symbol(".") && !matches!(self.peek_after(1), Token::Symbol("*")) {
            self.place += 1;
            if self.at_symbol(".") {
                parts.push("dbo".to_owned());
            } else {
                parts.push(self.part()?);
            }
        }
        Ok(Name(parts))
    }

    /// Behind a point even a keyword is a name.
    fn part(&mut self) -> Result<String> {
        match self.advance() {
            Token::Quoted(name) | Token::Word(name) => Ok(name),
            _ => {
                self.place -= 1;
                Err(self.unexpected("a name"))
            }
        }
    }

    /// Things with commas between.
    pub(super) fn list<T>(
        &mut self,
        mut one: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut list = vec![one(self)?];
        while self.take_symbol(",") {
            list.push(one(self)?);
        }
        Ok(list)
    }

    /// A type with its sizes and collation.
    pub(crate) fn type_name(&mut self) -> Result<Type> {
        let name = match self.advance() {
            Token::Word(name) | Token::Quoted(name) => name.to_lowercase(),
            _ => {
                self.place -= 1;
                return Err(self.unexpected("a type"));
            }
        };
        let mut sizes = Vec::new();
        if self.take_symbol("(") {
            sizes = self.list(Self::size)?;
            self.expect_symbol(")")?;
        }
        let kind = Kind::from_name(&name, &sizes).ok_or_else(|| {
            Problem::raised(243, format!("Type {name} is not a defined system type."))
        })?;
        Ok(Type { kind, collation: Collation::DEFAULT })
    }

    /// The collation behind COLLATE.
    pub(super) fn collation(&mut self) -> Result<Collation> {
        let name = self.part()?;
        Collation::from_name(&name)
            .ok_or_else(|| Problem::unknown(format!("the collation {name} is not in the table")))
    }

    fn size(&mut self) -> Result<i32> {
        if self.take("max") {
            return Ok(-1);
        }
        match self.peek().clone() {
            Token::Number(text) => {
                self.place += 1;
                text.parse().map_err(|_| self.unexpected("a size"))
            }
            _ => Err(self.unexpected("a size")),
        }
    }
}

fn is_reserved(word: &str) -> bool {
    RESERVED.binary_search(&word.to_lowercase().as_str()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_words_are_in_order() {
        assert!(RESERVED.is_sorted());
    }

    #[test]
    fn a_keyword_is_no_name_without_brackets() {
        assert!(Parser::new("order").unwrap().identifier().is_err());
        assert_eq!(Parser::new("[order]").unwrap().identifier().unwrap(), "order");
        assert_eq!(Parser::new("a..c").unwrap().name().unwrap().0, ["a", "dbo", "c"]);
    }
}
