//! The pipeline between a queue and a stream in memory.

mod drifting;
mod emptied;
mod interleaved;
mod shop;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use erpbridge_connector::{
    BatchBuilder, ChangeBatch, Column, ColumnKind, Operation, Position, ReplicaIdentity, Sequence,
    SourceEvent, TableName, TableSchema, Timestamp, Transaction, Value, queue,
};
use tokio::sync::watch;

use super::*;
use crate::mapping::{Desk, Mapping};
use crate::metrics::Metrics;
use crate::publish::{Fault, MemoryPublisher, MemoryStream, Publisher, Standing};

const MAPPING: &str = "\
mapping: test
company: { constant: main }
tables:
  item: { table: erp.item, ignore: [counter], deleted: ignore }
events:
  - emit: masterdata.item.upserted
    on: item
    when: [inserted, updated]
    fields: { description: name }
";

const PAUSE: Duration = Duration::from_millis(2);

fn table() -> Arc<TableSchema> {
    let column = |name: &str| Column {
        name: name.into(),
        kind: ColumnKind::Text,
        type_name: "text".into(),
        missing_in_log: false,
    };
    Arc::new(TableSchema {
        name: TableName::new("erp", "item"),
        columns: vec![column("code"), column("name"), column("counter")],
        primary_key: vec![0],
        identity: ReplicaIdentity::Full,
    })
}

fn transaction(number: u64) -> Transaction {
    Transaction {
        id: number.to_string().into(),
        sequence: Sequence::new(format!("{number:016X}")),
        committed_at: Timestamp::default(),
        resume: Position::new(number.to_string()),
        complete: true,
        snapshot: false,
        seed: false,
    }
}

/// A transaction that makes an event, and one behind it that makes none.
fn told_and_untold(table: &Arc<TableSchema>, number: u64) -> ChangeBatch {
    let mut batch = BatchBuilder::new();
    batch.begin(transaction(2 * number));
    let code = number.to_string();
    let row = |counter: &'static str| [Value::Text(&code), Value::Text("n"), Value::Text(counter)];
    batch.change(table, Operation::Insert, 1).after(row("1"));
    batch.begin(transaction(2 * number + 1));
    batch.change(table, Operation::Update, 1).before(row("1")).after(row("2"));
    batch.finish()
}

/// A pipeline of this mapping that remembers nothing.
fn pipeline(
    publisher: MemoryPublisher,
    mapping: Arc<Mapping>,
    standing: &Standing,
    metrics: Arc<Metrics>,
    milestones: watch::Sender<Option<Milestone>>,
) -> Pipeline<MemoryPublisher> {
    let plans = Plans::new("erp1", mapping, Vec::new());
    let converter = Converter::new(plans, Desk::default(), Remembered::nothing(), None);
    let config = PipelineConfig {
        source: "erp1".to_owned(),
        on_truncate: TruncatePolicy::Stop,
        keep_interval: 10 * PAUSE,
    };
    Pipeline::new(config, publisher, converter, standing, metrics, milestones)
}

#[tokio::test(start_paused = true)]
async fn a_position_behind_changes_without_events_is_kept_although_more_is_always_waiting() {
    let stream = MemoryStream::default();
    let mut publisher = MemoryPublisher::new(stream.clone(), "erp1");
    let standing = publisher.claim(None).await.unwrap();
    let mapping = Arc::new(Mapping::from_texts(&[("test.yaml", MAPPING)]).unwrap());
    let (to, milestones) = watch::channel(None);
    let pipeline = pipeline(publisher, mapping, &standing, Metrics::new().unwrap(), to);
    let (sender, rows) = queue(1 << 20);
    let writing = async {
        let table = table();
        for number in 0..100 {
            stream.fail(Fault::Slow(PAUSE));
            let batch = told_and_untold(&table, number);
            sender.send(SourceEvent::Changes(batch)).await.unwrap();
            tokio::time::sleep(PAUSE / 2).await;
        }
        let kept = milestones.borrow().is_some();
        drop(sender);
        kept
    };
    let (ended, kept) = tokio::join!(pipeline.run(rows), writing);
    ended.unwrap();
    assert!(kept, "nothing was confirmed while there was load");
    assert_eq!(stream.events().len(), 100);
    assert_eq!(milestones.borrow().as_ref().unwrap().position, transaction(199).resume);
}
