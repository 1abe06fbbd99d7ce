//! Tables come, change and go.

use super::Database;
use super::cdc::{Cdc, Logged};
use super::state::{Data, State, split_name};
use super::table::Table;
use crate::Value;
use crate::problem::Result;
use crate::sql::{Column, Parser};
use crate::value::cast::cast;

impl Database {
    /// Makes a table. Columns are as in `CREATE TABLE`: `Code varchar(20) COLLATE
    /// SQL_Latin1_General_CP850_CI_AS NOT NULL, Total AS CAST(Price * Quantity AS money), PRIMARY
    /// KEY (Code)`. A computed column is not worked out: an insert may give the value.
    pub fn create_table(&self, name: &str, columns: &str) {
        let (columns, key) = read(columns, Parser::columns);
        self.state().create_table(name, columns, &key);
    }

    /// The names of a table's key columns, in key order.
    pub fn key(&self, table: &str) -> Vec<String> {
        let state = self.state();
        let table = state.data.named(table);
        let columns = table.key.iter().filter_map(|&place| table.columns.get(place));
        columns.map(|column| column.column.name.clone()).collect()
    }

    /// Drops a table and its capture instances.
    pub fn drop_table(&self, name: &str) {
        let mut state = self.state();
        let id = state.data.named(name).id;
        state.data.tables.retain(|table| table.id != id);
        if let Some(cdc) = &mut state.data.cdc {
            cdc.instances.retain(|instance| instance.source != id);
        }
    }

    /// `ALTER TABLE … ADD`; existing rows have NULL. Not captured by existing instances.
    pub fn add_column(&self, table: &str, column: &str) {
        let made = read(column, Parser::column);
        let mut state = self.state();
        state.data.named_mut(table).add_column(made);
        note(&mut state, table, &format!("ALTER TABLE {table} ADD {column}"), false);
    }

    /// `ALTER TABLE … DROP COLUMN`; captured as NULL from now on.
    pub fn drop_column(&self, table: &str, column: &str) {
        let mut state = self.state();
        let found = state.data.named_mut(table);
        let place = found.column(column).expect("the column exists");
        assert!(!found.key.contains(&place), "a key column cannot be dropped");
        found.drop_column(place);
        note(&mut state, table, &format!("ALTER TABLE {table} DROP COLUMN {column}"), false);
    }

    /// `ALTER TABLE … ALTER COLUMN`; the change tables follow.
    pub fn alter_column(&self, table: &str, column: &str) {
        let made = read(column, Parser::column);
        let mut state = self.state();
        retype(&mut state.data, table, made);
        note(&mut state, table, &format!("ALTER TABLE {table} ALTER COLUMN {column}"), true);
    }

    /// `TRUNCATE TABLE`; SQL Server refuses it for a captured table (error 4711), and so the
    /// answer is whether it was done.
    pub fn truncate(&self, table: &str) -> bool {
        let mut state = self.state();
        let id = state.data.named(table).id;
        if state.data.instances_of(id).next().is_some() {
            return false;
        }
        state.data.commits += 1;
        let commit = state.data.commits;
        let table = state.data.named_mut(table);
        let keys: Vec<_> = table.all().map(|(key, _)| key.clone()).collect();
        for key in keys {
            table.write(key, commit, None);
        }
        true
    }
}

impl State {
    pub(crate) fn create_table(&mut self, name: &str, columns: Vec<Column>, key: &[String]) {
        let now = self.clock.now();
        let (schema, table) = split_name(name);
        assert!(self.data.table(&schema, &table).is_none(), "the table \"{name}\" exists");
        let id = self.data.object_id();
        let mut made = Table::new(id, (&schema, &table), columns, now);
        made.key = key.iter().map(|name| made.column(name).expect("a key column exists")).collect();
        for &place in &made.key {
            if let Some(column) = made.columns.get_mut(place) {
                column.column.nullable = false;
            }
        }
        self.data.tables.push(made);
    }
}

fn read<T>(text: &str, reading: impl FnOnce(&mut Parser) -> Result<T>) -> T {
    let read = Parser::new(text).and_then(|mut parser| reading(&mut parser));
    read.unwrap_or_else(|problem| panic!("{text}: {problem}"))
}

fn retype(data: &mut Data, table: &str, made: Column) {
    let table = data.named_mut(table);
    let place = table.column(&made.name).expect("the column exists");
    assert!(!table.key.contains(&place), "a key column keeps its type");
    let column = table.columns.get_mut(place).expect("it was just found");
    let (id, from, to) = (column.id, column.column.of, made.of);
    column.column = made;
    let convert =
        |value: &Value| cast(value, from, to, 0).unwrap_or_else(|problem| panic!("{problem}"));
    table.reshape(|cells| {
        if let Some(cell) = cells.get_mut(place) {
            *cell = convert(cell);
        }
    });
    let cdc = data.cdc.iter_mut().flat_map(|cdc| &mut cdc.instances);
    cdc.for_each(|instance| instance.retype(id, to, convert));
}

/// Writes a change of a table into the log, from where the job takes it to `cdc.ddl_history`.
fn note(state: &mut State, table: &str, command: &str, retyped: bool) {
    let now = state.clock.now();
    let lsn = state.data.reserve(1);
    let found = state.data.named_mut(table);
    found.modified = now;
    let table = found.id;
    if let Some(cdc) = &mut state.data.cdc {
        let command = command.to_owned();
        cdc.pending.push_back(Logged::Ddl { table, command, lsn, at: now, retyped });
        Cdc::work(cdc, now);
    }
}
