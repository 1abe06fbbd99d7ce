//! Types, as columns, casts and parameters have them.

use std::fmt;

use super::collation::Collation;

/// A SQL type with its sizes; `None` as a length is `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bit,
    TinyInt,
    SmallInt,
    Int,
    BigInt,
    Real,
    Float,
    Decimal(u8, u8),
    Money,
    SmallMoney,
    Date,
    Time(u8),
    DateTime,
    SmallDateTime,
    DateTime2(u8),
    DateTimeOffset(u8),
    Guid,
    Char(u16),
    VarChar(Option<u16>),
    NChar(u16),
    NVarChar(Option<u16>),
    Binary(u16),
    VarBinary(Option<u16>),
    Text,
    NText,
    Image,
    Xml,
    Variant,
    RowVersion,
    /// CLR types: their values are texts here, given out by their methods only.
    Clr(Clr),
}

/// The CLR types SQL Server brings along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clr {
    Geography,
    Geometry,
    HierarchyId,
}

/// A type with the collation of its characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Type {
    pub(crate) kind: Kind,
    pub(crate) collation: Collation,
}

impl From<Kind> for Type {
    fn from(kind: Kind) -> Self {
        Self { kind, collation: Collation::DEFAULT }
    }
}

impl Kind {
    /// `sysname`.
    pub(crate) const NAME: Self = Self::NVarChar(Some(128));

    /// From a name and the numbers behind it, `-1` for `max`; `None` if there is no such type.
    pub(crate) fn from_name(name: &str, sizes: &[i32]) -> Option<Self> {
        let first = sizes.first().copied();
        let small = |otherwise: u8| first.map_or(Some(otherwise), |n| u8::try_from(n).ok());
        let fixed = || first.map_or(Some(1), |n| u16::try_from(n).ok());
        let length = || match first {
            Some(-1) => Some(None),
            Some(n) => u16::try_from(n).ok().map(Some),
            None => Some(Some(1)),
        };
        Some(match name {
            "bit" => Self::Bit,
            "tinyint" => Self::TinyInt,
            "smallint" => Self::SmallInt,
            "int" | "integer" => Self::Int,
            "bigint" => Self::BigInt,
            "real" => Self::Real,
            "float" if first.is_some_and(|bits| bits <= 24) => Self::Real,
            "float" => Self::Float,
            "decimal" | "numeric" | "dec" => {
                let scale = sizes.get(1).copied().unwrap_or(0);
                Self::Decimal(small(18)?, u8::try_from(scale).ok()?)
            }
            "money" => Self::Money,
            "smallmoney" => Self::SmallMoney,
            "date" => Self::Date,
            "time" => Self::Time(small(7)?),
            "datetime" => Self::DateTime,
            "smalldatetime" => Self::SmallDateTime,
            "datetime2" => Self::DateTime2(small(7)?),
            "datetimeoffset" => Self::DateTimeOffset(small(7)?),
            "uniqueidentifier" => Self::Guid,
            "char" | "character" => Self::Char(fixed()?),
            "varchar" => Self::VarChar(length()?),
            "nchar" => Self::NChar(fixed()?),
            "nvarchar" => Self::NVarChar(length()?),
            "sysname" => Self::NAME,
            "binary" => Self::Binary(fixed()?),
            "varbinary" => Self::VarBinary(length()?),
            "text" => Self::Text,
            "ntext" => Self::NText,
            "image" => Self::Image,
            "xml" => Self::Xml,
            "sql_variant" => Self::Variant,
            "rowversion" | "timestamp" => Self::RowVersion,
            "geography" => Self::Clr(Clr::Geography),
            "geometry" => Self::Clr(Clr::Geometry),
            "hierarchyid" => Self::Clr(Clr::HierarchyId),
            _ => return None,
        })
    }

