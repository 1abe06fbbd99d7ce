//! A case of live rows that can be sent to somebody else.
//!
//! Recorded are the rows that were asked for and those they look up, only the columns that the
//! mapping reads, and every cell under the [`Mask`]. What is expected is what the mapping makes of
//! the masked rows, so that the case passes where it is sent to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use erpbridge_connector::{Column, Sampled, TableName, TableSchema};

use super::Site;
use super::mask::Mask;
pub use super::mask::Shown;
use super::preview::As;
use crate::mapping::cases::write;

/// A file of one case, before anything is expected of it.
pub struct Recording {
    /// The file.
    pub text: String,
    /// How many rows the case is about, and how many are there before.
    pub rows: (usize, usize),
    /// What became of the columns of each table.
    pub masked: Vec<Masked>,
}

/// What became of the columns of a table.
pub struct Masked {
    /// The table.
    pub table: TableName,
    /// Its columns, by how they are shown.
    pub columns: BTreeMap<Shown, Vec<String>>,
    /// Those that are not in the file.
    pub left_out: Vec<String>,
}

impl Masked {
    /// In sentences: `co, status: kept, as codes`.
    pub fn sentences(&self) -> Vec<String> {
        let told = |(shown, columns): (&Shown, &Vec<String>)| {
            let what = match shown {
                Shown::Code => "kept if short, as codes",
                Shown::Moment => "kept, as days and times",
                Shown::Number => "multiplied, as numbers",
                Shown::Text => "replaced, as keys and texts",
            };
            format!("{}: {what}", columns.join(", "))
        };
        let out = (!self.left_out.is_empty())
            .then(|| format!("{}: left out, not read", self.left_out.join(", ")));
        self.columns.iter().map(told).chain(out).collect()
    }
}

/// Writes down rows that were sampled, with what they look up.
pub fn record(
    name: &str,
    samples: &[Sampled],
    given: &[Sampled],
    site: &Site,
    as_if: As,
) -> Recording {
    let given = others(given, samples);
    let mut draft = Draft::new(site);
    let happened: Vec<Shape> = samples.iter().map(|sample| draft.shape(&sample.table)).collect();
    let there: Vec<Shape> = given.iter().map(|sample| draft.shape(&sample.table)).collect();
    draft.around(samples);
    let word = match as_if {
        As::Insert => "insert",
        As::Read => "read",
        As::Delete => "delete",
    };
    let mut rows = Vec::new();
    for (sample, shape) in samples.iter().zip(&happened) {
        for row in &sample.rows {
            rows.push(format!("      - - {word}: {}", write::name(&sample.table.name.to_string())));
            let row = draft.masked(shape, row);
            write::row("          row: ", &shape.schema, &row, &mut rows);
        }
    }
    let mut before = Vec::new();
    for (sample, shape) in given.iter().zip(&there) {
        for row in &sample.rows {
            let row = draft.masked(shape, row);
            let head = format!("      - {}: ", write::name(&sample.table.name.to_string()));
            write::row(&head, &shape.schema, &row, &mut before);
        }
    }
    let count = |samples: &[Sampled]| samples.iter().map(|sample| sample.rows.len()).sum();
    let counts = (count(samples), count(&given));
    Recording { text: draft.file(name, &before, &rows), rows: counts, masked: draft.masked }
}

/// The rows that are not among those the case is about.
fn others(given: &[Sampled], samples: &[Sampled]) -> Vec<Sampled> {
    let mut seen: BTreeSet<(TableName, Vec<Option<String>>)> = BTreeSet::new();
    let key = |table: &TableSchema, row: &[Option<String>]| {
        let cells = table.primary_key.iter().map(|place| row.get(*place).cloned().flatten());
        (table.name.clone(), cells.collect::<Vec<_>>())
    };
    for sample in samples {
        seen.extend(sample.rows.iter().map(|row| key(&sample.table, row)));
    }
    let mut out = Vec::new();
    for sample in given {
        let mut sample = sample.clone();
        let table = Arc::clone(&sample.table);
        sample.rows.retain(|row| seen.insert(key(&table, row)));
        if !sample.rows.is_empty() {
            out.push(sample);
        }
    }
    out
}

