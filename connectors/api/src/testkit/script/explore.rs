//! A script's tables can be looked at: their rows are the seeds.

use std::sync::Arc;

use super::{ScriptSource, cells};
use crate::{
    Explored, Explorer, Sample, Sampled, SourceError, SourceErrorKind, SourceFuture, TableName,
    TableSchema, Value,
};

impl Explorer for Arc<ScriptSource> {
    fn names(&self) -> SourceFuture<'_, Result<Vec<TableName>, SourceError>> {
        (**self).names()
    }

    fn describe<'a>(
        &'a self,
        tables: &'a [TableName],
    ) -> SourceFuture<'a, Result<Vec<Explored>, SourceError>> {
        (**self).describe(tables)
    }

    fn sample<'a>(&'a self, asked: &'a Sample) -> SourceFuture<'a, Result<Sampled, SourceError>> {
        (**self).sample(asked)
    }
}

impl Explorer for ScriptSource {
    fn names(&self) -> SourceFuture<'_, Result<Vec<TableName>, SourceError>> {
        let mut names: Vec<TableName> = self.tables.iter().map(|t| t.name.clone()).collect();
        names.sort();
        Box::pin(async { Ok(names) })
    }

    fn describe<'a>(
        &'a self,
        tables: &'a [TableName],
    ) -> SourceFuture<'a, Result<Vec<Explored>, SourceError>> {
        let explored = tables.iter().filter_map(|name| self.shape(name)).map(|schema| {
            let key = |(place, _)| !schema.primary_key.contains(&place);
            Explored {
                nullable: schema.columns.iter().enumerate().map(key).collect(),
                rows_estimate: None,
                schema,
            }
        });
        let explored = explored.collect();
        Box::pin(async { Ok(explored) })
    }

    fn sample<'a>(&'a self, asked: &'a Sample) -> SourceFuture<'a, Result<Sampled, SourceError>> {
        Box::pin(async { self.rows(asked) })
    }
}

impl ScriptSource {
    fn shape(&self, name: &TableName) -> Option<Arc<TableSchema>> {
        self.tables.iter().find(|table| table.name == *name).cloned()
    }

    /// The seeds of a table, the last one first.
    fn rows(&self, asked: &Sample) -> Result<Sampled, SourceError> {
        let Some(table) = self.shape(&asked.table) else {
            let message = format!("sample table `{}`: there is no such table", asked.table);
            return Err(SourceError::new(SourceErrorKind::Setup, message));
        };
        let places: Vec<Option<usize>> = asked.columns.iter().map(|c| table.column(c)).collect();
        let cell = |row: &Vec<Option<String>>, place: &Option<usize>| row.get((*place)?)?.clone();
        let matches = |row: &Vec<Option<String>>| {
            let key: Vec<_> = places.iter().map(|place| cell(row, place)).collect();
            let is = |asked: &Vec<String>| asked.iter().eq(key.iter().flatten());
            asked.columns.is_empty() || asked.keys.iter().any(is)
        };
        let seeds = self.seeds.iter().filter(|seeds| seeds.table.name == table.name);
        let lines = seeds.flat_map(|seeds| &seeds.rows).filter_map(|row| row.after.as_deref());
        let mut rows: Vec<_> = lines.map(row).filter(matches).collect();
        rows.reverse();
        rows.truncate(asked.limit);
        Ok(Sampled { table, rows })
    }
}

fn row(line: &str) -> Vec<Option<String>> {
    let text = |value: Value<'_>| value.text().map(str::to_owned);
    cells(line).into_iter().map(text).collect()
}