    /// The name without sizes, as `sys.types` has it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bit => "bit",
            Self::TinyInt => "tinyint",
            Self::SmallInt => "smallint",
            Self::Int => "int",
            Self::BigInt => "bigint",
            Self::Real => "real",
            Self::Float => "float",
            Self::Decimal(..) => "decimal",
            Self::Money => "money",
            Self::SmallMoney => "smallmoney",
            Self::Date => "date",
            Self::Time(_) => "time",
            Self::DateTime => "datetime",
            Self::SmallDateTime => "smalldatetime",
            Self::DateTime2(_) => "datetime2",
            Self::DateTimeOffset(_) => "datetimeoffset",
            Self::Guid => "uniqueidentifier",
            Self::Char(_) => "char",
            Self::VarChar(_) => "varchar",
            Self::NChar(_) => "nchar",
            Self::NVarChar(_) => "nvarchar",
            Self::Binary(_) => "binary",
            Self::VarBinary(_) => "varbinary",
            Self::Text => "text",
            Self::NText => "ntext",
            Self::Image => "image",
            Self::Xml => "xml",
            Self::Variant => "sql_variant",
            Self::RowVersion => "timestamp",
            Self::Clr(Clr::Geography) => "geography",
            Self::Clr(Clr::Geometry) => "geometry",
            Self::Clr(Clr::HierarchyId) => "hierarchyid",
        }
    }

    /// `system_type_id` and `user_type_id` of `sys.types`.
    pub(crate) const fn ids(self) -> (u8, i32) {
        match self {
            Self::Image => (34, 34),
            Self::Text => (35, 35),
            Self::Guid => (36, 36),
            Self::Date => (40, 40),
            Self::Time(_) => (41, 41),
            Self::DateTime2(_) => (42, 42),
            Self::DateTimeOffset(_) => (43, 43),
            Self::TinyInt => (48, 48),
            Self::SmallInt => (52, 52),
            Self::Int => (56, 56),
            Self::SmallDateTime => (58, 58),
            Self::Real => (59, 59),
            Self::Money => (60, 60),
            Self::DateTime => (61, 61),
            Self::Float => (62, 62),
            Self::Variant => (98, 98),
            Self::NText => (99, 99),
            Self::Bit => (104, 104),
            Self::Decimal(..) => (106, 106),
            Self::SmallMoney => (122, 122),
            Self::BigInt => (127, 127),
            Self::VarBinary(_) => (165, 165),
            Self::VarChar(_) => (167, 167),
            Self::Binary(_) => (173, 173),
            Self::Char(_) => (175, 175),
            Self::RowVersion => (189, 189),
            Self::NVarChar(_) => (231, 231),
            Self::NChar(_) => (239, 239),
            Self::Xml => (241, 241),
            Self::Clr(Clr::HierarchyId) => (240, 128),
            Self::Clr(Clr::Geometry) => (240, 129),
            Self::Clr(Clr::Geography) => (240, 130),
        }
    }

    /// `max_length`, `precision` and `scale` of `sys.columns`.
    pub(crate) fn sizes(self) -> (i16, u8, u8) {
        let bytes = |n: u16| i16::try_from(n).unwrap_or(-1);
        let long = |n: Option<u16>, wide: u16| n.map_or(-1, |n| bytes(n.saturating_mul(wide)));
        match self {
            Self::Bit => (1, 1, 0),
            Self::TinyInt => (1, 3, 0),
            Self::SmallInt => (2, 5, 0),
            Self::Int => (4, 10, 0),
            Self::BigInt => (8, 19, 0),
            Self::Real => (4, 24, 0),
            Self::Float => (8, 53, 0),
            Self::Decimal(p, s) => (i16::from(Self::decimal_bytes(p)), p, s),
            Self::Money => (8, 19, 4),
            Self::SmallMoney => (4, 10, 4),
            Self::Date => (3, 10, 0),
            Self::Time(s) => (5, if s == 0 { 8 } else { 9 + s }, s),
            Self::DateTime => (8, 23, 3),
            Self::SmallDateTime => (4, 16, 0),
            Self::DateTime2(s) => (8, if s == 0 { 19 } else { 20 + s }, s),
            Self::DateTimeOffset(s) => (10, if s == 0 { 26 } else { 27 + s }, s),
            Self::Guid | Self::Text | Self::NText | Self::Image => (16, 0, 0),
            Self::Char(n) | Self::Binary(n) => (bytes(n), 0, 0),
            Self::VarChar(n) | Self::VarBinary(n) => (long(n, 1), 0, 0),
            Self::NChar(n) => (bytes(n.saturating_mul(2)), 0, 0),
            Self::NVarChar(n) => (long(n, 2), 0, 0),
            Self::Xml | Self::Clr(Clr::Geography | Clr::Geometry) => (-1, 0, 0),
            Self::Variant => (8016, 0, 0),
            Self::RowVersion => (8, 0, 0),
            Self::Clr(Clr::HierarchyId) => (892, 0, 0),
        }
    }

    /// How many bytes a decimal of this precision takes in a row.
    pub(crate) const fn decimal_bytes(precision: u8) -> u8 {
        match precision {
            0..=9 => 5,
            10..=19 => 9,
            20..=28 => 13,
            _ => 17,
        }
    }

    /// Whether its values are characters.
    pub(crate) const fn is_text(self) -> bool {
        use Kind::{Char, NChar, NText, NVarChar, Text, VarChar};
        matches!(self, Char(_) | VarChar(_) | NChar(_) | NVarChar(_) | Text | NText)
    }

    /// Whether its values are bytes.
    pub(crate) const fn is_bytes(self) -> bool {
        matches!(self, Self::Binary(_) | Self::VarBinary(_) | Self::Image | Self::RowVersion)
    }

    /// Whether the characters are one byte each, in a code page.
    pub(crate) const fn has_code_page(self) -> bool {
        matches!(self, Self::Char(_) | Self::VarChar(_) | Self::Text)
    }

    /// Whether the value lies outside the row: unchanged, it is not in the log.
    pub(crate) const fn is_large(self) -> bool {
        use Kind::{Image, NText, NVarChar, Text, VarBinary, VarChar, Xml};
        matches!(
            self,
            VarChar(None) | NVarChar(None) | VarBinary(None) | Text | NText | Image | Xml
        )
    }

    /// The types that cannot be compared or sorted, and of which CDC has no old values.
    pub(crate) const fn is_legacy_large(self) -> bool {
        matches!(self, Self::Text | Self::NText | Self::Image)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        let length = |n: &Option<u16>| n.map_or_else(|| "max".to_owned(), |n| n.to_string());
        match self {
            Self::Decimal(p, s) => write!(f, "{name}({p},{s})"),
            Self::Time(s) | Self::DateTime2(s) | Self::DateTimeOffset(s) => {
                write!(f, "{name}({s})")
            }
            Self::Char(n) | Self::NChar(n) | Self::Binary(n) => write!(f, "{name}({n})"),
            Self::VarChar(n) | Self::NVarChar(n) | Self::VarBinary(n) => {
                write!(f, "{name}({})", length(n))
            }
            _ => f.write_str(name),
        }
    }
}
