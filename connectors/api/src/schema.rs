//! What a table looks like at one moment of the log.

use std::fmt;

/// A table's name with its schema (`PostgreSQL`, SQL Server) or database (`MySQL`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// Schema or database.
    pub schema: String,
    /// Table.
    pub table: String,
}

impl TableName {
    /// Builds a name from its two parts, unquoted.
    pub fn new(schema: impl Into<String>, table: impl Into<String>) -> Self {
        Self { schema: schema.into(), table: table.into() }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}

/// The canonical kind of a column: it fixes which text a cell of it carries.
///
/// | kind | text |
/// |---|---|
/// | `Bool` | `true` or `false` |
/// | `Integer` | decimal digits with an optional minus |
/// | `Decimal` | plain digits as stored (`1.1000`), or `NaN`, `Infinity`, `-Infinity` |
/// | `Float32`, `Float64` | the shortest text that reads back to the same number at that width |
/// | `Text` | the characters, with the blanks the column stores |
/// | `Date` | `YYYY-MM-DD`; outside years 1–9999 and for infinities the database's own text |
/// | `Time` | `HH:MM:SS[.ffffff]` |
/// | `LocalTimestamp` | `YYYY-MM-DD HH:MM:SS[.ffffff]`, without a zone |
/// | `Instant` | `YYYY-MM-DD HH:MM:SS[.ffffff]+00`, always UTC |
/// | `Interval` | ISO 8601 duration |
/// | `Uuid` | lower-case with hyphens |
/// | `Json` | the document as the database prints it |
/// | `Bytes` | `\x` and lower-case hexadecimal digits |
/// | `Other` | the database's own text form (arrays, ranges, composites), documented per connector |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the table above says it once for all")]
pub enum ColumnKind {
    Bool,
    Integer,
    Decimal,
    Float32,
    Float64,
    Text,
    Date,
    Time,
    LocalTimestamp,
    Instant,
    Interval,
    Uuid,
    Json,
    Bytes,
    Other,
}

/// One column as the log describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Name, as the database spells it.
    pub name: String,
    /// What the text of its cells is.
    pub kind: ColumnKind,
    /// The database's own type name, for messages (`numeric(12,4)`).
    pub type_name: String,
    /// Whether the log omits this column although the table has it (a generated column).
    pub missing_in_log: bool,
}

/// What an UPDATE or DELETE carries of the row before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicaIdentity {
    /// Every column.
    Full,
    /// The key columns, and for an update only where the key changed.
    Key,
    /// Nothing: updates and deletes cannot be told.
    Nothing,
}

/// A table's shape, valid from the position where the source announced it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSchema {
    /// Name.
    pub name: TableName,
    /// Columns in log order: cell `i` of an image belongs to column `i`.
    pub columns: Vec<Column>,
    /// Indexes into `columns` of the primary key, in key order; empty without one.
    pub primary_key: Vec<usize>,
    /// What old images carry.
    pub identity: ReplicaIdentity,
}

impl TableSchema {
    /// The index of the column with this exact name.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}
