use super::*;

fn text(stored: &[u8]) -> Result<String, &'static str> {
    let mut out = String::new();
    push(stored, &mut out).map(|()| out)
}

/// `{"a": 1, "b": [true, "x"]}`, as MySQL 8.0 stores it.
const OBJECT: &[u8] = &[
    0x00, 2, 0, 0x26, 0, // small object, two members, 38 bytes
    0x12, 0, 1, 0, 0x13, 0, 1, 0, // keys at 18 and 19
    0x05, 1, 0, // an integer inside its entry
    0x02, 0x14, 0, // an array at 20
    b'a', b'b', // the keys
    2, 0, 0x0C, 0, // two elements, 12 bytes
    0x04, 1, 0, // true
    0x0C, 0x0A, 0, // a string at 10 of the array
    1, b'x', 0, 0, 0, 0, 0, 0, // the string, and room the server left
];

#[test]
fn a_document_prints_as_the_server_prints_it() {
    assert_eq!(text(OBJECT).unwrap(), r#"{"a": 1, "b": [true, "x"]}"#);
    assert_eq!(text(&[]).unwrap(), "null");
    assert_eq!(text(&[LITERAL, 0]).unwrap(), "null");
    assert_eq!(text(b"\x0C\x03a\"\n").unwrap(), r#""a\"\n""#);
}

#[test]
fn numbers_show_whether_they_are_integers() {
    let double = |number: f64| text(&[&[DOUBLE][..], &number.to_le_bytes()].concat()).unwrap();
    assert_eq!(double(1.0), "1.0");
    assert_eq!(double(-0.5), "-0.5");
    assert_eq!(double(1e14), "100000000000000.0");
    assert_eq!(double(1e20), "1e20");
    assert_eq!(double(1.5e-20), "1.5e-20");
    assert_eq!(double(0.0), "0.0");
    assert_eq!(text(&[INT64, 255, 255, 255, 255, 255, 255, 255, 255]).unwrap(), "-1");
    assert_eq!(text(&[UINT32, 255, 255, 255, 255]).unwrap(), "4294967295");
}

#[test]
fn values_json_has_no_type_for_keep_their_own() {
    // 12.50 as DECIMAL(4,2)
    assert_eq!(text(&[OPAQUE, 246, 4, 4, 2, 0x8C, 0x32]).unwrap(), "12.50");
    let packed = |kind: u8, days: i64, time: i64, micros: i64| {
        let packed = (((days << 17) + time) << 24) + micros;
        text(&[&[OPAQUE, kind, 8][..], &packed.to_le_bytes()].concat()).unwrap()
    };
    let day = ((2024 * 13 + 2) << 5) + 29;
    let time = (23 << 12) + (59 << 6) + 58;
    assert_eq!(packed(10, day, 0, 0), r#""2024-02-29""#);
    assert_eq!(packed(12, day, time, 500_000), r#""2024-02-29 23:59:58.500000""#);
    assert_eq!(packed(11, 0, time, 0), r#""23:59:58.000000""#);
    assert_eq!(text(&[OPAQUE, 252, 3, 1, 2, 3]).unwrap(), r#""base64:type252:AQID""#);
}

#[test]
fn broken_documents_are_refused() {
    for length in 1..OBJECT.len() - 6 {
        assert_eq!(text(&OBJECT[..length]), Err(BROKEN), "{length}");
    }
    // An array that holds itself.
    assert_eq!(text(&[2, 1, 0, 7, 0, 2, 0, 0]), Err(BROKEN));
    assert_eq!(text(&[OPAQUE]), Err(BROKEN));
    assert_eq!(text(&[0xFF, 0]), Err(BROKEN));
    assert_eq!(text(&[STRING, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80]), Err(BROKEN));
}
