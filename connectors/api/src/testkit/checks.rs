//! The checks every connector must pass, one per promise. Each wants a fresh [`Bench`].

use std::collections::BTreeSet;
use std::sync::Arc;

pub use super::exploring::{
    a_sample_gives_the_text_of_the_log, rows_are_found_by_their_keys, tables_are_described,
};
pub use super::seeding::{
    an_interrupted_seeding_begins_again, seeds_are_of_one_instant_and_come_first,
    seeds_of_a_later_start_meet_the_log,
};
use super::{Bench, Run, Seen, SeenChange, Tables, TypeCase, Write};
use crate::{Finding, Position, Severity, TableName};

/// A queue that holds everything a check writes.
pub(super) const ROOMY: usize = 64 << 20;
/// A queue that a handful of rows fills.
pub(super) const TIGHT: usize = 4 << 10;
/// A note long enough to fill queues and socket buffers soon.
const LONG: usize = 4 << 10;

/// A source that is stopped and started after a confirmed position sends what came after that
/// position, whole and the same, and nothing before it.
pub async fn resumes_after_the_confirmed_position(bench: &impl Bench) {
    let table = bench.create_table("resumed").await;
    let (mut run, _) = following(bench, &[&table]).await;
    for id in 1..=5 {
        bench.commit(&[insert(&table, id)]).await;
    }
    let first = run.until_changes(5).await.changes.clone();
    let third = first.get(2).expect("five rows").resume.clone();
    run.confirm(&third);
    run.stop().await;

    bench.commit(&[insert(&table, 6)]).await;
    let mut run = start(bench, &[&table], Some(&third));
    let second = &run.until_changes(3).await.changes;
    assert_eq!(ids(second), [4, 5, 6], "after the third of five rows");
    assert_eq!(
        orders(second.get(..2).unwrap_or_default()),
        orders(first.get(3..).unwrap_or_default())
    );
}

/// Order keys are the same when the log is read again, and when fewer tables are selected.
pub async fn ordinals_depend_on_the_log_alone(bench: &impl Bench) {
    let left = bench.create_table("left_side").await;
    let right = bench.create_table("right_side").await;
    let (run, origin) = following(bench, &[&left, &right]).await;
    run.stop().await;
    let writes: Vec<Write> = (1..=6)
        .map(|id| insert(if id % 3 == 0 { &right } else { &left }, id))
        .chain([
            Write::Update(right.clone(), 3, "again".to_owned()),
            Write::Delete(left.clone(), 1),
        ])
        .collect();
    bench.commit(&writes).await;

    let mut first = start(bench, &[&left, &right], Some(&origin));
    let both = first.until_changes(writes.len()).await.changes.clone();
    first.stop().await;
    assert!(both.is_sorted_by(|a, b| a.order() < b.order()), "order keys grow: {both:?}");

    let mut again = start(bench, &[&left, &right], Some(&origin));
    let repeated = again.until_changes(writes.len()).await.changes.clone();
    again.stop().await;
    assert_eq!(orders(&repeated), orders(&both), "read again");

    let mut fewer = start(bench, &[&right], Some(&origin));
    let selected = &fewer.until_changes(3).await.changes;
    let expected: Vec<SeenChange> = both.into_iter().filter(|seen| seen.table == right).collect();
    assert_eq!(orders(selected), orders(&expected), "only one table selected");
}

/// Resuming after any progress, or after any whole transaction, loses nothing and repeats
/// nothing: none is reported before the rows it stands behind.
pub async fn progress_never_comes_before_its_rows(bench: &impl Bench) {
    const ROWS: u32 = 20;
    let table = bench.create_table("progressing").await;
    let (mut run, _) = following(bench, &[&table]).await;
    let known = run.seen().progress.len();
    for id in 1..=ROWS {
        bench.commit(&[insert(&table, id)]).await;
    }
    run.until_changes(20).await;
    run.until_progress().await;
    let seen = run.seen().clone();
    run.stop().await;

    bench.commit(&[insert(&table, ROWS + 1)]).await;
    for (position, before) in places(&seen, known) {
        let mut run = start(bench, &[&table], Some(&position));
        let rest: Vec<u32> = (1..=ROWS + 1).skip(before).collect();
        let found = ids(&run.until_changes(rest.len()).await.changes);
        assert_eq!(found, rest, "after position {position}, told behind {before} rows");
        run.stop().await;
    }
}

