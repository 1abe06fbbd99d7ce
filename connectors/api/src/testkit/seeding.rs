//! The checks of seeds: rows the bridge asks for because it has to remember them.

use std::collections::BTreeMap;

use super::checks::{ROOMY, TIGHT, fill, following, id_of, insert, start_with};
use super::{Bench, Seen, SeenChange, Tables, Write};
use crate::{Operation, TableName};

/// How many rows are there before, and how many are written meanwhile.
const ROWS: u32 = 60;

/// At the first start seeds come before everything else, all of one instant, and of the same
/// instant as the snapshot after them. Each write touches all tables, so an instant shows the
/// same ids in each of them.
pub async fn seeds_are_of_one_instant_and_come_first(bench: &impl Bench) {
    let tables = three_tables(bench).await;
    let [left, right, unkept] = &tables;
    write_to_all(bench, &tables, 1..=ROWS).await;
    let selection = Tables::new(&tables).seeding([left, right]).not_reading([right]);
    let mut run = start_with(bench, selection, None, ROOMY);
    let begun = run.until("it began", |seen| !seen.progress.is_empty() || !seen.changes.is_empty());
    if let Some(trace) = begun.await.last_progress().cloned() {
        run.confirm(&trace.position);
    }
    let rows = |seen: &Seen, table| {
        let events = of(&seen.changes, table).filter(|change| !change.seed);
        u32::try_from(events.count()).expect("few rows")
    };
    let whole = |seen: &Seen| [left, unkept].iter().all(|table| rows(seen, table) == 2 * ROWS);
    let writing = write_to_all(bench, &tables, ROWS + 1..=2 * ROWS);
    let (seen, ()) = tokio::join!(run.until("every row came", whole), writing);

    let seeds = seeds(seen);
    let instant = sorted(of(seeds, left));
    assert_eq!(sorted(of(seeds, right)), instant, "both seeded tables are of one instant");
    assert_eq!(of(seeds, unkept).count(), 0, "only tables that ask for seeds have any");
    let read = |table| sorted(of(&seen.changes, table).filter(|change| change.snapshot));
    for table in [left, unkept] {
        assert_eq!(read(table), instant, "the snapshot of {table} is of the instant of the seeds");
    }
    assert_eq!(read(right), [0; 0], "a table that is not to be read is not");
    let logged = of(&seen.changes, unkept).filter(|change| !change.snapshot);
    let all: Vec<u32> = (1..=2 * ROWS).collect();
    assert_eq!([instant, sorted(logged)].concat(), all, "the log goes on at that instant");
    run.stop().await;
}

/// At a later start seeds are of one instant, too, and the log that follows from the resume
/// position brings them to what is in the database, whatever happened in between.
pub async fn seeds_of_a_later_start_meet_the_log(bench: &impl Bench) {
    let tables = three_tables(bench).await;
    let (first, origin) = following(bench, &tables.each_ref()).await;
    assert_eq!(first.seen().seeded, [0; 0], "nobody asked for seeds");
    first.stop().await;
    write_to_all(bench, &tables, 1..=ROWS).await;
    let [left, right, _] = &tables;
    let busy = |id| {
        let note = format!("changed {id}");
        [Write::Update(left.clone(), id, note), Write::Delete(right.clone(), id)]
    };
    for id in (1..=ROWS).step_by(3) {
        bench.commit(&busy(id)).await;
    }
    bench.commit(&[insert(right, 1), Write::Delete(left.clone(), 2)]).await;

    let selection = Tables::new(&tables).seeding([left, right]);
    let mut run = start_with(bench, selection, Some(&origin), ROOMY);
    let writing = write_to_all(bench, &tables, ROWS + 1..=2 * ROWS);
    let last = |change: &SeenChange| !change.seed && id_of(change) == 2 * ROWS;
    let whole = |seen: &Seen| seen.changes.iter().filter(|change| last(change)).count() == 3;
    let (seen, ()) = tokio::join!(run.until("the last write came", whole), writing);

    assert!(!seeds(seen).is_empty(), "seeds come at a later start, too");
    assert!(seen.changes.iter().all(|change| !change.snapshot), "and no snapshot");
    let mut expected: BTreeMap<u32, String> =
        (1..=2 * ROWS).map(|id| (id, format!("note {id}"))).collect();
    let mut right_rows = expected.clone();
    right_rows.retain(|id, _| *id > ROWS || id % 3 != 1 || *id == 1);
    assert_eq!(remembered(seen, right), right_rows, "{right} as remembered");
    for id in (1..=ROWS).step_by(3) {
        expected.insert(id, format!("changed {id}"));
    }
    expected.remove(&2);
    assert_eq!(remembered(seen, left), expected, "{left} as remembered");
    run.stop().await;
}

