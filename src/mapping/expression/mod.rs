//! Expressions of mappings: CEL's syntax, a small part of it, typed and exact.
//!
//! ```text
//! text → lexer (words) → parser (tree: names as written)
//!      → check (types, columns, constant parts computed) → Program → evaluate (per row)
//! ```
//!
//! An expression computes a value from the cells of a row and nothing else: it has no variables,
//! no loops, no clock and no way to the outside. Whatever can be known to be wrong when a mapping
//! is loaded is a finding with the column it stands at; what only a row can show (a text that is
//! no number, a division by zero) is an [`EvalError`], which says what went wrong and never with
//! which value.
//!
//! **Null** goes through every operator and function, so that a value computed from a missing one
//! is missing. Only `==`, `!=` and `in` take it as a value, `coalesce` replaces it, `&&` and `||`
//! know that one side can decide alone, and a condition that is null does not hold. **Absent** (the
//! log did not carry the cell) is not null: it stops the evaluation, unless the other side of a
//! `&&` or `||` decides.
//!
//! **Bounds.** An expression has at most 4,096 characters and 100 levels, a text it makes 1 MiB, a
//! number 76 digits; patterns take time linear in their text. So no mapping and no row can make the
//! bridge wait, swell or stop here: every walk over a tree is bounded by the tree, every loop by a
//! text that exists.

mod arguments;
mod calls;
mod check;
mod datum;
mod decimal;
mod evaluate;
mod functions;
mod instant;
mod json;
mod lexer;
mod parser;
mod program;
#[cfg(test)]
mod tests;
mod text;
mod tree;

use std::fmt::{self, Write as _};
use std::sync::Arc;

use erpbridge_connector::{ColumnKind, Value};

use self::decimal::Decimal;
pub(super) use self::program::Program;
use self::tree::Tree;
use crate::document::{Content, Findings, Node, Place};

/// The longest expression.
pub(super) const MAX_CHARACTERS: usize = 4096;

/// How deep an expression may be nested; `a + b + c` nests twice.
pub(super) const MAX_DEPTH: usize = 100;

/// The longest text an expression may make, in bytes. (A text it only passes on may be longer.)
pub(super) const MAX_TEXT: usize = 1 << 20;

/// An expression as it was written: read, but its columns are not known yet.
#[derive(Clone, Debug)]
pub(super) struct Expression {
    origin: Origin,
    tree: Arc<Tree>,
    references: Arc<[Reference]>,
}

/// At which moment a column is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Moment {
    /// As it is after the transaction: `x` and `new.x`.
    New,
    /// As it was before it: `old.x`.
    Old,
}

/// A column an expression names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    /// When it is looked at.
    pub moment: Moment,
    /// `qty`, or through lookups `order`, `supplier`, `code`.
    pub path: Box<[Box<str>]>,
    /// Where it is named.
    pub place: Place,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Type {
    /// Characters.
    Text,
    /// An exact decimal.
    Number,
    /// True or false.
    Bool,
    /// A calendar day.
    Date,
    /// A point in time.
    Instant,
    /// Several texts: what `split` and `["a", "b"]` give.
    Texts,
}

/// Tells the slot and the type of a column, or notes a finding itself and gives nothing.
pub(super) type Resolve<'r> = &'r mut dyn FnMut(&Reference, &mut Findings) -> Option<(usize, Type)>;

/// What a row gives to a [`Program`].
pub(super) trait Inputs {
    /// The cell of a slot: the canonical text of a column of the type the slot was resolved with.
    fn get(&self, slot: usize) -> Value<'_>;
}

/// Why a row has no value for an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum EvalError {
    /// The log did not carry a cell that is needed.
    Absent {
        /// The slot of the cell.
        slot: usize,
    },
    /// The function or operator that failed and why, without any value.
    Failed {
        /// One sentence.
        detail: String,
    },
}

