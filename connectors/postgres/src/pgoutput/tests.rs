use proptest::prelude::*;

use super::*;

const XID: [u8; 4] = [0, 0, 2, 0xE4];

fn bytes(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn cells(tuple: Tuple<'_>) -> Vec<Cell<'_>> {
    tuple.cells().collect()
}

#[test]
fn a_begin_names_the_commit_to_come() {
    let message =
        bytes(&[b"B", &[0, 0, 0, 0x16, 0xB3, 0x74, 0xD8, 0x48], &[0, 0, 0, 0, 0, 0, 0, 1], &XID]);
    let expected = Message::Begin {
        final_lsn: Lsn::new(0x16_B374_D848),
        committed_at: Timestamp::from_micros(946_684_800_000_001),
        xid: 740,
    };
    assert_eq!(decode(&message), Ok(expected));
}

#[test]
fn a_commit_says_where_to_resume() {
    let message =
        bytes(&[b"C\0", &[0, 0, 0, 0, 0, 0, 1, 0], &[0, 0, 0, 0, 0, 0, 1, 0x30], &[0; 8]]);
    assert_eq!(decode(&message), Ok(Message::Commit { end_lsn: Lsn::new(0x130) }));
}

#[test]
fn origins_types_and_logical_messages_are_read_over() {
    assert_eq!(decode(&bytes(&[b"O", &[0; 8], b"north\0"])), Ok(Message::Origin));
    assert_eq!(decode(&bytes(&[b"Y", &[0, 0, 0x40, 1], b"erp\0status\0"])), Ok(Message::Type));
    let logical = bytes(&[b"M\x01", &[0; 8], b"beat\0", &[0, 0, 0, 2], b"hi"]);
    assert_eq!(decode(&logical), Ok(Message::Logical));
}

#[test]
fn a_relation_names_its_columns_with_key_flags_types_and_modifiers() {
    let message = bytes(&[
        b"R",
        &[0, 0, 0x40, 0],
        b"erp\0item\0d",
        &[0, 2],
        b"\x01code\0",
        &[0, 0, 4, 0x12],
        &[0, 0, 0, 12],
        b"\0name\0",
        &[0, 0, 0, 25],
        &[0xFF; 4],
    ]);
    let expected = Relation {
        oid: 0x4000,
        schema: "erp",
        table: "item",
        identity: b'd',
        columns: vec![
            RelationColumn { key: true, name: "code", type_oid: 1042, type_modifier: 12 },
            RelationColumn { key: false, name: "name", type_oid: 25, type_modifier: -1 },
        ],
    };
    assert_eq!(decode(&message), Ok(Message::Relation(expected)));
}

#[test]
fn the_catalogue_schema_comes_without_its_name() {
    let message = bytes(&[b"R", &[0, 0, 4, 0xEB], b"\0pg_type\0d", &[0, 0]]);
    let Ok(Message::Relation(relation)) = decode(&message) else { panic!("not a relation") };
    assert_eq!(relation.schema, "pg_catalog");
}

#[test]
fn an_insert_tells_null_unchanged_and_empty_text_apart() {
    let message = bytes(&[
        b"I",
        &[0, 0, 0x40, 0],
        b"N",
        &[0, 4],
        b"nut",
        &[0; 4],
        b"t",
        &[0, 0, 0, 2],
        b"A1",
    ]);
    let Ok(Message::Insert { relation: 0x4000, new }) = decode(&message) else {
        panic!("not an insert")
    };
    assert_eq!(cells(new), [Cell::Null, Cell::Unchanged, Cell::Text(b""), Cell::Text(b"A1")]);
    assert_eq!(new.columns(), 4);
}

#[test]
fn an_update_comes_with_no_key_or_full_old_image() {
    let new: &[u8] = b"N\0\x01n";
    let update = |old: &[u8]| bytes(&[b"U", &[0, 0, 0, 7], old, new]);
    let old_of = |message: &[u8]| match decode(message) {
        Ok(Message::Update { old: Some(Old::Key(tuple)), .. }) => ('K', cells(tuple).len()),
        Ok(Message::Update { old: Some(Old::Full(tuple)), .. }) => ('O', cells(tuple).len()),
        Ok(Message::Update { old: None, .. }) => ('-', 0),
        other => panic!("not an update: {other:?}"),
    };
    assert_eq!(old_of(&update(b"")), ('-', 0));
    assert_eq!(old_of(&update(b"K\0\x02t\0\0\0\x01kn")), ('K', 2));
    assert_eq!(old_of(&update(b"O\0\x01u")), ('O', 1));
}

#[test]
fn a_delete_has_an_old_image_only() {
    let message = bytes(&[b"D", &[0, 0, 0, 7], b"K\0\x02t\0\0\0\x01kn"]);
    let Ok(Message::Delete { relation: 7, old: Old::Key(old) }) = decode(&message) else {
        panic!("not a delete")
    };
    assert_eq!(cells(old), [Cell::Text(b"k"), Cell::Null]);
    assert_eq!(decode(b"D\0\0\0\x07N\0\x01n"), Err(Malformed::Image('N')));
}

#[test]
fn a_truncate_names_every_table() {
    let message = bytes(&[b"T", &[0, 0, 0, 2], b"\x02", &[0, 0, 0, 7], &[0, 0, 0, 9]]);
    assert_eq!(decode(&message), Ok(Message::Truncate { relations: vec![7, 9] }));
    assert_eq!(decode(b"T\xFF\xFF\xFF\xFF\0"), Err(Malformed::Short));
}

#[test]
fn a_binary_cell_is_refused() {
    let message = bytes(&[b"I", &[0, 0, 0, 7], b"N", &[0, 1], b"b", &[0, 0, 0, 1], b"x"]);
    assert_eq!(decode(&message), Err(Malformed::Cell('b')));
}

#[test]
fn messages_of_later_protocol_versions_are_refused() {
    // Stream start, stop, commit, abort; begin prepare, prepare, commit and rollback prepared.
    for tag in *b"SEcAbPKr" {
        assert_eq!(decode(&[tag, 0]), Err(Malformed::Message(char::from(tag))));
    }
}

#[test]
fn a_message_cut_short_or_too_long_is_refused() {
    let whole = bytes(&[b"C\0", &[0; 24]]);
    for end in 0..whole.len() {
        assert_eq!(decode(&whole[..end]), Err(Malformed::Short), "{end}");
    }
    assert_eq!(decode(&bytes(&[&whole, b"x"])), Err(Malformed::Long));
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(
        tag in prop::sample::select(b"BCORYIUDTMSx".to_vec()),
        rest in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let message = bytes(&[&[tag], &rest]);
        if let Ok(Message::Insert { new, .. }) = decode(&message) {
            prop_assert_eq!(new.cells().count(), new.columns());
        }
    }

    #[test]
    fn a_server_time_reads_back(micros in -1_000_000_000_000_000i64..1_000_000_000_000_000) {
        prop_assert_eq!(server_micros(timestamp(micros)), micros);
    }
}
