use proptest::prelude::*;

use super::*;

fn uuid() -> impl Strategy<Value = Uuid> {
    any::<[u8; 16]>().prop_map(Uuid)
}

fn coordinates() -> impl Strategy<Value = Coordinates> {
    ("[a-zäöü ;:=%/.-]{0,8}[.][0-9]{6}", any::<u64>())
        .prop_map(|(file, offset)| Coordinates { file, offset })
}

fn gtid() -> impl Strategy<Value = Gtid> {
    let mysql = (uuid(), prop::sample::select(vec!["", "erp"]), 1_u64..u64::MAX).prop_map(
        |(uuid, tag, number)| Gtid::MySql(crate::gtid::Origin { uuid, tag: tag.into() }, number),
    );
    let mariadb =
        (any::<u32>(), any::<u32>(), any::<u64>()).prop_map(|(domain, server, number)| {
            Gtid::MariaDb(crate::gtid::DomainGtid { domain, server, number })
        });
    prop_oneof![mysql, mariadb]
}

fn gtids() -> impl Strategy<Value = Option<GtidSet>> {
    prop::collection::vec(gtid(), 0..5).prop_map(|gtids| {
        let mut set = match gtids.first()? {
            Gtid::MySql(..) => GtidSet::MySql(crate::gtid::IntervalSet::default()),
            Gtid::MariaDb(_) => GtidSet::MariaDb(std::collections::BTreeMap::new()),
        };
        for gtid in &gtids {
            set.insert(gtid);
        }
        Some(set)
    })
}

fn reached() -> impl Strategy<Value = Reached> {
    let prepared =
        (coordinates(), prop::option::of(gtid())).prop_map(|(at, gtid)| Prepared { at, gtid });
    (coordinates(), any::<Option<u32>>(), gtids(), prop::collection::vec(prepared, 0..3))
        .prop_map(|(at, born, gtids, prepared)| Reached { at, born, gtids, prepared })
}

fn place() -> impl Strategy<Value = Place> {
    let done = prop::option::of(0_usize..100).prop_map(|place| {
        place.map(|place| {
            let mut done = TablesDone::none_of([]);
            done.insert(place);
            done
        })
    });
    prop_oneof![
        reached().prop_map(Place::Streaming),
        (prop::option::of(reached()), done)
            .prop_map(|(reached, done)| Place::Snapshot(reached, done)),
    ]
}

fn identity() -> impl Strategy<Value = Option<Identity>> {
    let server = prop_oneof![uuid().prop_map(Server::Uuid), any::<u32>().prop_map(Server::Id)];
    prop::option::of((server, any::<u16>()).prop_map(|(server, era)| Identity { server, era }))
}

proptest! {
    #[test]
    fn a_position_reads_back_from_its_text(place in place(), identity in identity()) {
        let position = LogPosition { place, identity };
        let text = position.to_string();
        prop_assert_eq!(text.parse(), Ok(position), "{}", text);
        prop_assert!(text.bytes().all(|byte| (0x21..0x7F).contains(&byte)), "{}", text);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "(snapshot:)?[a-z0-9.:;=@%,é-]{0,40}") {
        if let Ok(position) = text.parse::<LogPosition>() {
            prop_assert_eq!(position.to_string().parse(), Ok(position));
        }
    }

    #[test]
    fn sequences_order_as_eras_and_places_do(
        a in (any::<u16>(), 0_u32..3_000_000, 0_u64..1 << 48),
        b in (any::<u16>(), 0_u32..3_000_000, 0_u64..1 << 48),
    ) {
        let sequence = |(era, file, offset): (u16, u32, u64)| {
            Coordinates::new(format!("binlog.{file:06}"), offset).sequence(era)
        };
        prop_assert_eq!(a.cmp(&b), sequence(a).cmp(&sequence(b)));
    }
}

#[test]
fn files_are_ordered_by_their_numbers() {
    let place = |file: &str| Coordinates::new(file, 4);
    assert!(place("binlog.999999").order(&place("binlog.1000000")).is_lt());
    assert_eq!(place("binlog.999999").successor().as_deref(), Some("binlog.1000000"));
    assert_eq!(place("erp-8.bin.000009").successor().as_deref(), Some("erp-8.bin.000010"));
    assert_eq!(place("binlog").successor(), None);
}

#[test]
fn what_is_not_a_position_is_refused() {
    for text in [
        "",
        "binlog.000001",
        "binlog.000001:",
        ":4",
        "binlog.000001:-4",
        "binlog.000001:4;",
        "binlog.000001:4;server=1",
        "binlog.000001:4;server=1;era=0;x=1",
        "binlog.000001:4;done=af63bd4c8601b7be:05",
        "binlog.000001:4;gtid=0-1-5;server=1;era=0",
        "none",
        "bin log.000001:4",
        "b%41.000001:4",
        "b%2.000001:4",
    ] {
        assert_eq!(text.parse::<LogPosition>(), Err(NotAPosition), "{text}");
    }
}

#[test]
fn prepared_transactions_are_read_again() {
    let text = "binlog.000003:99;server=7;era=0;gtid=0-7-12;xa=binlog.000001:4@0-7-3;\
        xa=binlog.000002:8@0-7-9";
    let position: LogPosition = text.parse().unwrap();
    let reached = position.place.reached().unwrap();
    assert_eq!(reached.read_from(), &Coordinates::new("binlog.000001", 4));
    assert_eq!(reached.read_after().unwrap().to_string(), "0-7-2");
    let unnamed: LogPosition = "b.01:9;gtid=0-7-12;xa=b.01:4".parse().unwrap();
    assert_eq!(unnamed.place.reached().unwrap().read_after(), None);
}
