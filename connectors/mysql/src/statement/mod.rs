//! Statements in the log, as far as they must be understood: what sort they are, and which tables
//! they may speak of. Not a parser: every word that could name a wanted table counts, in comments
//! too. Naming one too many costs a question to the server; overlooking one would cost
//! the meaning of columns.

use std::collections::BTreeSet;

use erpbridge_connector::{TableName, TableSelection};

/// What a statement is, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `BEGIN`
    Begin,
    /// `COMMIT`
    Commit,
    /// `ROLLBACK`, of the whole transaction.
    Rollback,
    /// `XA START`
    XaStart,
    /// `XA COMMIT`
    XaCommit,
    /// `XA ROLLBACK`
    XaRollback,
    /// `XA END`, `SAVEPOINT` and the like: inside a transaction, without rows.
    Inside,
    /// It changes rows, and the log has the statement instead of the rows.
    Rows,
    /// `TRUNCATE`
    Truncate,
    /// It changes no table: users, rights, settings, temporary tables.
    Harmless,
    /// Anything else: perhaps a change of a table's shape.
    Other,
}

/// A statement as text.
#[derive(Clone, Debug)]
pub struct Statement {
    text: String,
    words: Vec<Word>,
}

/// A word, and what it may be.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Word {
    text: String,
    /// The quote around it, if there is one.
    quote: Option<char>,
    /// A point stands before it.
    after_point: bool,
    /// It stands in a comment that the server does not read.
    comment: bool,
}

impl Word {
    /// Whether it can be the name of a table. The words of the language cannot, unless they stand
    /// in quotes or behind a point.
    fn names(&self) -> bool {
        let number = self.text.bytes().all(|byte| byte.is_ascii_digit());
        match self.quote {
            Some('\'') => false,
            Some(_) => true,
            None if self.after_point => true,
            None => !number && !RESERVED.contains(&&*self.text.to_ascii_uppercase()),
        }
    }
}

/// Words of the language that are likely where shapes are changed, and can be no names.
const RESERVED: [&str; 48] = [
    "ADD",
    "ALL",
    "ALTER",
    "AND",
    "AS",
    "BIGINT",
    "BY",
    "CASCADE",
    "CHANGE",
    "CHAR",
    "CHARACTER",
    "CHECK",
    "COLLATE",
    "COLUMN",
    "CONSTRAINT",
    "CREATE",
    "DECIMAL",
    "DEFAULT",
    "DELETE",
    "DOUBLE",
    "DROP",
    "EXISTS",
    "FLOAT",
    "FOREIGN",
    "FROM",
    "IF",
    "INDEX",
    "INSERT",
    "INT",
    "INTO",
    "KEY",
    "LIKE",
    "NOT",
    "NULL",
    "ON",
    "OR",
    "PRIMARY",
    "REFERENCES",
    "RENAME",
    "SELECT",
    "SET",
    "SMALLINT",
    "TABLE",
    "TO",
    "UNIQUE",
    "UNSIGNED",
    "UPDATE",
    "VARCHAR",
];

impl Statement {
    /// Takes a statement apart. What is not UTF-8 in it names nothing.
    pub fn new(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let words = words(&text);
        Self { text, words }
    }

    /// The statement, for messages: its beginning, or its first word if it may hold a secret.
    pub fn excerpt(&self) -> String {
        const LONGEST: usize = 120;
        if ["IDENTIFIED", "PASSWORD"].iter().any(|word| self.has_word(word)) {
            return format!("{} …", self.first_word());
        }
        let mut excerpt: String = self.text.chars().take(LONGEST).collect();
        if excerpt.len() < self.text.len() {
            excerpt.push('…');
        }
        excerpt
    }

    /// Its first word: all of it that may be shown where it may hold values.
    pub fn first_word(&self) -> String {
        let first = self.words.iter().find(|word| !word.comment);
        first.map_or_else(String::new, |word| word.text.to_ascii_uppercase())
    }

