use erpbridge_connector::{ReplicaIdentity, Value};
use proptest::prelude::*;

use super::*;
use crate::shape::{Disagreement, TableShape};

/// A type as `information_schema` and as the log have it.
type Typed = (&'static str, &'static str, Option<&'static str>, u8, [u8; 2]);

const TYPES: &[Typed] = &[
    ("tinyint", "tinyint(4)", None, column::TINY, [0, 0]),
    ("smallint", "smallint(6) unsigned", None, column::SHORT, [0, 0]),
    ("mediumint", "mediumint(9)", None, column::INT24, [0, 0]),
    ("bigint", "bigint(20) unsigned", None, column::LONGLONG, [0, 0]),
    ("decimal", "decimal(12,4)", None, column::NEWDECIMAL, [12, 4]),
    ("float", "float", None, column::FLOAT, [4, 0]),
    ("double", "double", None, column::DOUBLE, [8, 0]),
    ("bit", "bit(10)", None, column::BIT, [2, 1]),
    ("year", "year(4)", None, column::YEAR, [0, 0]),
    ("date", "date", None, column::DATE, [0, 0]),
    ("time", "time", None, column::TIME, [0, 0]),
    ("time", "time(2)", None, column::TIME2, [2, 0]),
    ("datetime", "datetime", None, column::DATETIME, [0, 0]),
    ("datetime", "datetime(6)", None, column::DATETIME2, [6, 0]),
    ("timestamp", "timestamp", None, column::TIMESTAMP, [0, 0]),
    ("timestamp", "timestamp(3)", None, column::TIMESTAMP2, [3, 0]),
    ("char", "char(5)", Some("cp850"), column::STRING, [5, 0]),
    ("varchar", "varchar(5)", Some("sjis"), column::VARCHAR, [5, 0]),
    ("varchar", "varchar(5)", Some("eucjpms"), column::VARCHAR, [5, 0]),
    ("varchar", "varchar(5)", Some("utf32"), column::VARCHAR, [5, 0]),
    ("text", "text", Some("utf8mb4"), column::BLOB_COMPRESSED, [2, 0]),
    ("binary", "binary(4)", None, column::STRING, [4, 0]),
    ("enum", "enum('a','b')", Some("utf8mb4"), column::ENUM, [1, 0]),
    ("set", "set('a','b')", Some("utf8mb4"), column::SET, [1, 0]),
    ("json", "json", None, column::JSON, [4, 0]),
    ("uuid", "uuid", None, column::STRING, [16, 0]),
    ("inet4", "inet4", None, column::STRING, [4, 0]),
    ("inet6", "inet6", None, column::STRING, [16, 0]),
    ("point", "point", None, column::GEOMETRY, [4, 0]),
];

fn plan(types: &[Typed]) -> Plan {
    made(types).unwrap()
}

fn made(types: &[Typed]) -> Result<Plan, Disagreement> {
    let (mut columns, mut maps) = (Vec::new(), Vec::new());
    for (data_type, column_type, set, kind, width) in types {
        let digit = column_type.find('(').and_then(|at| column_type.as_bytes().get(at + 1));
        let temporal = matches!(*data_type, "time" | "datetime" | "timestamp");
        let length = matches!(*kind, column::STRING | column::VARCHAR);
        columns.push(ColumnShape {
            name: "v".to_owned(),
            data_type: (*data_type).to_owned(),
            column_type: (*column_type).to_owned(),
            character_set: set.map(str::to_owned),
            octet_length: length.then_some(width[0].into()),
            datetime_precision: temporal.then(|| digit.map_or(0, |digit| digit - b'0')),
            nullable: true,
            key: None,
            generated: false,
        });
        maps.push(ColumnMap {
            kind: *kind,
            width: *width,
            nullable: true,
            name: None,
            unsigned: None,
            collation: None,
            labels: None,
            key: None,
        });
    }
    let shape = TableShape { schema: "erp".into(), table: "t".into(), columns };
    Plan::new(&shape, &maps, ReplicaIdentity::Full)
}

/// The text of one cell.
fn text(column: usize, stored: &[u8]) -> String {
    let plan = plan(&TYPES[column..=column]);
    let (row, mut cells) = ([&[0][..], stored].concat(), Cells::default());
    let mut rest = &row[..];
    plan.read(&mut rest, &[1], &mut cells).unwrap();
    assert!(rest.is_empty());
    cells.values().next().and_then(Value::text).map(str::to_owned).unwrap()
}

fn place(data_type: &str, kind: u8) -> usize {
    TYPES.iter().position(|typed| typed.0 == data_type && typed.3 == kind).unwrap()
}

#[test]
fn numbers_keep_their_signs() {
    assert_eq!(text(place("mediumint", column::INT24), &[0xFF, 0xFF, 0xFF]), "-1");
    assert_eq!(text(place("mediumint", column::INT24), &[0, 0, 0x80]), "-8388608");
    assert_eq!(text(place("smallint", column::SHORT), &[0xFF, 0xFF]), "65535");
    assert_eq!(text(place("bigint", column::LONGLONG), &[0xFF; 8]), "18446744073709551615");
}

#[test]
fn times_below_zero_count_downwards() {
    let time = place("time", column::TIME2);
    assert_eq!(text(time, &[0x7F, 0xFF, 0xFF, 0xF6]), "-00:00:00.1");
    assert_eq!(text(time, &[0x80, 0, 0, 0]), "00:00:00");
    assert_eq!(text(time, &[0x7F, 0xFF, 0xFF, 0]), "-00:00:01");
    let old = 8_385_959_i32.wrapping_neg().to_le_bytes();
    assert_eq!(text(place("time", column::TIME), &old[..3]), "-838:59:59");
}

#[test]
fn moments_reach_beyond_2038() {
    let old = place("timestamp", column::TIMESTAMP);
    assert_eq!(text(old, &[0; 4]), "0000-00-00 00:00:00");
    assert_eq!(text(old, &[0xFF, 0xFF, 0xFF, 0xFF]), "2106-02-07 06:28:15+00");
    assert_eq!(text(old, &1_709_251_199_u32.to_le_bytes()), "2024-02-29 23:59:59+00");
    let new = [&1_709_251_199_u32.to_be_bytes()[..], &[0x13, 0x88]].concat();
    let timestamp = place("timestamp", column::TIMESTAMP2);
    assert_eq!(text(timestamp, &new), "2024-02-29 23:59:59.5+00");
}

#[test]
fn zeros_cut_off_at_the_end_come_back() {
    assert_eq!(text(place("binary", column::STRING), &[2, 0x41, 0]), r"\x41000000");
    assert_eq!(text(place("inet4", column::STRING), &[1, 10]), "10.0.0.0");
    assert_eq!(text(place("inet6", column::STRING), &[0]), "::");
}

#[test]
fn a_label_that_does_not_exist_is_refused() {
    assert_eq!(text(place("enum", column::ENUM), &[0]), "");
    assert_eq!(text(place("enum", column::ENUM), &[2]), "b");
    assert_eq!(text(place("set", column::SET), &[3]), "a,b");
    let plan = plan(&[TYPES[place("set", column::SET)]]);
    let refused = plan.read(&mut &[0, 4][..], &[1], &mut Cells::default()).unwrap_err();
    assert!(matches!(refused, Unreadable::Cell { column: 0, .. }));
}

#[test]
fn a_shape_of_another_width_does_not_fit() {
    let (data_type, column_type, set, kind, _) = TYPES[place("decimal", column::NEWDECIMAL)];
    let wider = [(data_type, column_type, set, kind, [13, 4])];
    assert!(matches!(made(&wider), Err(Disagreement::Type { .. })));
}

#[test]
fn cells_that_are_not_there_are_absent() {
    let plan = plan(&TYPES[..3]);
    let mut cells = Cells::default();
    plan.read(&mut &[0b10, 7][..], &[0b101], &mut cells).unwrap();
    let values: Vec<_> = cells.values().collect();
    assert_eq!(values, [Value::Text("7"), Value::Absent, Value::Null]);
}

proptest! {
    #[test]
    fn no_row_makes_a_plan_panic(
        column in 0..TYPES.len(), bytes in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let plan = plan(&TYPES[column..=column]);
        let row = [&[0][..], &bytes].concat();
        let mut rest = &row[..];
        let read = plan.read(&mut rest, &[1], &mut Cells::default());
        prop_assert!(read.is_ok() || !row.is_empty());
    }
}
