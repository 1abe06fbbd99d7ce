//! The language from file to event, on one small legacy ERP.

mod any_row;
mod apply;
mod bad_input;
mod cases;
mod check;
mod companies;
mod key_only;
mod keyed;
mod lists;
mod old_values;
mod readme;
mod standards;
mod uses;

use std::sync::Arc;

use super::{Desk, Mapping, MemoryRows};
use crate::canonical::{EventBatch, FrozenBatch, catalog, header};
use crate::pipeline::{Plans, convert_whole};
use erpbridge_connector::{
    BatchBuilder, ChangeBatch, Column, ColumnKind, Finding, Operation, Position, ReplicaIdentity,
    Sequence, TableName, TableSchema, Timestamp, Transaction, Value,
};

const ORDERS: &str = "
mapping: shop
read: { trim: end, blank: null }
company: { column: co, aliases: { '01': acme, '*': dead_letter } }
plant: { column: pl }
tables:
  orders:
    table: erp.po
    where: { kind: OP }
    ignore: [touched]
    deleted: physical
    columns: { due: { null: '0', date: cyyddd } }
codes:
  lifecycle: { D: draft, R: released, C: closed, '*': dead_letter }
";

/// The mapping under test with its rules.
fn orders(rules: &str) -> String {
    format!("{ORDERS}events:\n{rules}")
}

const FULL: &str = "
  - emit: procurement.purchaseorder.created
    on: orders
    when: inserted
    snapshot: true
    number: no
    codes: [st]
    fields:
      supplier: { key: [co, su] }
      required_date: due
      total: { value: tot, currency: cur }
      held: { from: hold, bool: { true: Y, false: N } }
      lifecycle_status: { from: st, code: lifecycle }
  - emit: procurement.purchaseorder.changed
    on: orders
    when: updated
    changed: [su, tot]
    fields:
      supplier: su
      total: { value: tot, currency: { constant: EUR } }
  - emit: procurement.purchaseorder.released
    on: orders
    transition: { column: st, codes: lifecycle, axis: lifecycle, to: released }
    number: { from: no, required: true }
    effective: due
    fields: { supplier: su }
  - emit: procurement.purchaseorder.closed
    on: orders
    transition: { column: st, codes: lifecycle, axis: lifecycle, from: released, to: closed }
    fields: { supplier: su }
  - emit: procurement.purchaseorder.deleted
    on: orders
    when: deleted
    number: no
";

fn schema(identity: ReplicaIdentity) -> Arc<TableSchema> {
    let column = |(name, kind): (&str, ColumnKind)| Column {
        name: name.to_owned(),
        kind,
        type_name: format!("{kind:?}").to_lowercase(),
        missing_in_log: name == "computed",
    };
    let columns = [
        ("id", ColumnKind::Integer),
        ("co", ColumnKind::Text),
        ("pl", ColumnKind::Text),
        ("kind", ColumnKind::Text),
        ("no", ColumnKind::Text),
        ("st", ColumnKind::Text),
        ("su", ColumnKind::Text),
        ("cur", ColumnKind::Text),
        ("tot", ColumnKind::Decimal),
        ("due", ColumnKind::Integer),
        ("hold", ColumnKind::Text),
        ("touched", ColumnKind::LocalTimestamp),
        ("weight", ColumnKind::Float64),
        ("computed", ColumnKind::Text),
    ];
    Arc::new(TableSchema {
        name: TableName::new("erp", "po"),
        columns: columns.into_iter().map(column).collect(),
        primary_key: vec![0],
        identity,
    })
}

/// A row; `-` stands for NULL and `?` for a cell the log does not carry.
type Cells = [&'static str; 14];

const ROW: Cells =
    ["7", "01 ", "M30", "OP", "-", "D", "S1  ", "EUR", "10.50", "126325", "N", "-", "1.5", "-"];

fn with(changes: &[(usize, &'static str)]) -> Cells {
    let mut row = ROW;
    for (index, text) in changes {
        row[*index] = text;
    }
    row
}

fn values(cells: &Cells) -> impl Iterator<Item = Value<'static>> {
    cells.iter().map(|text| match *text {
        "-" => Value::Null,
        "?" => Value::Absent,
        text => Value::Text(text),
    })
}

fn change(
    schema: &Arc<TableSchema>,
    operation: Operation,
    before: Option<&Cells>,
    after: Option<&Cells>,
) -> ChangeBatch {
    let values = |cells: &Cells| values(cells).collect();
    change_of(schema, operation, before.map(values), after.map(values))
}

/// One change in a transaction of its own.
fn change_of(
    schema: &Arc<TableSchema>,
    operation: Operation,
    before: Option<Vec<Value<'_>>>,
    after: Option<Vec<Value<'_>>>,
) -> ChangeBatch {
    let mut builder = BatchBuilder::new();
    builder.begin(Transaction {
        id: "1".into(),
        sequence: Sequence::new("0000000000000001"),
        committed_at: Timestamp::from_micros(1),
        resume: Position::new("1"),
        complete: true,
        snapshot: operation == Operation::Read,
        seed: false,
    });
    let mut images = builder.change(schema, operation, 1);
    if let Some(before) = before {
        images.before(before);
    }
    if let Some(after) = after {
        images.after(after);
    }
    builder.finish()
}

/// The way of production: folded, remembered, mapped.
fn convert(batch: &ChangeBatch, mapping: &Mapping, source: &str) -> EventBatch {
    let mut plans = Plans::new(source, Arc::new(mapping.clone()), Vec::new());
    let (mut rows, mut desk) = (MemoryRows::default(), Desk::default());
    convert_whole(batch, &mut plans, &mut rows, &mut desk).expect("the mapping fits the table")
}

fn run(
    rules: &str,
    operation: Operation,
    before: Option<Cells>,
    after: Option<Cells>,
) -> FrozenBatch {
    let text = orders(rules);
    let mapping = Mapping::from_texts(&[("m.yaml", &text)]).unwrap();
    let schema = schema(ReplicaIdentity::Full);
    let batch = change(&schema, operation, before.as_ref(), after.as_ref());
    let batch = convert(&batch, &mapping, "erp1").freeze();
    for message in batch.messages() {
        let kind = message.header(header::TYPE).unwrap();
        let valid = catalog().validate(kind, &message.payload());
        assert_eq!(valid, Ok(()), "{}", String::from_utf8_lossy(&message.payload()));
    }
    batch
}

/// The findings of a mapping, one line each.
fn problems(text: &str) -> Vec<String> {
    match Mapping::from_texts(&[("m.yaml", text)]) {
        Ok(mapping) => mapping.warnings().iter().map(line).collect(),
        Err(findings) => findings.iter().map(line).collect(),
    }
}

fn line(finding: &Finding) -> String {
    format!("{}: {}; {}", finding.subject, finding.problem, finding.mend)
}
