//! What became of a table's columns, in words, with what to do.

use erpbridge_connector::TableSchema;

/// One sentence for every column that is new, gone or of another type.
pub(super) fn differences(previous: &TableSchema, now: &TableSchema) -> Vec<String> {
    let mut changes = Vec::new();
    for column in &now.columns {
        let name = &column.name;
        match previous.columns.iter().find(|known| known.name == *name) {
            None => changes.push(format!("column `{name}` is new: map it if it means something")),
            Some(known) if known.type_name != column.type_name => changes.push(format!(
                "column `{name}` was {} and is {}: check its codec",
                known.type_name, column.type_name
            )),
            Some(_) => {}
        }
    }
    for column in &previous.columns {
        if now.column(&column.name).is_none() {
            changes.push(format!("column `{}` is gone: take it out of the mapping", column.name));
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use erpbridge_connector::{Column, ColumnKind, ReplicaIdentity, TableName};

    use super::*;

    fn table(columns: &[(&str, &str)]) -> TableSchema {
        let column = |(name, type_name): &(&str, &str)| Column {
            name: (*name).into(),
            kind: ColumnKind::Text,
            type_name: (*type_name).into(),
            missing_in_log: false,
        };
        TableSchema {
            name: TableName::new("erp", "item"),
            columns: columns.iter().map(column).collect(),
            primary_key: vec![0],
            identity: ReplicaIdentity::Full,
        }
    }

    #[test]
    fn columns_that_come_go_or_change_are_told_with_what_to_do() {
        let was = table(&[("id", "int4"), ("code", "varchar(20)"), ("old", "text")]);
        let is = table(&[("id", "int4"), ("code", "varchar(40)"), ("new", "text")]);
        let told = differences(&was, &is);
        assert_eq!(told[0], "column `code` was varchar(20) and is varchar(40): check its codec");
        assert!(told[1].starts_with("column `new` is new"), "{told:?}");
        assert!(told[2].starts_with("column `old` is gone"), "{told:?}");
        assert!(differences(&was, &was).is_empty());
    }
}
