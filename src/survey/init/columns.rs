//! A table from a typed-in list of columns, for whoever has no database at hand.

use std::sync::Arc;

use erpbridge_connector::{Column, ColumnKind, Explored, ReplicaIdentity, TableName, TableSchema};

/// Types by the beginnings of their names, as databases spell them.
const TYPES: &[(&[&str], ColumnKind)] = &[
    (&["bool", "bit", "tinyint(1)"], ColumnKind::Bool),
    (&["int", "bigint", "smallint", "tinyint", "serial", "bigserial"], ColumnKind::Integer),
    (&["numeric", "decimal", "number", "money", "smallmoney"], ColumnKind::Decimal),
    (&["real", "float4"], ColumnKind::Float32),
    (&["float", "double"], ColumnKind::Float64),
    (&["timestamptz", "timestamp with", "datetimeoffset"], ColumnKind::Instant),
    (&["timestamp", "datetime", "smalldatetime"], ColumnKind::LocalTimestamp),
    (&["date"], ColumnKind::Date),
    (&["time"], ColumnKind::Time),
    (&["uuid", "uniqueidentifier"], ColumnKind::Uuid),
    (&["json"], ColumnKind::Json),
    (&["bytea", "blob", "binary", "varbinary", "image"], ColumnKind::Bytes),
    (
        &["text", "char", "varchar", "character", "nchar", "nvarchar", "ntext", "longtext", "clob"],
        ColumnKind::Text,
    ),
];

/// Reads `id int key, no varchar(20) not null, …`. The first column is the key if none is marked
/// `key` or `primary key`.
///
/// # Errors
/// A sentence for a person.
pub fn columns(table: TableName, list: &str) -> Result<Explored, String> {
    let (mut columns, mut nullable, mut primary_key) = (Vec::new(), Vec::new(), Vec::new());
    for (place, column) in split(list).into_iter().enumerate() {
        let (name, rest) = named(column)
            .ok_or_else(|| format!("`{column}` has no type: write `name type`, as in `id int`"))?;
        let rest = rest.trim().to_lowercase();
        let kind = TYPES.iter().find(|(names, _)| names.iter().any(|name| rest.starts_with(name)));
        let (_, kind) = kind
            .ok_or_else(|| format!("`{rest}` is no type known here: write one like varchar(20)"))?;
        let key = rest.split_whitespace().any(|word| word == "key");
        if key {
            primary_key.push(place);
        }
        nullable.push(!key && !rest.contains("not null"));
        columns.push(Column {
            name: name.to_owned(),
            kind: *kind,
            type_name: rest,
            missing_in_log: false,
        });
    }
    if columns.is_empty() {
        return Err("no column is named: write `id int, no varchar(20)`".to_owned());
    }
    if primary_key.is_empty() {
        primary_key.push(0);
    }
    let schema = TableSchema { name: table, columns, primary_key, identity: ReplicaIdentity::Key };
    Ok(Explored { schema: Arc::new(schema), nullable, rows_estimate: None })
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

/// At commas outside parentheses.
fn split(list: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let parts = list.split(|character| {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ',' && depth == 0
    });
    parts.map(str::trim).filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_in_list_is_a_table() {
        let list = "no varchar(20) not null, qty numeric(12,3), \"Due Day\" date, id int key";
        let found = columns(TableName::new("erp", "po"), list).unwrap();
        let kinds: Vec<ColumnKind> = found.schema.columns.iter().map(|c| c.kind).collect();
        assert_eq!(
            kinds,
            [ColumnKind::Text, ColumnKind::Decimal, ColumnKind::Date, ColumnKind::Integer]
        );
        assert_eq!((found.schema.primary_key.as_slice(), found.nullable[0]), (&[3][..], false));
        assert_eq!(found.schema.columns[2].name, "Due Day");
        for wrong in ["", "id", "id grumpf"] {
            assert!(columns(TableName::new("erp", "po"), wrong).is_err(), "{wrong}");
        }
    }
}