    /// What it is.
    pub fn verb(&self) -> Verb {
        let mut words = self
            .words
            .iter()
            .filter(|word| !word.comment)
            .map(|word| word.text.to_ascii_uppercase())
            // `CREATE OR REPLACE`
            .filter(|word| !matches!(word.as_str(), "OR"));
        let (first, mut second) = (words.next().unwrap_or_default(), words.next());
        if first == "CREATE" && second.as_deref() == Some("REPLACE") {
            second = words.next();
        }
        match (first.as_str(), second.as_deref()) {
            ("BEGIN", _) | ("START", Some("TRANSACTION")) => Verb::Begin,
            ("COMMIT", _) => Verb::Commit,
            ("ROLLBACK", Some("TO")) | ("SAVEPOINT" | "RELEASE", _) => Verb::Inside,
            ("ROLLBACK", _) => Verb::Rollback,
            ("XA", Some("START" | "BEGIN")) => Verb::XaStart,
            ("XA", Some("COMMIT")) => Verb::XaCommit,
            ("XA", Some("ROLLBACK")) => Verb::XaRollback,
            ("XA", _) => Verb::Inside,
            ("INSERT" | "UPDATE" | "DELETE" | "REPLACE" | "LOAD" | "WITH", _) => Verb::Rows,
            ("TRUNCATE", _) => Verb::Truncate,
            ("GRANT" | "REVOKE" | "SET" | "FLUSH" | "ANALYZE" | "CHECK", _)
            | ("CREATE" | "ALTER" | "DROP" | "RENAME", Some("USER" | "ROLE" | "TEMPORARY")) => {
                Verb::Harmless
            }
            _ => Verb::Other,
        }
    }

    /// The wanted tables that it may speak of, if `database` was the default one.
    pub fn tables(&self, database: &str, selection: &dyn TableSelection) -> Vec<TableName> {
        let mut found = BTreeSet::new();
        let mut look = |schema: &str, table: &str| {
            let lower = || (schema.to_lowercase(), table.to_lowercase());
            let (lower_schema, lower_table) = lower();
            for name in [TableName::new(schema, table), TableName::new(lower_schema, lower_table)] {
                if selection.wants(&name) {
                    found.insert(name);
                }
            }
        };
        let mut before = None;
        for word in self.words.iter().filter(|word| word.names()) {
            match before.filter(|_| word.after_point) {
                Some(schema) => look(schema, &word.text),
                None => look(database, &word.text),
            }
            before = Some(word.text.as_str());
        }
        found.into_iter().collect()
    }

    /// The wanted tables whose shape it may change. Statements that leave every table's columns as
    /// they are (rights, indexes, triggers, views) are many, and each one that counted would make
    /// it harder to know what the rows before it were.
    pub fn reshapes(&self, database: &str, selection: &dyn TableSelection) -> Vec<TableName> {
        if self.verb() != Verb::Other {
            return Vec::new();
        }
        let mut words = self.words.iter().filter(|word| !word.comment).peekable();
        let first = words.next().map_or_else(String::new, |word| word.text.to_ascii_uppercase());
        match first.as_str() {
            "CREATE" | "DROP" | "ALTER" => {}
            _ => return self.tables(database, selection),
        }
        loop {
            let word = words.next().map_or_else(String::new, |word| word.text.to_ascii_uppercase());
            match word.as_str() {
                "OR" | "REPLACE" | "UNIQUE" | "FULLTEXT" | "SPATIAL" | "AGGREGATE" => {}
                // A user and a host.
                "DEFINER" => drop(words.by_ref().take(2).count()),
                "INDEX" | "TRIGGER" | "PROCEDURE" | "FUNCTION" | "EVENT" | "VIEW" => {
                    return Vec::new();
                }
                "TABLE" if first == "CREATE" => break,
                _ => return self.tables(database, selection),
            }
        }
        for word in ["IF", "NOT", "EXISTS"] {
            words.next_if(|next| next.text.eq_ignore_ascii_case(word));
        }
        // Only the new table; it may be made like another.
        let all = self.tables(database, selection);
        let created = name(words, database);
        all.into_iter().filter(|name| created.as_ref().is_none_or(|new| same(new, name))).collect()
    }

    /// Whether it names something in this database.
    pub fn enters(&self, database: &str) -> bool {
        let pairs = self.words.iter().zip(self.words.iter().skip(1));
        let mut named = pairs.filter(|(_, next)| next.after_point).map(|(word, _)| &word.text);
        named.any(|name| name.eq_ignore_ascii_case(database))
    }

    fn has_word(&self, text: &str) -> bool {
        self.words.iter().any(|word| word.text.eq_ignore_ascii_case(text))
    }

    /// The table of a `TRUNCATE`.
    pub fn truncated(&self, database: &str) -> Option<TableName> {
        let mut words = self.words.iter().filter(|word| !word.comment).skip(1).peekable();
        words.next_if(|word| word.text.eq_ignore_ascii_case("TABLE"));
        name(words, database)
    }

