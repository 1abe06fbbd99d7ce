//! Changes that could not become events: kept whole, with the reason, never lost.
//!
//! Subject and format are final: `erpbridge.<source>.deadletter.<table>.<id>`, one message per
//! subject, so that storing the same dead letter twice is refused by the server for ever.

mod encode;

use erpbridge_connector::{Position, Sequence};

pub use encode::{Encoded, ID, ORDINAL, REASON, RULE, SEQUENCE, TABLE, subjects};

/// Why a change became a dead letter. The names are promises: they are metric labels and
/// header values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A cell's text is not what its codec reads.
    Decode,
    /// A code the code table does not know.
    UnknownCode,
    /// A required field has no value.
    MissingRequired,
    /// The rule needs a value the log did not carry.
    AbsentValue,
    /// A row that a rule looks up is not there.
    LookupMiss,
    /// An expression has no result.
    Expression,
    /// The event is larger than the server accepts.
    TooLarge,
    /// A company or plant has the subject token of another.
    Collision,
    /// The table's shape does not fit the mapping any more.
    SchemaDrift,
}

impl Reason {
    /// Every reason, so that metrics start at zero.
    pub const ALL: [Self; 9] = [
        Self::Decode,
        Self::UnknownCode,
        Self::MissingRequired,
        Self::AbsentValue,
        Self::LookupMiss,
        Self::Expression,
        Self::TooLarge,
        Self::Collision,
        Self::SchemaDrift,
    ];

    /// The promised name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::UnknownCode => "unknown_code",
            Self::MissingRequired => "missing_required",
            Self::AbsentValue => "absent_value",
            Self::LookupMiss => "lookup_miss",
            Self::Expression => "expression",
            Self::TooLarge => "too_large",
            Self::Collision => "collision",
            Self::SchemaDrift => "schema_drift",
        }
    }
}

/// One change that could not become an event.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetter {
    /// `<source>:<sequence>:<ordinal>:<rule>`: the id the event would have had.
    pub id: String,
    /// `schema.table`.
    pub table: String,
    /// The rule that failed; none if the table itself could not be mapped.
    pub rule: Option<String>,
    /// Why, as a class.
    pub reason: Reason,
    /// Why, as a sentence for a person. It names columns, never values.
    pub detail: String,
    /// Commit order of the transaction.
    pub sequence: Sequence,
    /// Ordinal of the change.
    pub ordinal: u64,
    /// Where the source can resume to see it again.
    pub position: Position,
    /// `{"operation", "before", "after"}` with the cells as the log carried them; an absent cell
    /// is left out, NULL is null.
    pub row: serde_json::Value,
}
