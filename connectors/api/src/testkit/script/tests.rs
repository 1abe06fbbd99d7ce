use super::*;
use crate::testkit::{Run, Tables, table};
use crate::{Explorer, Sample};

const ROOMY: usize = 1 << 20;

fn items() -> Arc<TableSchema> {
    table("erp.item(code text key, name text)")
}

fn start(source: &Arc<ScriptSource>, after: Option<u64>) -> Run {
    Run::start(Box::new(Arc::clone(source)), after.map(ScriptSource::position), ROOMY)
}

#[tokio::test]
async fn a_script_resumes_after_a_position_with_the_same_order_keys() {
    let items = items();
    let source = Arc::new(
        ScriptSource::new([Arc::clone(&items)])
            .transaction([Change::insert(&items, "A | Bolt")])
            .transaction([Change::unwanted(), Change::update(&items, "A | NULL")])
            .windowed(1, [Change::delete(&items, "A | ABSENT"), Change::insert(&items, "B | Nut")]),
    );
    let mut run = start(&source, None);
    let all = run.until_changes(4).await.changes.clone();
    assert_eq!(all[1].order(), (&ScriptSource::sequence(2), 2));
    let resumes: Vec<&str> = all.iter().map(|change| change.resume.as_str()).collect();
    assert_eq!(resumes, ["1", "2", "2", "3"]);
    run.stop().await;

    let mut run = start(&source, Some(2));
    assert_eq!(run.until_progress().await.position, ScriptSource::position(3));
    assert_eq!(run.seen().changes, all[2..]);
    assert_eq!(source.runs(), 2);
}

#[tokio::test]
async fn every_run_begins_with_the_seeds_it_is_asked_for() {
    let (items, states) = (items(), table("erp.state(code text key, name text)"));
    let asked = Tables::new([&items.name, &states.name]).seeding([&states.name]);
    let source = Arc::new(
        ScriptSource::new([])
            .asking(Arc::new(asked))
            .seed(&items, ["A | Bolt"])
            .seed(&states, ["1 | open", "2 | closed"])
            .transaction([Change::insert(&items, "B | Nut")]),
    );
    for after in [None, Some(1)] {
        let mut run = start(&source, after);
        run.until_progress().await;
        let seen = run.seen();
        assert_eq!(seen.seeded, [2]);
        let seeds = seen.changes.iter().filter(|change| change.seed);
        assert!(seeds.clone().all(|seed| seed.table == states.name), "{:?}", seen.changes);
        assert_eq!(seeds.count(), 2);
        run.stop().await;
    }
}

#[tokio::test]
async fn a_fault_strikes_once() {
    let items = items();
    let source = Arc::new(
        ScriptSource::new([])
            .transaction([Change::insert(&items, "A | Bolt")])
            .fail(SourceErrorKind::Connection, "cut")
            .transaction([Change::insert(&items, "B | Nut")]),
    );
    let mut first = start(&source, None);
    first.until_changes(1).await;
    assert_eq!(first.ended().await.unwrap().kind(), SourceErrorKind::Connection);
    start(&source, Some(1)).until_changes(1).await;
}

#[tokio::test]
async fn a_closed_gate_holds_the_script_and_a_stop_passes_on_what_was_confirmed() {
    let (items, gate) = (items(), Gate::new());
    let source = Arc::new(
        ScriptSource::new([])
            .transaction([Change::insert(&items, "A | Bolt")])
            .progress()
            .wait(&gate)
            .transaction([Change::insert(&items, "B | Nut")]),
    );
    let mut run = start(&source, None);
    let progress = run.until_progress().await;
    assert_eq!(run.seen().changes.len(), 1);
    gate.open();
    run.until_changes(2).await;
    run.confirm(&progress.position);
    run.stop().await;
    assert_eq!(source.acknowledged(), Some(ScriptSource::position(1)));
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "still runs")]
async fn a_source_that_ignores_the_stop_is_found_out() {
    let source = Arc::new(ScriptSource::new([]).ignores_stop());
    let mut run = start(&source, None);
    run.until_progress().await;
    run.stop().await;
}

#[tokio::test]
async fn a_scripts_tables_can_be_looked_at() {
    let items = items();
    let source = ScriptSource::new([Arc::clone(&items)]).seed(&items, ["A | Bolt", "B | NULL"]);
    assert_eq!(source.names().await.unwrap(), std::slice::from_ref(&items.name));
    let missing = TableName::new("erp", "none");
    let found = source.describe(&[missing, items.name.clone()]).await.unwrap();
    assert_eq!(found[0].nullable, [false, true]);
    let newest = source.sample(&Sample::any(items.name.clone(), 1)).await.unwrap();
    assert_eq!(newest.rows, [[Some("B".to_owned()), None]]);
    let keys = vec![vec!["Bolt".to_owned()]];
    let asked = Sample::with(items.name.clone(), vec!["name".to_owned()], keys, 9);
    let named = source.sample(&asked).await.unwrap();
    assert_eq!(named.rows, [[Some("A".to_owned()), Some("Bolt".to_owned())]]);
}