/// A table as the file describes it, and which columns of the database's own those are.
struct Shape {
    schema: TableSchema,
    columns: Vec<(usize, Shown)>,
}

const HEAD: &str =
    "# Recorded from live rows and masked; the names of tables and columns are as they are.";

/// A file that is being written.
struct Draft<'s> {
    site: &'s Site,
    mask: Mask,
    masked: Vec<Masked>,
    tables: Vec<String>,
}

impl<'s> Draft<'s> {
    fn new(site: &'s Site) -> Self {
        let mask = Mask::new(&site.mapping().texts());
        Self { site, mask, masked: Vec::new(), tables: Vec::new() }
    }

    /// Describes what must be there with the tables the case is about, if only without rows.
    fn around(&mut self, samples: &[Sampled]) {
        let site = self.site;
        let all: Vec<TableName> =
            site.tables().iter().map(|table| table.schema.name.clone()).collect();
        for sample in samples {
            let near = site.mapping().around(&sample.table.name, &all);
            for table in site.tables().iter().filter(|table| near.contains(&table.schema.name)) {
                self.shape(&table.schema);
            }
        }
    }

    /// The columns of a table that are read; told and described when it first comes up.
    fn shape(&mut self, table: &TableSchema) -> Shape {
        let uses = self.site.mapping().uses(table);
        let read = |(place, column): (usize, &Column)| {
            Some((place, Shown::of(column, uses.get(&column.name)?)))
        };
        let columns: Vec<(usize, Shown)> =
            table.columns.iter().enumerate().filter_map(read).collect();
        let place = |own: &usize| columns.iter().position(|(place, _)| place == own);
        let named = |(place, _): &(usize, Shown)| table.columns.get(*place).cloned();
        let schema = TableSchema {
            name: table.name.clone(),
            columns: columns.iter().filter_map(named).collect(),
            primary_key: table.primary_key.iter().filter_map(place).collect(),
            identity: table.identity,
        };
        if !self.masked.iter().any(|known| known.table == table.name) {
            write::table(&schema, &mut self.tables);
            self.masked.push(told(table, &schema, &columns));
        }
        Shape { schema, columns }
    }

    fn masked(&mut self, shape: &Shape, row: &[Option<String>]) -> Vec<Option<String>> {
        let cells = shape.schema.columns.iter().zip(&shape.columns);
        let shown = cells.map(|(column, (place, shown))| {
            let text = row.get(*place)?.as_deref()?;
            Some(self.mask.cell(column, *shown, text))
        });
        shown.collect()
    }

    fn file(&self, name: &str, before: &[String], rows: &[String]) -> String {
        let mut out = vec![HEAD.to_owned()];
        for masked in &self.masked {
            out.push(format!("# {}", masked.table));
            out.extend(masked.sentences().iter().map(|sentence| format!("#   {sentence}")));
        }
        out.push("tables:".to_owned());
        out.extend(self.tables.iter().cloned());
        out.push("cases:".to_owned());
        out.push(format!("  - name: {}", write::name(name)));
        if !before.is_empty() {
            out.push("    given:".to_owned());
            out.extend(before.iter().cloned());
        }
        out.push("    transactions:".to_owned());
        out.extend(rows.iter().cloned());
        out.join("\n") + "\n"
    }
}

fn told(table: &TableSchema, schema: &TableSchema, shown: &[(usize, Shown)]) -> Masked {
    let mut columns: BTreeMap<Shown, Vec<String>> = BTreeMap::new();
    for (column, (_, shown)) in schema.columns.iter().zip(shown) {
        columns.entry(*shown).or_default().push(column.name.clone());
    }
    let left_out = table.columns.iter().filter(|column| schema.column(&column.name).is_none());
    let left_out = left_out.map(|column| column.name.clone()).collect();
    Masked { table: table.name.clone(), columns, left_out }
}
