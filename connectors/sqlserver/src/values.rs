//! Which kind a type is, and how its values are asked for.
//!
//! Seeds, snapshot and log read the same columns from different tables, so they ask for them by
//! the same expressions ([`SqlType::selected`]) and turn the answers into text by the same code
//! ([`Cell::write`](crate::cell::Cell::write)). An expression is more than the column's name where
//! the client would lose something: the library reads `money` as a float and knows few code pages,
//! and a `datetime` counts in parts of 1/300 second that the server rounds when it shows them.

use erpbridge_connector::ColumnKind;

use crate::sql;

/// A type as the catalogue spells it, with its sizes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SqlType {
    /// `decimal`, `nvarchar`; the base type where it is an alias.
    pub name: String,
    /// Characters or bytes; -1 for `max`.
    pub length: Option<i64>,
    /// Digits of a decimal.
    pub precision: Option<i64>,
    /// Digits behind the point of a decimal or of the seconds.
    pub scale: Option<i64>,
    /// How its characters compare and which code page they are in.
    pub collation: Option<String>,
}

/// Whether change data capture leaves a column out where it did not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Large {
    /// It never does.
    No,
    /// The `(max)` types, `xml` and CLR types: NULL in an update that did not touch them.
    Max,
    /// `text`, `ntext` and `image`: the same, and always NULL in images of before.
    Old,
}

impl SqlType {
    /// What the text of its values is.
    pub fn kind(&self) -> ColumnKind {
        match self.name.as_str() {
            "bit" => ColumnKind::Bool,
            "tinyint" | "smallint" | "int" | "bigint" => ColumnKind::Integer,
            "decimal" | "numeric" | "money" | "smallmoney" => ColumnKind::Decimal,
            "real" => ColumnKind::Float32,
            "float" => ColumnKind::Float64,
            "char" | "varchar" | "text" | "nchar" | "nvarchar" | "ntext" => ColumnKind::Text,
            "date" => ColumnKind::Date,
            "time" => ColumnKind::Time,
            "datetime" | "smalldatetime" | "datetime2" => ColumnKind::LocalTimestamp,
            "datetimeoffset" => ColumnKind::Instant,
            "uniqueidentifier" => ColumnKind::Uuid,
            "binary" | "varbinary" | "image" | "timestamp" | "rowversion" => ColumnKind::Bytes,
            _ => ColumnKind::Other,
        }
    }

    /// As SQL spells it: `decimal(19,6)`, `nvarchar(max)`.
    pub fn spelled(&self) -> String {
        let Self { name, length, precision, scale, .. } = self;
        match (name.as_str(), length, precision, scale) {
            ("decimal" | "numeric", _, Some(precision), Some(scale)) => {
                format!("{name}({precision},{scale})")
            }
            ("time" | "datetime2" | "datetimeoffset", _, _, Some(scale)) => {
                format!("{name}({scale})")
            }
            ("char" | "varchar" | "nchar" | "nvarchar" | "binary" | "varbinary", Some(-1), ..) => {
                format!("{name}(max)")
            }
            ("char" | "varchar" | "nchar" | "nvarchar" | "binary" | "varbinary", Some(n), ..) => {
                format!("{name}({n})")
            }
            _ => name.clone(),
        }
    }

    /// The expression that asks for a column of it, under the column's name.
    pub fn selected(&self, column: &str) -> String {
        let column = sql::identifier(column);
        match self.expression(&column) {
            Some(expression) => format!("{expression} AS {column}"),
            None => column,
        }
    }

    /// None where the column can be asked for as it is.
    fn expression(&self, column: &str) -> Option<String> {
        let cast = match self.name.as_str() {
            "money" => "decimal(19,4)",
            "smallmoney" => "decimal(10,4)",
            "char" | "varchar" | "text" | "ntext" | "xml" => "nvarchar(max)",
            "datetime" => "datetime2(3)",
            "smalldatetime" => "datetime2(0)",
            "image" => "varbinary(max)",
            "sql_variant" => "nvarchar(4000)",
            "geography" | "geometry" | "hierarchyid" => {
                return Some(format!("{column}.ToString()"));
            }
            _ => return None,
        };
        Some(format!("CAST({column} AS {cast})"))
    }

    /// Whether change data capture may leave it out.
    pub fn large(&self) -> Large {
        match self.name.as_str() {
            "text" | "ntext" | "image" => Large::Old,
            "xml" | "geography" | "geometry" => Large::Max,
            _ if self.length == Some(-1) => Large::Max,
            _ => Large::No,
        }
    }

    /// How the value of a key comes back as a value of this type, from the parameter in this
    /// place; none where it would not come back as it was, so that the table cannot be read in
    /// chunks by it.
    ///
    /// A text in a code page is compared as it is stored, in its own collation: compared as
    /// Unicode it would have another order than the index.
    pub fn key_parameter(&self, place: usize) -> Option<String> {
        match self.name.as_str() {
            "nchar" | "nvarchar" if self.large() == Large::No => Some(format!("@P{place}")),
            "char" | "varchar" if self.large() == Large::No => {
                let collation = self.collation.as_deref().filter(|name| is_plain(name))?;
                Some(format!("CAST(@P{place} COLLATE {collation} AS {})", self.spelled()))
            }
            "tinyint" | "smallint" | "int" | "bigint" | "decimal" | "numeric" | "money"
            | "smallmoney" | "date" | "time" | "datetime" | "smalldatetime" | "datetime2"
            | "datetimeoffset" | "uniqueidentifier" | "bit" => {
                Some(format!("CAST(@P{place} AS {})", self.spelled()))
            }
            _ => None,
        }
    }
}