/// First, middle and last of the progress told, and the end of a transaction in between. In the
/// order of the log: a source that has confirmed a place cannot go back before it.
fn places(seen: &Seen, known: usize) -> Vec<(Position, usize)> {
    let told: Vec<(Position, usize)> = seen
        .progress
        .iter()
        .skip(known)
        .map(|(progress, before)| (progress.position.clone(), *before))
        .collect();
    let transactions = seen.changes.iter().zip(1..).skip(6).step_by(6);
    let ends = transactions.map(|(change, behind)| (change.resume.clone(), behind));
    let chosen = [0, told.len() / 2, told.len().saturating_sub(1)];
    let told = chosen.iter().filter_map(|place| told.get(*place).cloned());
    let mut places: Vec<(Position, usize)> = ends.chain(told).collect();
    places.sort_by_key(|(_, before)| *before);
    places
}

/// Progress moves on when only tables nobody selected are written to.
pub async fn progress_moves_while_nothing_wanted_happens(bench: &impl Bench) {
    let wanted = bench.create_table("wanted").await;
    let other = bench.create_table("other").await;
    let (mut run, origin) = following(bench, &[&wanted]).await;
    bench.commit(&[insert(&other, 1)]).await;
    let moved = |seen: &Seen| seen.last_progress().is_some_and(|last| last.position != origin);
    let seen = run.until("progress beyond an unwanted row", moved).await;
    assert!(seen.changes.is_empty());
    run.stop().await;
}

/// Every value of every type has its canonical text, the same from seeds, snapshot and log.
pub async fn snapshot_and_log_give_the_same_text(bench: &impl Bench) {
    let types = bench.types();
    let table = bench.create_table_of("typed", &types).await;
    let rows = u32::try_from(types.iter().map(|case| case.values.len()).max().unwrap_or(0))
        .expect("few values");
    for id in 0..rows {
        bench.insert_values(&table, id, &expressions(&types, id)).await;
    }
    let selection = Tables::new([&table]).seeding([&table]);
    let mut run = start_with(bench, selection, None, ROOMY);
    let count = usize::try_from(rows).expect("few rows");
    run.until_changes(2 * count).await;
    run.until_progress().await;
    for id in 0..rows {
        bench.insert_values(&table, 1000 + id, &expressions(&types, id)).await;
    }
    let seen = run.until_changes(3 * count).await;
    for change in &seen.changes {
        let id = id_of(change);
        let read = change.snapshot || change.seed;
        assert_eq!(read, id < 1000, "row {id} comes from where it must");
        for (place, case) in types.iter().enumerate() {
            let (expression, text) = value(case, id % 1000);
            let found = change.cell(&format!("c{place}"));
            let from = match (change.seed, change.snapshot) {
                (true, _) => "seed",
                (_, true) => "snapshot",
                _ => "log",
            };
            assert_eq!(found, text, "{} {expression} from the {from}", case.declared);
        }
    }
    run.stop().await;
}

pub(super) fn expressions(types: &[TypeCase], row: u32) -> Vec<&'static str> {
    types.iter().map(|case| value(case, row).0).collect()
}

/// The value of a type in this row; types with fewer values begin again.
pub(super) fn value(case: &TypeCase, row: u32) -> (&'static str, Option<&'static str>) {
    let row = usize::try_from(row).expect("few rows");
    *case.values.iter().cycle().nth(row).expect("a type case has values")
}

/// A source returns within the deadline: idle, with its queue full, while it seeds, and in a
/// snapshot.
pub async fn stops_within_its_deadline(bench: &impl Bench) {
    let table = bench.create_table("stopped").await;
    let (run, origin) = following(bench, &[&table]).await;
    run.stop().await;

    fill(bench, &table).await;
    let plain = Tables::new([&table]);
    for selection in [plain.clone(), plain.seeding([&table])] {
        stop_while_full(start_with(bench, selection, Some(&origin), TIGHT)).await;
    }
    let filled = bench.create_table("found").await;
    fill(bench, &filled).await;
    let plain = Tables::new([&filled]);
    for selection in [plain.clone(), plain.seeding([&filled])] {
        stop_while_full(start_with(bench, selection, None, TIGHT)).await;
    }
}

async fn stop_while_full(mut run: Run) {
    run.until_changes(1).await;
    run.stop().await;
}