/// Seeds have no position: a seeding that was interrupted sends every row again at the next start,
/// and says only then that it is complete.
pub async fn an_interrupted_seeding_begins_again(bench: &impl Bench) {
    let table = bench.create_table("seeded").await;
    let (first, origin) = following(bench, &[&table]).await;
    first.stop().await;
    let rows = fill(bench, &table).await;
    let selection = Tables::new([&table]).seeding([&table]);
    let mut cut = start_with(bench, selection.clone(), Some(&origin), TIGHT);
    let some = cut.until_changes(1).await;
    assert!(some.changes.iter().all(|change| change.seed), "seeds come first");
    assert_eq!(some.seeded, [0; 0], "told complete with rows still to come");
    cut.stop().await;

    let mut run = start_with(bench, selection, Some(&origin), ROOMY);
    let seen = run.until("all seeds are sent", |seen| !seen.seeded.is_empty()).await;
    assert_eq!(sorted(seeds(seen).iter()), rows, "every row again");
    run.stop().await;
}

async fn three_tables(bench: &impl Bench) -> [TableName; 3] {
    [
        bench.create_table("kept_left").await,
        bench.create_table("kept_right").await,
        bench.create_table("not_kept").await,
    ]
}

/// One transaction per id, with a row in each table.
async fn write_to_all(
    bench: &impl Bench,
    tables: &[TableName],
    ids: std::ops::RangeInclusive<u32>,
) {
    for id in ids {
        let writes: Vec<Write> = tables.iter().map(|table| insert(table, id)).collect();
        bench.commit(&writes).await;
    }
}

/// The seeds of a run that has sent all of them, each well-formed and none out of place.
fn seeds(seen: &Seen) -> &[SeenChange] {
    let count = seen.changes.iter().filter(|change| change.seed).count();
    assert_eq!(seen.seeded, [count], "told once, behind the last seed");
    let (seeds, rest) = seen.changes.split_at(count);
    assert!(rest.iter().all(|change| !change.seed), "seeds come before all other rows");
    for seed in seeds {
        assert!(seed.operation == Operation::Read && !seed.snapshot, "not a seed: {seed:?}");
    }
    seeds
}

/// What a bridge remembers of a table in the end: its seeds, and the log over them.
fn remembered(seen: &Seen, table: &TableName) -> BTreeMap<u32, String> {
    let mut rows = BTreeMap::new();
    for change in of(&seen.changes, table) {
        let note = change.cell("note").map(str::to_owned).unwrap_or_default();
        match change.operation {
            Operation::Delete => rows.remove(&id_of(change)),
            _ => rows.insert(id_of(change), note),
        };
    }
    rows
}

fn of<'c>(changes: &'c [SeenChange], table: &TableName) -> impl Iterator<Item = &'c SeenChange> {
    changes.iter().filter(move |change| change.table == *table)
}

fn sorted<'c>(changes: impl Iterator<Item = &'c SeenChange>) -> Vec<u32> {
    let mut ids: Vec<u32> = changes.map(id_of).collect();
    ids.sort_unstable();
    ids
}
