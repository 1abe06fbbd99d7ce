//! How ranges are split among instances and pages become entries.

use std::sync::Arc;

use erpbridge_connector::testkit::table;

use super::*;
use crate::catalog::Shape;
use crate::cell::Cell;
use crate::change_tables::{Change, ChangePlace};

fn lsn(block: u32) -> Lsn {
    format!("00000001:{block:08x}:0001").parse().unwrap()
}

fn captured(id: i64, start: u32) -> Captured {
    let schema = table("dbo.order(id integer key)");
    let instance = Instance {
        id,
        table_id: 1,
        table: Some(schema.name.clone()),
        name: format!("dbo_order_{id}"),
        start: Some(lsn(start)),
        made: id,
        role: None,
        ordered: true,
    };
    Captured { instance, start: lsn(start), shape: Arc::new(Shape { schema, columns: Vec::new() }) }
}

fn split(starts: &[u32], after: u32, up_to: u32) -> Vec<(i64, Lsn, Lsn)> {
    let instances = (1..).zip(starts).map(|(id, start)| captured(id, *start)).collect();
    let table = Followed { name: table("dbo.order(id integer key)").name.clone(), instances };
    let feeds = parts(&table, Range { after: lsn(after), up_to: lsn(up_to) });
    let part = |feed: &Feed| (feed.captured().instance.id, feed.range().after, feed.range().up_to);
    feeds.iter().map(part).collect()
}

#[test]
fn a_younger_instance_takes_over_where_it_begins() {
    assert_eq!(split(&[1], 5, 9), [(1, lsn(5), lsn(9))]);
    assert_eq!(split(&[1, 20], 5, 9), [(1, lsn(5), lsn(9))]);
    let switch = lsn(7).previous();
    assert_eq!(split(&[1, 7], 5, 9), [(1, lsn(5), switch), (2, switch, lsn(9))]);
    assert_eq!(split(&[1, 2], 5, 9), [(2, lsn(5), lsn(9))]);
    assert_eq!(split(&[20], 5, 9), []);
    // A table that is captured since: from its begin on.
    assert_eq!(split(&[7], 5, 9), [(1, switch, lsn(9))]);
}

fn change(block: u32, record: u32, operation: i64) -> Change {
    let place = ChangePlace { lsn: lsn(block), command: 1, record: lsn(record), operation };
    Change::new(place, Vec::new(), vec![Cell::Integer(record.into())])
}

fn entries(changes: Vec<Change>) -> Result<Vec<(Lsn, u64, char)>, String> {
    let mut feed = Feed::new(captured(1, 1), Range { after: Lsn::ZERO, up_to: lsn(99) });
    feed.push(changes);
    let mut entries = Vec::new();
    while feed.prepare(|_| lsn(1)).map_err(|error| error.to_string())?.is_some() {
        let Some(Entry { lsn, ordinal, images }) = feed.take() else { break };
        let letter = match images {
            Images::Insert(_) => 'i',
            Images::Update(Some(_), _) => 'u',
            Images::Update(None, _) => 'a',
            Images::Delete(_) => 'd',
        };
        entries.push((lsn, ordinal, letter));
    }
    Ok(entries)
}

#[test]
fn two_rows_of_an_update_are_one_change() {
    let changes =
        vec![change(9, 2, 2), change(9, 3, 3), change(9, 3, 4), change(9, 4, 1), change(9, 4, 2)];
    assert_eq!(
        entries(changes).unwrap(),
        [(lsn(9), 17, 'i'), (lsn(9), 33, 'u'), (lsn(9), 49, 'd'), (lsn(9), 50, 'i')]
    );
}

#[test]
fn half_an_update_is_an_error() {
    for changes in [vec![change(9, 3, 3)], vec![change(9, 3, 3), change(9, 4, 4)]] {
        assert!(entries(changes).unwrap_err().contains("second half"));
    }
    assert!(entries(vec![change(9, 3, 7)]).unwrap_err().contains("does not exist"));
    assert_eq!(entries(vec![change(9, 3, 4)]).unwrap(), [(lsn(9), 33, 'a')]);
}

#[test]
fn a_feed_asks_for_more_while_an_update_is_cut_in_two() {
    let mut feed = Feed::new(captured(1, 1), Range { after: Lsn::ZERO, up_to: lsn(99) });
    assert!(feed.wants_page());
    feed.push(vec![change(9, 3, 3)]);
    assert!(feed.wants_page());
    feed.push(vec![change(9, 3, 4)]);
    assert!(!feed.wants_page());
}

#[test]
fn a_change_takes_the_time_of_its_commit() {
    let commit = |block| Commit {
        lsn: lsn(block),
        begin: lsn(1),
        local: i64::from(block),
        at: erpbridge_connector::Timestamp::default(),
        transaction: vec![0, 0xAB],
    };
    let commits = [commit(5), commit(7)];
    let of = |block| commit_of(&commits, lsn(block)).map(|commit| commit.local);
    assert_eq!([of(5), of(6), of(7), of(8)], [Some(5), Some(7), Some(7), Some(7)]);
    assert_eq!(commits[0].id(), "0x00ab");
}
