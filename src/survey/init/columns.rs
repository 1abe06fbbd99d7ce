//! A table from a typed-in list of columns, for whoever has no database at hand.

use std::sync::Arc;

use erpbridge_connector::{Column, ColumnKind, Explored, ReplicaIdentity, TableName, TableSchema};

use super::Sketch;

/// Types by the first word of their names, as databases spell them.
const TYPES: &[(&[&str], ColumnKind)] = &[
    (&["bool", "boolean", "bit"], ColumnKind::Bool),
    (
        &[
            "int",
            "integer",
            "bigint",
            "smallint",
            "mediumint",
            "tinyint",
            "int2",
            "int4",
            "int8",
            "serial",
            "bigserial",
            "smallserial",
        ],
        ColumnKind::Integer,
    ),
    (&["numeric", "decimal", "dec", "number", "money", "smallmoney"], ColumnKind::Decimal),
    (&["real", "float4"], ColumnKind::Float32),
    (&["float", "float8", "double"], ColumnKind::Float64),
    (&["timestamptz", "datetimeoffset"], ColumnKind::Instant),
    (&["timestamp", "datetime", "datetime2", "smalldatetime"], ColumnKind::LocalTimestamp),
    (&["date"], ColumnKind::Date),
    (&["time", "timetz"], ColumnKind::Time),
    (&["interval"], ColumnKind::Interval),
    (&["uuid", "uniqueidentifier"], ColumnKind::Uuid),
    (&["json", "jsonb"], ColumnKind::Json),
    (&["bytea", "blob", "longblob", "binary", "varbinary", "raw", "image"], ColumnKind::Bytes),
    (
        &[
            "text",
            "char",
            "varchar",
            "varchar2",
            "bpchar",
            "character",
            "nchar",
            "nvarchar",
            "nvarchar2",
            "ntext",
            "mediumtext",
            "longtext",
            "clob",
            "nclob",
        ],
        ColumnKind::Text,
    ),
];

/// What may stand behind a type, without meaning anything here but `key`.
const BEHIND: [&str; 18] = [
    "key",
    "primary",
    "unique",
    "not",
    "null",
    "unsigned",
    "signed",
    "zerofill",
    "precision",
    "varying",
    "large",
    "object",
    "with",
    "without",
    "local",
    "time",
    "zone",
    "auto_increment",
];

/// Reads `id int key, no varchar(20) not null, …`. The first column is taken for the key if none is
/// marked `key` or `primary key`.
///
/// # Errors
/// A sentence for a person.
pub fn columns(table: TableName, list: &str) -> Result<Sketch, String> {
    if list.trim().is_empty() {
        return Err("no column is named: write `id int, no varchar(20)`".to_owned());
    }
    let (mut columns, mut nullable, mut primary_key) = (Vec::new(), Vec::new(), Vec::new());
    for (place, text) in split(list)?.into_iter().enumerate() {
        let (column, key) = column(text)?;
        if columns.iter().any(|known: &Column| known.name == column.name) {
            return Err(format!("column `{}` is named twice", column.name));
        }
        if key {
            primary_key.push(place);
        }
        nullable.push(!key && !column.type_name.contains("not null"));
        columns.push(column);
    }
    let key_assumed = primary_key.is_empty();
    if key_assumed {
        primary_key.push(0);
    }
    let schema = TableSchema { name: table, columns, primary_key, identity: ReplicaIdentity::Key };
    let table = Explored { schema: Arc::new(schema), nullable, rows_estimate: None };
    Ok(Sketch { table, rows: Vec::new(), key_assumed })
}

/// One column, and whether it is marked as part of the key.
fn column(text: &str) -> Result<(Column, bool), String> {
    let untyped =
        || format!("`{text}` has no type: write `name type`, as in `id int` or `id int key`");
    let (name, rest) = named(text).ok_or_else(untyped)?;
    let rest = rest.trim().to_lowercase();
    let word = rest.split(|c: char| c.is_whitespace() || c == '(').next().unwrap_or_default();
    if ["", "key", "primary", "not", "null"].contains(&word) {
        return Err(untyped());
    }
    let kind = TYPES.iter().find(|(names, _)| names.contains(&word)).map(|(_, kind)| *kind);
    let unknown =
        || format!("`{word}` of `{text}` is no type known here: write one like varchar(20)");
    let kind = kind.ok_or_else(unknown)?;
    let behind = outside_parentheses(rest.strip_prefix(word).unwrap_or_default());
    let behind: Vec<&str> = behind.split_whitespace().collect();
    if let Some(stray) = behind.iter().find(|word| !BEHIND.contains(word)) {
        return Err(format!(
            "`{stray}` of `{text}` cannot be read: write `name type` and `key`, with commas between columns"
        ));
    }
    let kind = match kind {
        ColumnKind::LocalTimestamp if behind.contains(&"with") => ColumnKind::Instant,
        ColumnKind::Integer if rest.starts_with("tinyint(1)") => ColumnKind::Bool,
        kind => kind,
    };
    let key = behind.contains(&"key");
    Ok((Column { name: name.to_owned(), kind, type_name: rest, missing_in_log: false }, key))
}

