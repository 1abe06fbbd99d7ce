//! Which instances feed which part of the log, and when changes are gone.

use erpbridge_connector::testkit::table;

use super::*;

fn lsn(block: u32) -> Lsn {
    format!("00000001:{block:08x}:0001").parse().unwrap()
}

fn captured(name: &str, id: i64, start: u32, made: i64) -> (TableName, Captured) {
    let schema = table(&format!("dbo.{name}(id integer key)"));
    let own_name = schema.name.clone();
    let instance = Instance {
        id,
        table_id: 1,
        table: Some(own_name.clone()),
        name: format!("dbo_{name}_{id}"),
        start: Some(lsn(start)),
        made,
        role: None,
        ordered: true,
    };
    (
        own_name,
        Captured {
            instance,
            start: lsn(start),
            shape: Arc::new(Shape { schema, columns: Vec::new() }),
        },
    )
}

fn relations(instances: &[(TableName, Captured)]) -> Relations {
    let mut relations = Relations::default();
    for (name, captured) in instances.iter().cloned() {
        relations.all.push((captured.instance.made, captured.instance.id));
        match relations.tables.iter_mut().find(|table| table.name == name) {
            Some(table) => table.instances.push(captured),
            None => relations.tables.push(Followed { name, instances: vec![captured] }),
        }
    }
    relations
}

#[test]
fn a_begin_behind_our_position_is_a_gap() {
    for (start, gone) in [(5, false), (6, true)] {
        let mut relations = relations(&[captured("order", 1, start, 10)]);
        let witness = relations.witness(20);
        let reached = lsn(5);
        let found = relations.nothing_is_gone(reached, Some(witness));
        assert_eq!(found.is_err(), gone, "begins at {start}");
        if let Err(error) = found {
            assert_eq!(error.kind(), SourceErrorKind::PositionLost);
        }
    }
}

#[test]
fn a_table_that_is_captured_since_our_position_is_no_gap() {
    let before = relations(&[captured("order", 1, 1, 10)]).witness(20);
    let mut relations = relations(&[captured("order", 1, 1, 10), captured("line", 2, 9, 30)]);
    assert!(relations.nothing_is_gone(lsn(5), Some(before)).is_ok());
    // From now on it is known.
    relations.tables[1].instances[0].start = lsn(12);
    assert!(relations.nothing_is_gone(lsn(9), None).is_err());
}

#[test]
fn a_table_that_was_released_and_captured_again_is_a_gap() {
    let before = relations(&[captured("order", 1, 1, 10)]).witness(20);
    let mut relations = relations(&[captured("order", 2, 9, 30)]);
    let error = relations.nothing_is_gone(lsn(5), Some(before)).unwrap_err();
    assert!(error.to_string().contains("another capture instance has gone"), "{error}");
}

#[test]
fn a_table_that_is_released_while_it_is_followed_is_a_gap() {
    let mut relations = relations(&[captured("order", 1, 1, 10)]);
    assert!(relations.nothing_is_gone(lsn(5), None).is_ok());
    relations.tables.clear();
    let error = relations.nothing_is_gone(lsn(5), None).unwrap_err();
    assert!(error.to_string().contains("not captured any more"), "{error}");
}

#[test]
fn the_older_of_two_instances_covers_what_the_younger_lacks() {
    let mut relations = relations(&[captured("order", 1, 1, 10), captured("order", 2, 9, 30)]);
    let witness = relations.witness(20);
    assert!(relations.nothing_is_gone(lsn(5), Some(witness)).is_ok());
    // The older one may be dropped once its part is behind us.
    relations.tables[0].instances.remove(0);
    assert!(relations.nothing_is_gone(lsn(9), None).is_ok());
}

#[test]
fn a_fingerprint_does_not_depend_on_the_order_of_the_instances() {
    let (one, two) = (captured("order", 1, 1, 10), captured("line", 2, 1, 10));
    let there = relations(&[one.clone(), two.clone()]).witness(20);
    assert_eq!(there, relations(&[two.clone(), one.clone()]).witness(20));
    assert_ne!(there, relations(&[one]).witness(20));
    assert_ne!(there.instances, relations(&[two]).witness(5).instances);
}

#[test]
fn a_table_enabled_far_ahead_of_us_is_no_gap_on_the_way_there() {
    let mut relations = relations(&[captured("order", 1, 1, 10)]);
    assert!(relations.nothing_is_gone(lsn(5), None).is_ok());
    let (name, line) = captured("line", 2, 90, 30);
    relations.tables.push(Followed { name, instances: vec![line] });
    for reached in [6, 40, 89, 95] {
        assert!(relations.nothing_is_gone(lsn(reached), None).is_ok(), "at {reached}");
    }
    relations.tables[1].instances[0].start = lsn(97);
    assert!(relations.nothing_is_gone(lsn(95), None).is_err());
}