/// A full queue for three times as long as the server bears silence: the source stays
/// connected, and everything comes when the queue is read again.
pub async fn answers_while_the_queue_is_full(bench: &impl Bench) {
    let table = bench.create_table("blocked").await;
    let (run, origin) = following(bench, &[&table]).await;
    run.stop().await;
    let rows = fill(bench, &table).await;
    let mut run = start_with(bench, Tables::new([&table]), Some(&origin), TIGHT);
    run.until_changes(1).await;
    // Not for something to happen: for nothing to happen.
    tokio::time::sleep(3 * bench.silence_limit()).await;
    assert!(!run.has_ended(), "the source ended while its queue was full");
    let found = ids(&run.until_changes(rows.len()).await.changes);
    assert_eq!(found, rows);
    run.stop().await;
}

/// `check` is content with a server that is set up; names everything that is taken away, all at
/// once; and the statements it prints mend it.
pub async fn check_lists_every_missing_privilege(bench: &impl Bench) {
    let table = bench.create_table("guarded").await;
    let tables = [table];
    let source = bench.source(Arc::new(Tables::new(&tables)));
    let errors = || async {
        let findings = source.check().await.expect("the server can be asked");
        findings
            .into_iter()
            .filter(|finding| finding.severity == Severity::Error)
            .collect::<Vec<Finding>>()
    };
    assert_eq!(errors().await, [], "a server that is set up");

    let mut alone = Vec::new();
    for privilege in bench.privileges(&tables) {
        bench.revoke(&privilege).await;
        let found = errors().await;
        assert!(!found.is_empty(), "without {privilege} nothing is found");
        mend(bench, &found).await;
        assert_eq!(errors().await, [], "{privilege} is mended by the statements of {found:?}");
        alone.push(found);
    }
    for privilege in bench.privileges(&tables) {
        bench.revoke(&privilege).await;
    }
    let all = errors().await;
    let problems: BTreeSet<&str> = all.iter().map(|finding| finding.problem.as_str()).collect();
    for finding in alone.iter().flatten() {
        assert!(problems.contains(finding.problem.as_str()), "{finding:?} is not among {all:?}");
    }
    mend(bench, &all).await;
    assert_eq!(errors().await, [], "mended by the statements of {all:?}");
}

async fn mend(bench: &impl Bench, findings: &[Finding]) {
    for statement in findings.iter().flat_map(|finding| &finding.sql) {
        bench.mend(statement).await;
    }
}

fn start(bench: &impl Bench, tables: &[&TableName], after: Option<&Position>) -> Run {
    start_with(bench, Tables::new(tables.iter().copied()), after, ROOMY)
}

pub(super) fn start_with(
    bench: &impl Bench,
    selection: Tables,
    after: Option<&Position>,
    bytes: usize,
) -> Run {
    Run::start(bench.source(Arc::new(selection)), after.cloned(), bytes)
}

/// A source past the snapshot of empty tables, and the position from which it follows the log,
/// which is confirmed to it.
pub(super) async fn following(bench: &impl Bench, tables: &[&TableName]) -> (Run, Position) {
    let mut run = start(bench, tables, None);
    let mut origin = run.until_progress().await.position;
    run.confirm(&origin);
    while !bench.follows_after(&origin) {
        let moved = |seen: &Seen| seen.last_progress().is_some_and(|last| last.position != origin);
        let seen = run.until("progress past the snapshot", moved).await;
        origin = seen.last_progress().expect("it moved").position.clone();
        run.confirm(&origin);
    }
    (run, origin)
}

/// Commits more than the queue and the sockets hold, and returns the ids.
pub(super) async fn fill(bench: &impl Bench, table: &TableName) -> Vec<u32> {
    let note = "x".repeat(LONG);
    let ids: Vec<u32> = (1..=4000).collect();
    for part in ids.chunks(100) {
        let writes: Vec<Write> =
            part.iter().map(|id| Write::Insert(table.clone(), *id, note.clone())).collect();
        bench.commit(&writes).await;
    }
    ids
}

pub(super) fn insert(table: &TableName, id: u32) -> Write {
    Write::Insert(table.clone(), id, format!("note {id}"))
}

fn ids(changes: &[SeenChange]) -> Vec<u32> {
    changes.iter().map(id_of).collect()
}

pub(super) fn id_of(change: &SeenChange) -> u32 {
    let id = change.cell("id").and_then(|id| id.parse().ok());
    id.unwrap_or_else(|| panic!("a row without an id: {change:?}"))
}

fn orders(changes: &[SeenChange]) -> Vec<(String, u64, TableName)> {
    let order =
        |change: &SeenChange| (change.sequence.to_string(), change.ordinal, change.table.clone());
    changes.iter().map(order).collect()
}