/// Without what stands in parentheses: the size of a type.
fn outside_parentheses(text: &str) -> String {
    let mut depth = 0_usize;
    let outside = text.chars().map(|character| {
        match character {
            '(' => depth += 1,
            ')' => {
                depth = depth.saturating_sub(1);
                return ' ';
            }
            _ => {}
        }
        if depth == 0 { character } else { ' ' }
    });
    outside.collect()
}

/// The name, in quotes of any database or without, and what follows it.
fn named(column: &str) -> Option<(&str, &str)> {
    let quotes = [('"', '"'), ('`', '`'), ('[', ']')];
    for (open, close) in quotes {
        if let Some(rest) = column.strip_prefix(open) {
            return rest.split_once(close);
        }
    }
    column.split_once(char::is_whitespace)
}

/// At commas outside parentheses. Nothing is passed over: what cannot be read could be a column.
fn split(list: &str) -> Result<Vec<&str>, String> {
    if list.contains(';') {
        return Err("columns are separated by commas, and there is a `;`".to_owned());
    }
    let (mut depth, mut balanced) = (0_i32, true);
    let parts = list.split(|character| {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        balanced &= depth >= 0;
        character == ',' && depth == 0
    });
    let parts: Vec<&str> = parts.map(str::trim).collect();
    if depth != 0 || !balanced {
        return Err(format!("a parenthesis is not closed, or not opened: `{list}`"));
    }
    if parts.contains(&"") {
        return Err(format!("a column is missing before, behind or between commas: `{list}`"));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_in_list_is_a_table() {
        let list = "no varchar(20) not null, qty numeric(12,3), \"Due Day\" date, id int key";
        let found = columns(TableName::new("erp", "po"), list).unwrap();
        assert!(!found.key_assumed);
        let found = found.table;
        let kinds: Vec<ColumnKind> = found.schema.columns.iter().map(|c| c.kind).collect();
        assert_eq!(
            kinds,
            [ColumnKind::Text, ColumnKind::Decimal, ColumnKind::Date, ColumnKind::Integer]
        );
        assert_eq!((found.schema.primary_key.as_slice(), found.nullable[0]), (&[3][..], false));
        assert_eq!(found.schema.columns[2].name, "Due Day");
    }

    #[test]
    fn what_cannot_be_read_is_told_and_not_passed_over() {
        for (wrong, told) in [
            ("", "no column is named"),
            ("id", "`id` has no type"),
            (
                "id key, x",
                "`id key` has no type: write `name type`, as in `id int` or `id int key`",
            ),
            ("id grumpf", "`grumpf` of `id grumpf` is no type known here"),
            ("id int; co char(4)", "separated by commas"),
            ("id int co char(4)", "`co` of `id int co char(4)` cannot be read"),
            ("id int,, co char(4)", "a column is missing"),
            ("id int, co char(4", "a parenthesis is not closed"),
            ("id int, co char)4(, x int", "a parenthesis is not closed"),
            ("id int, id int", "`id` is named twice"),
        ] {
            let problem = columns(TableName::new("erp", "po"), wrong).unwrap_err();
            assert!(problem.contains(told), "{wrong}: {problem}");
        }
    }

    #[test]
    fn types_are_whole_words() {
        let list = "a interval, b timestamp(3) with time zone, c double precision, d tinyint(1), \
             e int unsigned not null, f character varying (20)";
        let found = columns(TableName::new("erp", "po"), list).unwrap();
        let kinds: Vec<ColumnKind> = found.table.schema.columns.iter().map(|c| c.kind).collect();
        let expected = [
            ColumnKind::Interval,
            ColumnKind::Instant,
            ColumnKind::Float64,
            ColumnKind::Bool,
            ColumnKind::Integer,
            ColumnKind::Text,
        ];
        assert_eq!(kinds, expected);
        assert!(found.key_assumed);
    }
}
