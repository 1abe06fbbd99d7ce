//! A first mapping to begin with, and a first case: proposed by the names and types of columns.
//!
//! What is proposed is correct as far as a file can be: `map check` accepts it. Whether it is true
//! only a person can say, so that every guess is marked `GUESS`, and what nobody could guess is
//! marked `FILL IN` and keeps `map test` from passing until it is filled in. A wrong event would
//! be worse than none.

mod codes;
mod columns;
mod guess;
mod lines;
mod table;
mod words;

use std::collections::BTreeSet;

use erpbridge_connector::{Explored, ReplicaIdentity, TableSchema};

pub use self::columns::columns;
use self::table::Proposal;
use crate::canonical::catalog;

/// A table to be mapped, with some of its rows where there is a database.
#[derive(Clone, Debug)]
pub struct Sketch {
    /// The table.
    pub table: Explored,
    /// Some of its rows.
    pub rows: Vec<Vec<Option<String>>>,
}

impl Sketch {
    fn schema(&self) -> &TableSchema {
        &self.table.schema
    }

    /// The texts seen in a column, each once, in order.
    fn seen(&self, column: &str) -> Vec<&str> {
        let Some(place) = self.schema().column(column) else { return Vec::new() };
        let cells = self.rows.iter().filter_map(|row| row.get(place)?.as_deref());
        let mut seen: Vec<&str> = cells.map(str::trim).filter(|text| !text.is_empty()).collect();
        seen.sort_unstable();
        seen.dedup();
        seen
    }
}

/// Two files, and what a person has to look at in them.
#[derive(Clone, Debug)]
pub struct Start {
    /// The mapping.
    pub mapping: String,
    /// Its first cases.
    pub cases: String,
    /// What was guessed, in sentences.
    pub guesses: Vec<String>,
    /// What must be filled in, in sentences.
    pub open: Vec<String>,
}

/// Why nothing can be proposed for a table.
#[derive(Debug, thiserror::Error)]
#[error("it cannot be told what the rows of `{table}` are")]
pub struct Unknown {
    table: String,
}

/// What the rows of a table can be, as `family.entity`.
pub fn entities() -> Vec<String> {
    let all = catalog().events().map(|event| format!("{}.{}", event.family, event.entity));
    let all: BTreeSet<String> = all.collect();
    all.into_iter().filter(|entity| guess::told(entity).is_some()).collect()
}

/// Proposes a mapping of this name for some tables. `entity` says what the rows are, if their
/// tables' names do not.
///
/// # Errors
/// If it cannot be told what the rows of a table are.
pub fn propose(name: &str, sketches: &[Sketch], entity: Option<&str>) -> Result<Start, Unknown> {
    let mut proposals = Vec::new();
    for sketch in sketches {
        let proposal = Proposal::of(sketch, alias(sketch.schema(), &proposals), entity);
        let table = || Unknown { table: sketch.schema().name.to_string() };
        proposals.push(proposal.ok_or_else(table)?);
    }
    Ok(Start {
        mapping: mapping(name, &proposals),
        cases: cases(&proposals),
        guesses: proposals.iter().flat_map(|proposal| proposal.guesses.clone()).collect(),
        open: proposals.iter().flat_map(|proposal| proposal.open.clone()).collect(),
    })
}

