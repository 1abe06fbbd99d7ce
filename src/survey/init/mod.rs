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
use crate::document::similar;

/// A table to be mapped, with some of its rows where there is a database.
#[derive(Clone, Debug)]
pub struct Sketch {
    /// The table.
    pub table: Explored,
    /// Some of its rows.
    pub rows: Vec<Vec<Option<String>>>,
    /// Whether nobody said what its key is, so that its first column is taken for it.
    pub key_assumed: bool,
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

/// Why nothing can be proposed.
#[derive(Debug, thiserror::Error)]
pub enum Unknown {
    /// The name of a table says nothing.
    #[error("it cannot be told what the rows of `{0}` are")]
    Table(String),
    /// Rows are said to be something there are no events of.
    #[error("there is no entity `{0}`{1}")]
    Entity(String, String),
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
/// If it cannot be told what the rows of a table are, or there is no such entity.
pub fn propose(name: &str, sketches: &[Sketch], entity: Option<&str>) -> Result<Start, Unknown> {
    if let Some(entity) = entity.filter(|entity| guess::told(entity).is_none()) {
        return Err(Unknown::Entity(entity.to_owned(), meant(entity)));
    }
    let mut proposals = Vec::new();
    for sketch in sketches {
        let proposal = Proposal::of(sketch, alias(sketch.schema(), &proposals), entity);
        let table = || Unknown::Table(sketch.schema().name.to_string());
        proposals.push(proposal.ok_or_else(table)?);
    }
    Ok(Start {
        mapping: mapping(name, &proposals),
        cases: cases(&proposals),
        guesses: proposals.iter().flat_map(|proposal| proposal.guesses.clone()).collect(),
        open: proposals.iter().flat_map(|proposal| proposal.open.clone()).collect(),
    })
}

/// The entity that may be meant: one of nearly this name, or of this name in whatever family.
fn meant(entity: &str) -> String {
    let all = entities();
    let own = entity.rsplit('.').next().unwrap_or(entity).replace(['_', '-'], "").to_lowercase();
    let named = all.iter().find(|known| known.rsplit('.').next() == Some(&own));
    let near = || similar(entity, all.iter().map(String::as_str));
    let meant = named.map(String::as_str).or_else(near);
    meant.map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"))
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
        let sketch = super::columns(TableName::new("erp", table), columns).unwrap();
        let row = |row: &&[&str]| row.iter().map(|cell| Some((*cell).to_owned())).collect();
        Sketch { rows: rows.iter().map(row).collect(), ..sketch }
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

    /// The table has columns that nothing is made of, and its log only keys of old rows.
    #[test]
    fn a_table_without_old_rows_is_remembered_and_one_with_them_is_not() {
        let mut orders = sketch("orders", "id int key, co int, vendor int, note text", &[]);
        let start = propose("shop", std::slice::from_ref(&orders), None).unwrap();
        assert!(start.mapping.contains("    keep: all\n"), "{}", start.mapping);
        let mut schema = TableSchema::clone(&orders.table.schema);
        schema.identity = ReplicaIdentity::Full;
        orders.table.schema = Arc::new(schema);
        let start = propose("shop", &[orders], None).unwrap();
        assert!(!start.mapping.contains("keep:"), "{}", start.mapping);
    }

    const RECEIPTS: &str = "receipt_no varchar(9) key, pos int key, vendor numeric(8), \
         order_no varchar(9), order_line int, item varchar(9), qty int, received_date numeric(6), \
         received_at timestamp";

    #[test]
    fn the_line_of_an_order_is_named_by_the_key_it_has_there() {
        let start = propose("shop", &[sketch("grn", RECEIPTS, &[])], None).unwrap();
        for line in [
            "    order_line: { key: [order_no, order_line] } # GUESS: the key that the order line has",
            "    order: order_no # GUESS: Key of the order.",
            "    item: item # GUESS: Key of the item; none for a service.",
        ] {
            assert!(start.mapping.lines().any(|own| own == line), "{line}\n{}", start.mapping);
        }
        let columns = RECEIPTS.replace("order_line int", "order_line_id int");
        let start = propose("shop", &[sketch("grn", &columns, &[])], None).unwrap();
        assert!(start.mapping.contains("order_line: order_line_id"), "{}", start.mapping);
    }

    #[test]
    fn of_a_receipt_all_is_told_that_its_rows_can_tell() {
        let start = propose("shop", &[sketch("grn", RECEIPTS, &[])], None).unwrap();
        for line in [
            "    deleted: reversed # GUESS: what it means when a row is deleted",
            "  - emit: procurement.goodsreceipt.corrected",
            "  - emit: procurement.goodsreceipt.reversed",
            "    number: receipt_no # GUESS",
        ] {
            assert!(start.mapping.lines().any(|own| own == line), "{line}\n{}", start.mapping);
        }
        let start = propose("shop", &[sketch("orders", "id int key", &[])], None).unwrap();
        let others = "  # Other events of a purchaseorder: approved, ";
        assert!(start.mapping.contains(others), "{}", start.mapping);
    }

    #[test]
    fn a_table_that_counts_days_has_zeros_where_nothing_is_and_a_clock_without_a_zone_is_a_guess() {
        let start = propose("shop", &[sketch("grn", RECEIPTS, &[])], None).unwrap();
        let zeros = "vendor: { null: [\"0\"] }";
        let counted = RECEIPTS.replace("received_at timestamp", "note text");
        let counted = propose("shop", &[sketch("grn", &counted, &[])], None).unwrap();
        assert!(counted.mapping.contains(zeros), "{}", counted.mapping);
        assert!(counted.mapping.contains("# GUESS: 0 is none"), "{}", counted.mapping);
        let clocked = RECEIPTS.replace("received_date numeric(6), ", "");
        let clocked = propose("shop", &[sketch("grn", &clocked, &[])], None).unwrap();
        assert!(!clocked.mapping.contains(zeros), "{}", clocked.mapping);
        let zone = "the clock of `received_at` is UTC";
        assert!(clocked.guesses.iter().any(|guess| guess.contains(zone)), "{:?}", clocked.guesses);
        assert_eq!(start.mapping.matches("receipt_no # GUESS\n").count(), 3, "{}", start.mapping);
    }

    #[test]
    fn a_key_that_nobody_marked_is_said_to_be_a_guess() {
        let start = propose("shop", &[sketch("orders", "id int, vendor int", &[])], None).unwrap();
        let key = "key: [id] # GUESS: no column was marked";
        assert!(start.mapping.contains(key), "{}", start.mapping);
        let told = "column id is the key of `orders`";
        assert!(start.guesses.iter().any(|guess| guess.contains(told)), "{:?}", start.guesses);
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
        for (entity, meant) in [
            ("no.thing", "there is no entity `no.thing`"),
            ("procurement.goodsreciept", "did you mean `procurement.goodsreceipt`?"),
            ("purchase_order", "did you mean `procurement.purchaseorder`?"),
        ] {
            let error = propose("x", &[sketch("po", "id int", &[])], Some(entity)).unwrap_err();
            assert!(error.to_string().contains(meant), "{error}");
        }
    }
}
