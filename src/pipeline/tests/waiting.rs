//! Changes that wait for rows they look up.

use erpbridge_connector::{BatchBuilder, Operation, Transaction, Value};

use super::shop::{
    Item, LINE, Line, MAPPING, Order, Play, Step, cells, letters, names, table, told, transaction,
    values, waiting,
};
use crate::canonical::{FrozenBatch, header};
use crate::deadletter::Reason;

const DAY: i64 = 86_400_000_000;

#[test]
fn a_line_before_its_order_waits_and_is_told_with_the_order_under_its_own_id() {
    let mut play = Play::new();
    assert!(names(&play.step(&[Step::Line(7, Some(LINE))])).is_empty());
    let more = Line { quantity: 6, ..LINE };
    assert!(names(&play.step(&[Step::Line(7, Some(more))])).is_empty());
    assert_eq!(waiting(&mut play.converter), 2);
    let units = play.step(&[Order(1)]);
    assert_eq!(
        names(&units),
        [
            "erp1:0000000000000001:1:purchaseorderline-added-lines",
            "erp1:0000000000000002:1:purchaseorderline-changed-lines",
        ]
    );
    let message = units[0].messages().next().unwrap();
    assert_eq!(message.header(header::SEQUENCE), Some("0000000000000003-5000000000-000"));
    assert_eq!(message.header(header::TIME), Some("1970-01-01T00:00:00.000000Z"));
    assert_eq!(waiting(&mut play.converter), 0);
    assert!(letters(&units).is_empty());
}

#[test]
fn who_waits_too_long_is_a_dead_letter_and_what_is_behind_it_goes_on() {
    let mut play = Play::new();
    play.step(&[Order(1), Step::Line(7, Some(LINE))]);
    // The item never comes; what does not need it is told all the same.
    let other = Line { item: Some(9), quantity: 6, ..LINE };
    assert!(names(&play.step(&[Step::Line(7, Some(other))])).is_empty());
    play.step(&[Step::Line(7, Some(Line { quantity: 8, ..other }))]);
    play.at = 3 * DAY - 1;
    assert!(names(&play.step(&[])).is_empty());
    play.at = 3 * DAY;
    let units = play.step(&[]);
    let found = names(&units);
    assert_eq!(
        found,
        [
            "erp1:0000000000000002:1:purchaseorderline-changed-lines",
            "erp1:0000000000000003:1:purchaseorderline-changed-lines",
        ]
    );
    let [letter] = letters(&units)[..] else { panic!("{units:?}") };
    assert_eq!(letter.reason, Reason::LookupMiss);
    assert_eq!(letter.id, "erp1:0000000000000002:1:another-item");
    assert!(letter.detail.ends_with("and it was waited for in vain"), "{}", letter.detail);
    assert_eq!(letter.row["after"]["item"], "9");
    assert_eq!(waiting(&mut play.converter), 0);
}

#[test]
fn a_mapping_that_no_longer_waits_tells_what_waited_with_the_first_transaction() {
    let mut play = Play::new();
    play.step(&[Step::Line(7, Some(LINE))]);
    let edited = MAPPING.replace("missing: wait", "missing: null");
    play.restart(&edited.replace("missing: { wait: 3d }", "missing: null"));
    let more = Line { quantity: 6, ..LINE };
    let found = names(&play.step(&[Step::Line(7, Some(more))]));
    let ids = ["1:1:purchaseorderline-added-lines", "2:1:purchaseorderline-changed-lines"];
    assert_eq!(found, ids.map(|id| format!("erp1:000000000000000{id}")));
}

#[test]
fn a_row_that_comes_as_a_seed_releases_what_waits_with_the_next_transaction() {
    let mut play = Play::new();
    play.step(&[Step::Line(7, Some(LINE))]);
    play.restart(MAPPING);
    let mut seeds = BatchBuilder::new();
    seeds.begin(Transaction { seed: true, ..transaction(1) });
    let seed = [Value::Text("1"), Value::Text("N1")];
    seeds.change(&play.tables.0[0], Operation::Read, 1).after(seed);
    assert!(names(&told(&mut play.converter, &seeds.finish())).is_empty());
    assert_eq!(names(&play.step(&[])), ["erp1:0000000000000001:1:purchaseorderline-added-lines"]);
}

#[test]
fn a_row_of_a_snapshot_does_not_wait() {
    let mut play = Play::new();
    let mut rows = BatchBuilder::new();
    rows.begin(Transaction { snapshot: true, ..transaction(1) });
    rows.change(&play.tables.0[2], Operation::Read, 1).after(values(&cells(7, LINE)));
    let units = told(&mut play.converter, &rows.finish());
    let [letter] = letters(&units)[..] else { panic!("{units:?}") };
    assert!(letter.detail.ends_with("rows of a snapshot do not wait"), "{}", letter.detail);
    assert_eq!(waiting(&mut play.converter), 0);
}

