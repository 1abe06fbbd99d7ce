//! A pipeline that stops because the ERP is another one has counted why: its process may end before
//! anybody asks for the count.

use super::*;

const DRIFTING: &str = "\
mapping: test
company: { constant: main }
drift: { unknown_code: stop, column: stop, table: stop }
tables:
  item: { SELECTOR, deleted: ignore }
codes:
  units: { KG: KGM, '*': dead_letter }
events:
  - emit: masterdata.item.upserted
    on: item
    when: inserted
    fields: { description: COLUMN, base_unit: { from: counter, code: units } }
";

/// How often this kind was counted until the pipeline ended with an error.
async fn counted(selector: &str, column: &str, kind: &str) -> u64 {
    let text = DRIFTING.replace("SELECTOR", selector).replace("COLUMN", column);
    let mapping = Arc::new(Mapping::from_texts(&[("test.yaml", &text)]).unwrap());
    let mut publisher = MemoryPublisher::new(MemoryStream::default(), "erp1");
    let standing = publisher.claim(None).await.unwrap();
    let metrics = Metrics::new().unwrap();
    let pipeline =
        pipeline(publisher, mapping, &standing, Arc::clone(&metrics), watch::channel(None).0);
    let (sender, rows) = queue(1 << 20);
    let mut batch = BatchBuilder::new();
    batch.begin(transaction(1));
    let row = [Value::Text("1"), Value::Text("n"), Value::Text("BOX")];
    batch.change(&table(), Operation::Insert, 1).after(row);
    sender.send(SourceEvent::Changes(batch.finish())).await.unwrap();
    pipeline.run(rows).await.unwrap_err();
    metrics.drift.with_label_values(&["erp1", kind]).get()
}

#[tokio::test]
async fn drift_that_stops_the_source_has_been_counted() {
    let named = "table: erp.item";
    let pattern = "pattern: 'erp\\.it(?<rest>[a-z]+)'";
    assert_eq!(counted(named, "name", "unknown_code").await, 1);
    assert_eq!(counted(named, "gone", "column").await, 1);
    assert_eq!(counted(pattern, "gone", "table").await, 1);
}
