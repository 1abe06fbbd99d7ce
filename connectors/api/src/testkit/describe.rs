//! Tables and rows in a line.

use std::sync::Arc;

use crate::{Column, ColumnKind, ReplicaIdentity, TableName, TableSchema, Value};

/// A table from a line: `erp.item(code text key, name text, stock decimal)`. Columns marked `key`
/// are the primary key; `full` behind the closing parenthesis lets updates carry the old row.
///
/// # Panics
/// If the line is not of that form.
pub fn table(line: &str) -> Arc<TableSchema> {
    let (name, rest) = line.split_once('(').expect("schema.table(columns)");
    let (columns, tail) = rest.rsplit_once(')').expect("a closing parenthesis");
    let (schema, table) = name.trim().split_once('.').expect("schema.table");
    let words = |column: &'_ str| column.split_whitespace().map(str::to_owned).collect();
    let columns: Vec<Vec<String>> = columns.split(',').map(words).collect();
    let keyed = |column: &&Vec<String>| column.get(2).is_some_and(|word| word == "key");
    let keys = columns.iter().enumerate().filter(|(_, column)| keyed(column));
    Arc::new(TableSchema {
        name: TableName::new(schema, table),
        primary_key: keys.map(|(place, _)| place).collect(),
        identity: match tail.trim() {
            "full" => ReplicaIdentity::Full,
            _ => ReplicaIdentity::Key,
        },
        columns: columns.iter().map(|words| column(words)).collect(),
    })
}

fn column(words: &[String]) -> Column {
    let [name, kind, ..] = words else { panic!("a column is `name kind [key]`, not {words:?}") };
    Column {
        name: name.clone(),
        kind: self::kind(kind),
        type_name: kind.clone(),
        missing_in_log: false,
    }
}

fn kind(word: &str) -> ColumnKind {
    match word {
        "bool" => ColumnKind::Bool,
        "integer" => ColumnKind::Integer,
        "decimal" => ColumnKind::Decimal,
        "float32" => ColumnKind::Float32,
        "float64" => ColumnKind::Float64,
        "text" => ColumnKind::Text,
        "date" => ColumnKind::Date,
        "time" => ColumnKind::Time,
        "timestamp" => ColumnKind::LocalTimestamp,
        "instant" => ColumnKind::Instant,
        "interval" => ColumnKind::Interval,
        "uuid" => ColumnKind::Uuid,
        "json" => ColumnKind::Json,
        "bytes" => ColumnKind::Bytes,
        "other" => ColumnKind::Other,
        unknown => panic!("no column kind is called {unknown}"),
    }
}

/// A row from a line: `A-1 | Bolt | NULL | ABSENT`. Blanks around a cell are not part of it.
pub fn cells(line: &str) -> Vec<Value<'_>> {
    line.split('|')
        .map(|cell| match cell.trim() {
            "NULL" => Value::Null,
            "ABSENT" => Value::Absent,
            text => Value::Text(text),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_describes_a_table() {
        let table = table("erp.line(ord text key, pos integer key, qty decimal) full");
        assert_eq!(table.name, TableName::new("erp", "line"));
        assert_eq!(table.primary_key, [0, 1]);
        assert_eq!(table.identity, ReplicaIdentity::Full);
        assert_eq!(table.columns[2].kind, ColumnKind::Decimal);
    }

    #[test]
    fn a_line_describes_a_row() {
        let row = [Value::Text("A-1"), Value::Null, Value::Absent, Value::Text("")];
        assert_eq!(cells("A-1 | NULL | ABSENT |"), row);
    }
}
