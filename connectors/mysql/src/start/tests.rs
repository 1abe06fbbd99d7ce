use erpbridge_connector::SourceErrorKind;

use super::*;

const HERE: &str = "8a94f357-aab4-11df-86ab-c80aa9429562";
const THERE: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

fn server() -> Server {
    let file = |name: &str| LogFile { name: name.to_owned(), bytes: 1000 };
    Server {
        family: Family::MySql,
        id: HERE.parse().unwrap(),
        log: LogEnd {
            at: Coordinates::new("binlog.000005", 500),
            gtids: Some(format!("{HERE}:1-90").parse().unwrap()),
        },
        files: vec![file("binlog.000003"), file("binlog.000004"), file("binlog.000005")],
        by_gtid: true,
        purged: Some(format!("{HERE}:1-10").parse().unwrap()),
        there: None,
        old_images: ReplicaIdentity::Full,
    }
}

fn begin(position: &str, server: &Server) -> Result<Start, SourceErrorKind> {
    decide(Some(position.parse().unwrap()), server).map_err(|error| error.kind())
}

#[test]
fn without_a_place_all_begins_anew() {
    assert_eq!(decide(None, &server()).unwrap(), Start::Fresh);
    assert_eq!(begin(&format!("snapshot:none;server={HERE};era=0"), &server()), Ok(Start::Fresh));
}

#[test]
fn a_place_in_what_is_left_of_the_log_is_resumed_from() {
    let position = format!("binlog.000004:700;server={HERE};era=2;gtid={HERE}:1-50");
    let Ok(Start::Resume(route)) = begin(&position, &server()) else { panic!("not resumed") };
    assert_eq!(route.entry, Entry::At(Coordinates::new("binlog.000004", 700)));
    assert_eq!((route.known, route.identity.era), (assemble::Known::Nothing, 2));
    let unfinished = format!("snapshot:{position}");
    assert!(matches!(begin(&unfinished, &server()), Ok(Start::Finish(_, None))));
}

#[test]
fn prepared_transactions_are_read_again_and_what_followed_them_is_known() {
    let position = format!("binlog.000004:700;server={HERE};era=0;xa=binlog.000003:4");
    let Ok(Start::Resume(route)) = begin(&position, &server()) else { panic!("not resumed") };
    assert_eq!(route.entry, Entry::At(Coordinates::new("binlog.000003", 4)));
    let before = assemble::Known::Before(Coordinates::new("binlog.000004", 700));
    assert_eq!(route.known, before);
}

#[test]
fn a_place_beyond_4_gib_is_reached_from_the_beginning_of_its_file() {
    let mut server = server();
    server.log.at.offset = 6 << 30;
    let position = format!("binlog.000005:{};server={HERE};era=0", 5_u64 << 30);
    let Ok(Start::Resume(route)) = begin(&position, &server) else { panic!("not resumed") };
    assert_eq!(route.entry, Entry::At(Coordinates::new("binlog.000005", 4)));
    assert!(matches!(route.known, assemble::Known::Before(_)));
}

#[test]
fn what_does_not_fit_is_refused() {
    let cases = [
        // Purged, reset, cut short, renamed.
        (format!("binlog.000002:700;server={HERE};era=0"), SourceErrorKind::PositionLost),
        (
            format!("binlog.000004:700;server={HERE};era=0;xa=binlog.000001:4"),
            SourceErrorKind::PositionLost,
        ),
        (format!("binlog.000009:700;server={HERE};era=0"), SourceErrorKind::IdentityChanged),
        (format!("binlog.000005:501;server={HERE};era=0"), SourceErrorKind::IdentityChanged),
        (format!("mysql-bin.000004:4;server={HERE};era=0"), SourceErrorKind::IdentityChanged),
        // Restored from a backup.
        (
            format!("binlog.000004:4;server={HERE};era=0;gtid={HERE}:1-91"),
            SourceErrorKind::IdentityChanged,
        ),
        // Another server: without names of transactions, with more of them, with too many purged.
        (format!("binlog.000004:4;server={THERE};era=0"), SourceErrorKind::IdentityChanged),
        (
            format!("binlog.000004:4;server={THERE};era=0;gtid={HERE}:1-50,{THERE}:1-3"),
            SourceErrorKind::IdentityChanged,
        ),
        (
            format!("binlog.000004:4;server={THERE};era=0;gtid={HERE}:1-9"),
            SourceErrorKind::PositionLost,
        ),
    ];
    for (position, kind) in cases {
        assert_eq!(begin(&position, &server()), Err(kind), "{position}");
    }
    let mut anonymous = server();
    anonymous.by_gtid = false;
    let position = format!("binlog.000004:4;server={THERE};era=0;gtid={HERE}:1-50");
    assert_eq!(begin(&position, &anonymous), Err(SourceErrorKind::IdentityChanged));
}

#[test]
fn a_server_that_has_all_we_know_takes_over_and_the_order_goes_on() {
    let position = format!("binlog.000077:4;server={THERE};era=6;gtid={HERE}:1-50");
    let Ok(Start::Resume(route)) = begin(&position, &server()) else { panic!("not resumed") };
    let known: GtidSet = format!("{HERE}:1-50").parse().unwrap();
    assert_eq!(route.entry, Entry::Without(known.clone()));
    assert_eq!(route.known, assemble::Known::These(known));
    assert_eq!(route.identity, Identity { server: HERE.parse().unwrap(), era: 7 });
}

#[test]
fn a_log_with_other_transactions_at_our_place_is_not_ours() {
    let mut server = server();
    (server.family, server.id) = (Family::MariaDb, "7".parse().unwrap());
    server.there = Some("0-7-50".parse().unwrap());
    let position = |gtid: &str| format!("binlog.000004:4;server=7;era=0;gtid={gtid}");
    assert!(begin(&position("0-7-50"), &server).is_ok());
    assert_eq!(begin(&position("0-7-49"), &server), Err(SourceErrorKind::IdentityChanged));
}