/// The type an expression sees a column as.
pub(super) const fn type_of(kind: ColumnKind) -> Type {
    match kind {
        ColumnKind::Integer | ColumnKind::Decimal | ColumnKind::Float32 | ColumnKind::Float64 => {
            Type::Number
        }
        ColumnKind::Bool => Type::Bool,
        ColumnKind::Date => Type::Date,
        ColumnKind::Instant => Type::Instant,
        ColumnKind::Text
        | ColumnKind::Time
        | ColumnKind::LocalTimestamp
        | ColumnKind::Interval
        | ColumnKind::Uuid
        | ColumnKind::Json
        | ColumnKind::Bytes
        | ColumnKind::Other => Type::Text,
    }
}

/// The exact sum of two numbers; `None` if one is none, or the sum is too long.
pub(crate) fn add<'a>(one: &str, other: &str, scratch: &'a mut String) -> Option<&'a str> {
    let sum = Decimal::parse(one)?.add(Decimal::parse(other)?)?;
    scratch.clear();
    write!(scratch, "{sum}").ok()?;
    Some(scratch)
}

impl Expression {
    /// As it was written.
    pub(super) fn text(&self) -> &str {
        &self.origin.text
    }

    /// Reads an expression whose first character stands at `place`. Where it cannot be read is one
    /// finding: what follows a mistake could not be told.
    pub(super) fn parse(text: &str, place: &Place, findings: &mut Findings) -> Option<Self> {
        let origin = Origin { text: text.into(), place: place.clone() };
        let (tree, columns) = match parser::parse(text) {
            Ok(read) => read,
            Err(fault) => {
                findings.error(&origin.at(fault.at), fault.problem, fault.mend);
                return None;
            }
        };
        let references = columns.into_iter().map(|column| Reference {
            moment: column.moment,
            path: column.path,
            place: origin.at(column.at),
        });
        let references = references.collect();
        Some(Self { origin, tree: Arc::new(tree), references })
    }

    /// Reads the expression a value of a document holds.
    pub(super) fn of(node: &Node, findings: &mut Findings) -> Option<Self> {
        let text = node.as_text(findings)?;
        // A block's place is that of its text, and a block ends with a line break; a text in
        // quotes begins after its quote.
        let quotes = matches!(node.content, Content::Text { quoted: true, .. });
        let quote = usize::from(quotes && !text.ends_with('\n'));
        let place = Place { column: node.place.column + quote, ..node.place.clone() };
        Self::parse(text, &place, findings)
    }

    /// The columns it names, in order; `changed(x)` names `x` as it is and as it was.
    pub(super) fn references(&self) -> impl Iterator<Item = &Reference> {
        self.references.iter()
    }

    /// What makes a value of it: types are checked, constant parts computed. A column that is
    /// named twice is resolved twice; the same slot may be told both times.
    pub(super) fn check(
        &self,
        wanted: Type,
        resolve: Resolve<'_>,
        findings: &mut Findings,
    ) -> Option<Program> {
        check::check(self, wanted, Some(resolve), findings)
    }

    /// Notes what is wrong whatever the columns are: functions, their arguments, the types of
    /// literals and results, patterns, constant parts that cannot be computed.
    pub(super) fn check_alone(&self, wanted: Type, findings: &mut Findings) {
        check::check(self, wanted, None, findings);
    }
}

/// The text of an expression and where it stands.
#[derive(Clone, Debug)]
struct Origin {
    text: Arc<str>,
    place: Place,
}

impl Origin {
    /// The place of the character `at`. Lines of a block are indented alike, so that all of them
    /// begin where the first one does.
    fn at(&self, at: usize) -> Place {
        let before = self.text.chars().take(at);
        let (mut line, mut column) = (self.place.line, self.place.column);
        for character in before {
            column += 1;
            if character == '\n' {
                (line, column) = (line + 1, self.place.column);
            }
        }
        Place { file: Arc::clone(&self.place.file), line, column }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Bool => "bool",
            Self::Date => "date",
            Self::Instant => "instant",
            Self::Texts => "list of text",
        })
    }
}

impl EvalError {
    fn failed(what: &str, why: impl fmt::Display) -> Self {
        Self::Failed { detail: format!("`{what}`: {why}") }
    }
}