impl SqlType {
    /// A condition that a column is as the parameter in this place says; none for types whose
    /// values cannot be compared. Unlike [`Self::key_parameter`] nothing is read in its order.
    pub fn equals(&self, column: &str, place: usize) -> Option<String> {
        let column = sql::identifier(column);
        let value = match self.name.as_str() {
            "real" | "float" => Some(format!("CAST(@P{place} AS float)")),
            "binary" | "varbinary" => Some(format!("CONVERT(varbinary(8000), @P{place}, 1)")),
            _ => self.key_parameter(place),
        };
        let text = matches!(self.name.as_str(), "nvarchar" | "varchar" | "text" | "ntext" | "xml");
        match value {
            Some(value) => Some(format!("{column} = {value}")),
            None if text => Some(format!("CAST({column} AS nvarchar(max)) = @P{place}")),
            None => None,
        }
    }
}

/// The text of a key's value as [`SqlType::key_parameter`] takes it back. With a `T` between day
/// and time a `datetime` means the same in every language.
pub fn key_text(kind: ColumnKind, text: &str) -> String {
    match kind {
        ColumnKind::LocalTimestamp => text.replacen(' ', "T", 1),
        ColumnKind::Instant => text.replacen(' ', "T", 1).replace("+00", "+00:00"),
        ColumnKind::Bytes => text.replacen("\\x", "0x", 1),
        ColumnKind::Bool => if text == "true" { "1" } else { "0" }.to_owned(),
        _ => text.to_owned(),
    }
}

/// Collations cannot be quoted.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> SqlType {
        SqlType { name: name.to_owned(), ..SqlType::default() }
    }

    fn sized(name: &str, length: i64) -> SqlType {
        SqlType { length: Some(length), ..named(name) }
    }

    #[test]
    fn what_the_client_would_damage_is_cast_by_the_server() {
        for (sql_type, expected) in [
            (named("int"), "[c]"),
            (sized("nvarchar", 20), "[c]"),
            (sized("nvarchar", -1), "[c]"),
            (named("money"), "CAST([c] AS decimal(19,4)) AS [c]"),
            (named("smallmoney"), "CAST([c] AS decimal(10,4)) AS [c]"),
            (sized("varchar", 20), "CAST([c] AS nvarchar(max)) AS [c]"),
            (named("datetime"), "CAST([c] AS datetime2(3)) AS [c]"),
            (named("smalldatetime"), "CAST([c] AS datetime2(0)) AS [c]"),
            (named("xml"), "CAST([c] AS nvarchar(max)) AS [c]"),
            (named("sql_variant"), "CAST([c] AS nvarchar(4000)) AS [c]"),
            (named("hierarchyid"), "[c].ToString() AS [c]"),
        ] {
            assert_eq!(sql_type.selected("c"), expected);
        }
        assert_eq!(named("money").selected("a]b"), "CAST([a]]b] AS decimal(19,4)) AS [a]]b]");
    }

    #[test]
    fn a_type_is_spelled_with_its_sizes() {
        let decimal = SqlType { precision: Some(19), scale: Some(6), ..named("decimal") };
        let moment = SqlType { scale: Some(3), ..named("datetime2") };
        for (sql_type, expected) in [
            (decimal, "decimal(19,6)"),
            (moment, "datetime2(3)"),
            (sized("varchar", 20), "varchar(20)"),
            (sized("varbinary", -1), "varbinary(max)"),
            (SqlType { precision: Some(10), scale: Some(0), ..named("int") }, "int"),
            (sized("ntext", 1_073_741_823), "ntext"),
        ] {
            assert_eq!(sql_type.spelled(), expected);
        }
    }

    #[test]
    fn what_capture_leaves_out_is_known_by_type() {
        assert_eq!(sized("nvarchar", -1).large(), Large::Max);
        assert_eq!(sized("nvarchar", 4000).large(), Large::No);
        assert_eq!(named("xml").large(), Large::Max);
        assert_eq!(sized("image", 2_147_483_647).large(), Large::Old);
    }

    #[test]
    fn a_key_comes_back_in_its_own_type_and_collation() {
        let collation = Some("SQL_Latin1_General_CP850_CI_AS".to_owned());
        let code = SqlType { collation, ..sized("varchar", 20) };
        assert_eq!(
            code.key_parameter(3).unwrap(),
            "CAST(@P3 COLLATE SQL_Latin1_General_CP850_CI_AS AS varchar(20))"
        );
        assert_eq!(sized("nvarchar", 20).key_parameter(1).unwrap(), "@P1");
        assert_eq!(named("int").key_parameter(2).unwrap(), "CAST(@P2 AS int)");
        assert_eq!(named("float").key_parameter(1), None);
        let moment = key_text(ColumnKind::LocalTimestamp, "2024-02-29 23:59:59.997");
        assert_eq!(moment, "2024-02-29T23:59:59.997");
        let odd = Some("x; DROP".to_owned());
        assert_eq!(SqlType { collation: odd, ..sized("char", 2) }.key_parameter(1), None);
    }
}
