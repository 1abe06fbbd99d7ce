//! How a table is read: in chunks, each behind the last key of the one before.

use std::sync::Arc;

use erpbridge_connector::{ColumnKind, SourceError, TableName, TableSchema};

use crate::catalog;
use crate::relations::Captured;
use crate::session::{Parameter, Row, Session};
use crate::sql;
use crate::values::{SqlType, key_text};

/// How one table is read.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// What its rows are, by the capture instance: both must be read as the same.
    pub(super) schema: Arc<TableSchema>,
    /// How many rows the server believes it has.
    pub(super) rows_estimate: Option<u64>,
    /// What it is known by in a position.
    pub(super) fingerprint: u64,
    /// The key behind which it is still to be read; none from its start.
    pub(super) behind: Option<Vec<String>>,
    select: String,
    /// The columns of the primary key; none where it cannot be read in chunks.
    key: Vec<KeyColumn>,
}

/// A column of the key.
#[derive(Clone, Debug)]
struct KeyColumn {
    /// Its place in the rows.
    place: usize,
    kind: ColumnKind,
    quoted: String,
    sql_type: SqlType,
}

impl Plan {
    /// How the table of this instance is read.
    pub(super) async fn of(
        session: &mut Session,
        captured: &Captured,
    ) -> Result<Self, SourceError> {
        let schema = &captured.shape.schema;
        let own_name = captured.instance.table.as_ref().unwrap_or(&schema.name);
        let columns = catalog::columns(session, own_name).await?;
        let type_of = |name: &str| {
            let own = columns.iter().find(|column| column.name.eq_ignore_ascii_case(name));
            own.map(|column| &column.sql_type)
        };
        let list = schema.columns.iter().map(|column| match type_of(&column.name) {
            Some(sql_type) => sql_type.selected(&column.name),
            // It was dropped; capture goes on with NULL in its place.
            None => format!("NULL AS {}", sql::identifier(&column.name)),
        });
        let list = list.collect::<Vec<_>>().join(", ");
        let key = schema.primary_key.iter().map(|&place| {
            let column = schema.columns.get(place)?;
            let sql_type = type_of(&column.name)?.clone();
            sql_type.key_parameter(1)?;
            let quoted = sql::identifier(&column.name);
            Some(KeyColumn { place, kind: column.kind, quoted, sql_type })
        });
        Ok(Self {
            schema: Arc::clone(schema),
            rows_estimate: catalog::rows_estimate(session, own_name).await?,
            fingerprint: 0,
            behind: None,
            select: select(&list, own_name),
            key: key.collect::<Option<_>>().unwrap_or_default(),
        })
    }

    /// How many columns its key has.
    pub(super) fn key_len(&self) -> usize {
        self.key.len()
    }

    /// Whether it can be read in chunks.
    pub(super) fn has_chunks(&self) -> bool {
        !self.key.is_empty()
    }

    /// The statement that reads a whole table which has no key to read it by.
    pub(super) fn whole(&self) -> String {
        format!("SELECT {}", self.select)
    }

    /// The next rows behind this key; from the start if there is none.
    pub(super) async fn chunk(
        &self,
        session: &mut Session,
        behind: Option<&[String]>,
        most: usize,
    ) -> Result<Vec<Row>, SourceError> {
        let doing = format!("read table `{}`", self.schema.name);
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let mut asked = vec![Parameter::Integer(most)];
        asked.extend(behind.unwrap_or_default().iter().map(|text| Parameter::Text(text)));
        session.patient_rows(&doing, &self.chunk_sql(behind.is_some()), &asked).await
    }

    fn chunk_sql(&self, behind: bool) -> String {
        let order: Vec<&str> = self.key.iter().map(|column| column.quoted.as_str()).collect();
        let filter = if behind { format!(" WHERE {}", self.behind_sql()) } else { String::new() };
        format!("SELECT TOP (@P1) {}{filter} ORDER BY {}", self.select, order.join(", "))
    }

    /// `a > @P2 OR (a = @P2 AND (b > @P3))`
    fn behind_sql(&self) -> String {
        let places = (2..).zip(&self.key).collect::<Vec<_>>();
        places.into_iter().rev().fold(String::new(), |rest, (place, column)| {
            let quoted = &column.quoted;
            let value = column.sql_type.key_parameter(place).unwrap_or_default();
            if rest.is_empty() {
                format!("{quoted} > {value}")
            } else {
                format!("{quoted} > {value} OR ({quoted} = {value} AND ({rest}))")
            }
        })
    }

    /// The key of a row, as it is bound to go on behind it.
    pub(super) fn key_of(&self, row: &Row) -> Vec<String> {
        let text = |column: &KeyColumn| {
            let mut text = String::new();
            row.cell(column.place).write(&mut text);
            key_text(column.kind, &text)
        };
        self.key.iter().map(text).collect()
    }
}

fn select(list: &str, table: &TableName) -> String {
    format!("{list} FROM {}", sql::table(table))
}

/// What a row of a table weighs in a batch, about.
pub(super) fn weight(row: &Row) -> usize {
    64 + row.weight()
}

#[cfg(test)]
mod tests {
    use erpbridge_connector::testkit::table;

    use super::*;
    use crate::cell::Cell;

    fn plan() -> Plan {
        let column = |place, name: &str, sql_type: &str| KeyColumn {
            place,
            kind: ColumnKind::Integer,
            quoted: sql::identifier(name),
            sql_type: SqlType { name: sql_type.to_owned(), ..SqlType::default() },
        };
        Plan {
            schema: table("dbo.line(ord integer key, pos integer key, qty decimal)"),
            rows_estimate: None,
            fingerprint: 0,
            behind: None,
            select: "[ord], [pos], [qty] FROM [dbo].[line]".to_owned(),
            key: vec![column(0, "ord", "int"), column(1, "pos", "smallint")],
        }
    }

    #[test]
    fn a_chunk_begins_behind_the_whole_key_of_the_last() {
        let plan = plan();
        assert_eq!(
            plan.chunk_sql(true),
            "SELECT TOP (@P1) [ord], [pos], [qty] FROM [dbo].[line] WHERE [ord] > CAST(@P2 AS int) \
             OR ([ord] = CAST(@P2 AS int) AND ([pos] > CAST(@P3 AS smallint))) ORDER BY [ord], [pos]"
        );
        assert_eq!(
            plan.chunk_sql(false),
            "SELECT TOP (@P1) [ord], [pos], [qty] FROM [dbo].[line] ORDER BY [ord], [pos]"
        );
    }

    #[test]
    fn the_key_of_a_row_is_bound_as_text() {
        let row = Row::from(vec![Cell::Integer(7), Cell::Integer(2), Cell::Null]);
        assert_eq!(plan().key_of(&row), ["7", "2"]);
    }
}