    /// The name of an XA transaction, as the servers write it: `X'global',X'branch',format`.
    pub fn xid(&self) -> Option<crate::binlog::Xid> {
        let mut words = self.words.iter().skip(2).peekable();
        let mut part = || {
            words.next_if(|word| word.text.eq_ignore_ascii_case("X"))?;
            hexadecimal(&words.next()?.text)
        };
        let global = part()?;
        let branch = part().unwrap_or_default();
        let format = words.next().map_or(Some(1), |word| word.text.parse().ok())?;
        Some(crate::binlog::Xid { format, global, branch })
    }
}

/// The name that these words begin with.
fn name<'w>(mut words: impl Iterator<Item = &'w Word>, database: &str) -> Option<TableName> {
    let first = words.next()?;
    Some(match words.next().filter(|word| word.after_point) {
        Some(table) => TableName::new(first.text.clone(), table.text.clone()),
        None => TableName::new(database, first.text.clone()),
    })
}

/// Whether both are the same table, to a server that may tell names by their case or not.
pub(crate) fn same(one: &TableName, other: &TableName) -> bool {
    one.schema.eq_ignore_ascii_case(&other.schema) && one.table.eq_ignore_ascii_case(&other.table)
}

fn hexadecimal(digits: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    rest.is_empty().then(|| pairs.iter().map(byte).collect()).flatten()
}

/// Everything that could be a name: runs of letters, digits and what else may stand in one, and
/// what stands between backticks or quotes, as a whole. An empty text in quotes is a word too.
fn words(text: &str) -> Vec<Word> {
    let mut scan = Scan { rest: text, words: Vec::new(), point: false, comment: false };
    while scan.step() {}
    scan.words
}

struct Scan<'t> {
    rest: &'t str,
    words: Vec<Word>,
    point: bool,
    comment: bool,
}

impl Scan<'_> {
    fn step(&mut self) -> bool {
        let Some(first) = self.rest.chars().next() else { return false };
        if let Some(quote) = Some(first).filter(|first| matches!(first, '`' | '"' | '\'')) {
            self.quoted(quote);
        } else if in_name(first) {
            let end = self.rest.find(|next| !in_name(next)).unwrap_or(self.rest.len());
            let (word, rest) = self.rest.split_at(end);
            self.rest = rest;
            self.push(word.to_owned(), None);
        } else {
            self.between(first);
        }
        true
    }

    /// Comments are read on as words; the server reads those that begin with `/*!` or `/*M!` too.
    fn between(&mut self, first: char) {
        let length = if self.comment && self.rest.starts_with("*/") {
            self.comment = false;
            2
        } else if self.rest.starts_with("/*!") || self.rest.starts_with("/*M!") {
            // The version that stands there is no name.
            let digits = self.rest.find(|next: char| next.is_ascii_digit() || next == ' ');
            let digits = digits.unwrap_or(self.rest.len());
            let after = self.rest.get(digits..).unwrap_or_default();
            digits + after.find(|next: char| !next.is_ascii_digit()).unwrap_or(after.len())
        } else if self.rest.starts_with("/*") {
            self.comment = true;
            2
        } else if first == '#' || self.rest.starts_with("-- ") {
            self.line_comment();
            return;
        } else {
            self.point = first == '.' || self.point && first.is_whitespace();
            first.len_utf8()
        };
        self.rest = self.rest.get(length..).unwrap_or_default();
    }

    fn line_comment(&mut self) {
        let end = self.rest.find('\n').unwrap_or(self.rest.len());
        let (line, rest) = self.rest.split_at(end);
        let line = words(line.trim_start_matches(['#', '-']));
        self.words.extend(line.into_iter().map(|word| Word { comment: true, ..word }));
        self.rest = rest;
    }

    /// A quote that is doubled stands for itself.
    fn quoted(&mut self, quote: char) {
        let mut text = String::new();
        let mut characters = self.rest.char_indices().skip(1).peekable();
        let mut end = self.rest.len();
        while let Some((at, character)) = characters.next() {
            if character != quote {
                text.push(character);
            } else if characters.next_if(|(_, next)| *next == quote).is_some() {
                text.push(quote);
            } else {
                end = at + 1;
                break;
            }
        }
        self.rest = self.rest.get(end..).unwrap_or_default();
        self.push(text, Some(quote));
    }

    fn push(&mut self, text: String, quote: Option<char>) {
        let after_point = std::mem::take(&mut self.point);
        self.words.push(Word { text, quote, after_point, comment: self.comment });
    }
}

fn in_name(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '$') || !character.is_ascii()
}

#[cfg(test)]
mod tests;