#[test]
fn a_table_that_has_another_shape_by_then_is_read_by_the_names_of_its_columns() {
    let mut play = Play::new();
    play.step(&[Step::Line(7, Some(Line { quantity: 4, ..LINE }))]);
    play.tables.0[2] = table("line", &["id", "note", "quantity", "item", "received", "po", "req"]);
    play.restart(MAPPING);
    let units = play.step(&[Order(1)]);
    let payload = units[0].messages().next().unwrap().payload();
    let data: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(data["after"]["quantity"]["value"], "4");
}

#[test]
fn a_table_that_is_gone_leaves_dead_letters_of_what_waited() {
    let mut play = Play::new();
    play.step(&[Step::Line(7, Some(LINE))]);
    let rows = play.converter.remembered_rows();
    let edited = MAPPING.replace("s.line", "s.others");
    play.tables.0[2] = table("others", &["id", "po", "item", "quantity", "received", "req"]);
    play.converter = play.tables.converter(&edited, rows, None);
    let units = play.step(&[Order(1)]);
    let [letter] = letters(&units)[..] else { panic!("{units:?}") };
    assert_eq!((letter.reason, letter.table.as_str()), (Reason::SchemaDrift, "s.line"));
    assert_eq!(letter.row["after"]["po"], "1");
}

#[test]
fn a_release_larger_than_a_unit_is_cut_and_no_more_wait_than_may() {
    let mut play = Play::new();
    let [_, _, lines] = play.tables.0.clone();
    let mut batch = BatchBuilder::new();
    batch.begin(transaction(1));
    let count = 1201;
    for id in 0..count {
        let mut row = cells(0, LINE);
        row[0] = Some(format!("L{id}"));
        batch.change(&lines, Operation::Insert, id + 1).after(values(&row));
    }
    let units = told(&mut play.converter, &batch.finish());
    let [letter] = letters(&units)[..] else { panic!("{units:?}") };
    assert!(letter.detail.ends_with("too many changes wait already"), "{}", letter.detail);
    assert_eq!(waiting(&mut play.converter), count - 1);
    play.next = 2;
    let units = play.step(&[Order(1)]);
    assert_eq!(units.iter().map(FrozenBatch::len).collect::<Vec<_>>(), [1000, 200]);
    assert!(!units[0].settled().last().unwrap().complete);
    assert_eq!(names(&units).len(), 1200);
    assert_eq!(waiting(&mut play.converter), 0);
}

#[test]
fn a_row_that_moves_away_while_it_waits_has_moved_when_it_is_told() {
    let moving = MAPPING.replace(
        "deleted: physical",
        "deleted: { moved_to: items, by: [id], otherwise: physical }",
    ) + "  - { emit: procurement.purchaseorderline.archived, on: lines, when: moved, fields: { order: po } }\n";
    let mut play = Play::new();
    play.restart(&moving);
    play.step(&[Step::Line(7, Some(LINE))]);
    assert!(names(&play.step(&[Step::Line(7, None), Item(7)])).is_empty());
    play.restart(&moving);
    let found = names(&play.step(&[Order(1)]));
    let rules = ["1:1:purchaseorderline-added-lines", "2:1:purchaseorderline-archived-lines"];
    assert_eq!(found, rules.map(|rule| format!("erp1:000000000000000{rule}")));
}

#[test]
fn a_row_under_a_new_key_waits_as_well_and_both_halves_keep_their_ids() {
    let mut play = Play::new();
    play.step(&[Step::Line(7, Some(LINE))]);
    let [_, _, lines] = play.tables.0.clone();
    let mut batch = BatchBuilder::new();
    batch.begin(transaction(2));
    let mut images = batch.change(&lines, Operation::Update, 1);
    images.before(values(&cells(7, LINE))).after(values(&cells(8, LINE)));
    assert!(names(&told(&mut play.converter, &batch.finish())).is_empty());
    play.next = 3;
    let units = play.step(&[Order(1)]);
    assert_eq!(
        names(&units),
        [
            "erp1:0000000000000001:1:purchaseorderline-added-lines",
            "erp1:0000000000000002:1:purchaseorderline-deleted-lines",
            "erp1:0000000000000002:1:purchaseorderline-added-lines:rekeyed",
        ]
    );
    let last = units[0].messages().last().unwrap();
    assert_eq!(last.header(header::SEQUENCE), Some("0000000000000003-5000000002-500"));
}