/// The name of a table in the mapping: with its schema where another has the same.
fn alias(schema: &TableSchema, others: &[Proposal<'_>]) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let own: String = schema.name.table.chars().map(legal).collect();
    if others.iter().all(|other| other.alias != own) {
        return own;
    }
    schema.name.to_string().chars().map(legal).collect()
}

fn mapping(name: &str, proposals: &[Proposal<'_>]) -> String {
    let mut out = vec![
        "# A first mapping, proposed by the names and types of columns.".to_owned(),
        "# Look at every line marked GUESS. What is marked FILL IN keeps `map test` from passing."
            .to_owned(),
        format!("mapping: {name}"),
        "read: { trim: end, blank: null }       # blanks at the end are none; all blank is NULL"
            .to_owned(),
        String::new(),
        "tables:".to_owned(),
    ];
    for proposal in proposals {
        proposal.write_table(&mut out);
    }
    let codes: Vec<String> = proposals.iter().flat_map(|proposal| proposal.codes.clone()).collect();
    if !codes.is_empty() {
        out.extend([String::new(), "codes:".to_owned()]);
        out.extend(codes);
    }
    let mut fields = Vec::new();
    for proposal in proposals {
        proposal.write_fields(&mut fields);
    }
    if !fields.is_empty() {
        out.extend([String::new(), "fields:".to_owned()]);
        out.append(&mut fields);
    }
    out.extend([String::new(), "events:".to_owned()]);
    for proposal in proposals {
        proposal.write_events(&mut out);
    }
    out.join("\n") + "\n"
}

fn cases(proposals: &[Proposal<'_>]) -> String {
    let mut out = vec![
        "# Invented rows, and the events they must become. Add what your ERP really does; `map test".to_owned(),
        "# --update` writes down what comes out, to be read before it is believed.".to_owned(),
        "tables:".to_owned(),
    ];
    for proposal in proposals {
        crate::mapping::cases::write::table(proposal.schema(), &mut out);
    }
    out.push("cases:".to_owned());
    for proposal in proposals {
        proposal.write_case(&mut out);
    }
    out.join("\n") + "\n"
}

/// Whether the log carries whole old rows.
fn carries_old_rows(schema: &TableSchema) -> bool {
    schema.identity == ReplicaIdentity::Full
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use erpbridge_connector::TableName;

    use super::*;
    use crate::mapping::Mapping;

    const COLUMNS: &str = "id bigint key, co int, no varchar(9), supplier_no int, item varchar(3), \
         qty float, unit char(3), price numeric(3), cur char(3), st char(1), at timestamp, \
         on_date date, due int, line int, active char(1), note text, raw bytea";

    fn sketch(table: &str, columns: &str, rows: &[&[&str]]) -> Sketch {
        let table = super::columns(TableName::new("erp", table), columns).unwrap();
        let row = |row: &&[&str]| row.iter().map(|cell| Some((*cell).to_owned())).collect();
        Sketch { table, rows: rows.iter().map(row).collect() }
    }

    #[test]
    fn whatever_the_rows_are_the_proposal_is_a_mapping() {
        for entity in entities() {
            for columns in [COLUMNS, "id int", "\"Order No\" varchar(3), \"Größe\" int"] {
                let sketches = [sketch("t 1", columns, &[])];
                let start = propose("first", &sketches, Some(&entity)).unwrap();
                let text = start.mapping;
                let mapping = Mapping::from_texts(&[("first.yaml", &text)]);
                let mapping = mapping.unwrap_or_else(|found| panic!("{found:#?}\n{text}"));
                let schema = &sketches[0].table.schema;
                let bound = mapping.bind("s", schema, std::slice::from_ref(schema));
                assert!(bound.is_ok(), "{entity}: {bound:#?}\n{text}");
            }
        }
    }

    #[test]
    fn codes_that_are_words_are_guessed_and_others_are_left_to_a_person() {
        let columns = "id int key, vendor int, status varchar(9), due int";
        let rows: [&[&str]; 2] = [&["1", "7", "Closed", "126001"], &["2", "7", "Z9", "0"]];
        let start = propose("shop", &[sketch("orders", columns, &rows)], None).unwrap();
        for line in
            ["\"Closed\": closed # GUESS", "# \"Z9\":", "due, date: cyyddd }", "supplier: vendor"]
        {
            assert!(start.mapping.contains(line), "{line}\n{}", start.mapping);
        }
        assert!(start.open[0].contains("codes of column `status`"), "{:?}", start.open);
        assert!(start.cases.contains("status: Z9"), "the case shows what is open: {}", start.cases);
    }

    #[test]
    fn a_table_whose_log_tells_no_updates_gets_rules_for_new_rows_alone() {
        let mut bare = sketch("vendors", "vno char(8), nm varchar(40)", &[]);
        let mut schema = TableSchema::clone(&bare.table.schema);
        (schema.identity, schema.primary_key) = (ReplicaIdentity::Nothing, Vec::new());
        bare.table.schema = Arc::new(schema);
        let start = propose("shop", &[bare, sketch("stkbal", "id int, onhand int", &[])], None);
        let text = start.unwrap().mapping;
        let (vendors, balances) = text.split_once("inventory.balance.changed").unwrap();
        assert!(
            vendors.contains("when: inserted\n") && !vendors.contains("when: deleted"),
            "{text}"
        );
        assert!(balances.contains("when: [inserted, updated]"), "{text}");
    }

    #[test]
    fn what_no_column_looks_like_is_left_open_with_how_it_is_written() {
        let start = propose("shop", &[sketch("stock_moves", "id int", &[])], None).unwrap();
        for line in [
            "item: { expr: \"null\" } # FILL IN `item: <column>`: Key of the item.",
            "# FILL IN `kind: { constant: receipt }`, or a column and a code table; one of receipt,",
            "quantity: { value: { expr: \"null\" }, unit: { constant: C62 } } # FILL IN `value: <column>`",
        ] {
            assert!(start.mapping.contains(line), "{line}\n{}", start.mapping);
        }
        assert_eq!(start.open.len(), 3, "{:?}", start.open);
    }

    #[test]
    fn the_texts_of_a_column_that_holds_no_codes_stay_where_they_are() {
        let texts: Vec<String> = (0..60).map(|number| format!("note {number}")).collect();
        let rows: Vec<[&str; 3]> = texts.iter().map(|text| ["1", "7", text.as_str()]).collect();
        let rows: Vec<&[&str]> = rows.iter().map(|row| &row[..]).collect();
        let columns = "id int key, vendor int, status varchar(90)";
        let start = propose("shop", &[sketch("orders", columns, &rows)], None).unwrap();
        assert!(!start.mapping.contains("note 1"), "{}", start.mapping);
        assert!(!start.cases.contains("note 1"), "{}", start.cases);
    }

    #[test]
    fn no_real_value_but_a_code_gets_into_the_files() {
        let columns = "id int key, vendor varchar(40), order_no varchar(20), note text";
        let rows: [&[&str]; 1] = [&["4711", "Nightingale", "SECRET-1", "12 Harbour Lane"]];
        let start = propose("shop", &[sketch("orders", columns, &rows)], None).unwrap();
        for value in rows[0] {
            assert!(!start.mapping.contains(value) && !start.cases.contains(value), "{value}");
        }
    }

    #[test]
    fn a_table_whose_name_says_nothing_is_not_guessed() {
        let error = propose("x", &[sketch("zzz", "id int", &[])], None).unwrap_err();
        assert!(error.to_string().contains("erp.zzz"));
        assert!(propose("x", &[sketch("zzz", "id int", &[])], Some("no.thing")).is_err());
    }
}
