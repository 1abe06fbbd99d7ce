//! Places and positions read back from their text, and order as the log does.

use erpbridge_connector::TablesDone;
use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn an_lsn_reads_back_from_its_text(bytes: [u8; 10]) {
        let lsn = Lsn(bytes);
        prop_assert_eq!(lsn.to_string().parse(), Ok(lsn));
        prop_assert!(lsn == Lsn([0xFF; 10]) || lsn.next().previous() == lsn);
    }

    #[test]
    fn sequences_order_as_their_places_do(a: [u8; 10], b: [u8; 10]) {
        let (a, b) = (Lsn(a), Lsn(b));
        prop_assert_eq!(a.cmp(&b), a.sequence().cmp(&b.sequence()));
        prop_assert!(a.sequence() < a.sequence_after());
        prop_assert!(a >= b || a.sequence_after() < b.sequence());
    }

    #[test]
    fn a_position_reads_back_from_its_text(
        bytes: [u8; 10], snapshot: bool, done: Option<u8>, part: Option<u64>, witness: Option<(i64, u64)>,
        identity: Option<(Option<u128>, i64)>,
    ) {
        let done = done.map(|place| {
            let mut done = TablesDone::none_of([]);
            done.insert(place.into());
            done
        });
        let lsn = Lsn(bytes);
        let mut read = ReadSoFar::tables(done);
        if let Some(table) = part {
            read.parts.reach(table, vec!["é;1".to_owned(), String::new()]);
        }
        let place = if snapshot { Place::Snapshot(lsn, read) } else { Place::Streaming(lsn) };
        let witness = witness.map(|(at, instances)| Witness { at, instances });
        let identity = identity.map(|(fork, made)| Identity { fork, made });
        let position = LogPosition { place, witness, identity };
        prop_assert_eq!(position.to_string().parse(), Ok(position.clone()));
        prop_assert!(position.to_string().bytes().all(|b| (0x21..0x7F).contains(&b)));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "(snapshot:)?[0-9a-f:;=+é]{0,40}") {
        if let Ok(position) = text.parse::<LogPosition>() {
            prop_assert_eq!(position.to_string().parse(), Ok(position));
        }
    }
}

#[test]
fn an_lsn_prints_as_the_server_prints_it() {
    let lsn: Lsn = "0000002a:00000198:0003".parse().unwrap();
    assert_eq!(lsn.as_bytes(), [0, 0, 0, 0x2a, 0, 0, 1, 0x98, 0, 3]);
    assert_eq!(lsn.sequence().as_str(), "0000002A0000019800030");
    assert_eq!(Lsn::from_decimal(42_000_000_040_800_003), Some(lsn));
    assert_eq!(Lsn::from_decimal(-1), None);
}

#[test]
fn what_is_not_an_lsn_is_refused() {
    for text in [
        "",
        "::",
        "0:0:0",
        "0000002a:00000198",
        "+000002a:00000198:0003",
        "0000002a:00000198:0003:0",
        "0000002g:00000198:0003",
    ] {
        assert_eq!(text.parse::<Lsn>(), Err(NotAnLsn), "{text}");
    }
}

#[test]
fn a_position_with_half_of_what_belongs_together_is_refused() {
    for rest in [
        ";",
        ";at=1",
        ";seen=0000000000000001",
        ";fork=1;made=1",
        ";made=+1",
        ";fork=00000000000000000000000000000001",
        ";made=1;made=1",
        ";done=af63bd4c8601b7be:05",
    ] {
        let text = format!("0000002a:00000198:0003{rest}");
        assert_eq!(text.parse::<LogPosition>(), Err(NotAPosition), "{text}");
    }
}
