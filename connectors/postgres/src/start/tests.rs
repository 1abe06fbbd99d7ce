use super::*;

const IDENTITY: Identity = Identity { system: 7, timeline: 1, database: 5 };

fn config() -> PostgresConfig {
    PostgresConfig::from_url("north", "postgres://reader@localhost/erp").unwrap()
}

fn server(identity: Identity) -> Server {
    Server { identity, log_end: Lsn::new(0x1000), asked_at: Timestamp::default(), patience: None }
}

fn slot(confirmed: u64) -> Slot {
    Slot { confirmed: Lsn::new(confirmed), ..Slot::default() }
}

fn at(lsn: u64) -> LogPosition {
    LogPosition::streaming(Lsn::new(lsn), IDENTITY)
}

fn start(resume: Option<LogPosition>, slot: Option<&Slot>) -> Result<Start, SourceErrorKind> {
    decide(&config(), resume, &server(IDENTITY), None, slot).map_err(|error| error.kind())
}

#[test]
fn a_first_start_makes_the_slot() {
    assert_eq!(start(None, None), Ok(Start::Fresh));
}

#[test]
fn a_slot_without_a_stored_position_is_not_taken_over() {
    let error = decide(&config(), None, &server(IDENTITY), None, Some(&slot(1))).unwrap_err();
    assert_eq!(error.kind(), SourceErrorKind::Setup);
    assert!(error.hint().unwrap().contains("SELECT pg_drop_replication_slot('erpbridge_north')"));
}

#[test]
fn a_start_that_was_about_to_make_its_slot_begins_again_with_or_without_it() {
    let trace = || Some(LogPosition::snapshot(Lsn::ZERO, None, IDENTITY));
    assert_eq!(start(trace(), None), Ok(Start::Again));
    assert_eq!(start(trace(), Some(&slot(0x100))), Ok(Start::Again));
}

#[test]
fn an_unfinished_snapshot_is_finished_if_the_log_since_then_is_there() {
    let mut done = TablesDone::none_of([]);
    done.insert(3);
    for done in [None, Some(done)] {
        let unfinished = || Some(LogPosition::snapshot(Lsn::new(0x200), done.clone(), IDENTITY));
        let (after, confirmed) = (Lsn::new(0x200), Lsn::new(0x100));
        let expected = Start::Finish { after, confirmed, done: done.clone() };
        assert_eq!(start(unfinished(), Some(&slot(0x100))), Ok(expected));
        let lost = Slot { lost: Some("wal_removed".to_owned()), ..slot(0x100) };
        for slot in [None, Some(&lost), Some(&slot(0x201))] {
            assert_eq!(start(unfinished(), slot), Err(SourceErrorKind::PositionLost));
        }
    }
}

#[test]
fn a_position_the_slot_still_has_is_resumed() {
    let expected = Start::Resume { after: Lsn::new(0x200), confirmed: Lsn::new(0x100) };
    assert_eq!(start(Some(at(0x200)), Some(&slot(0x100))), Ok(expected));
    assert!(start(Some(at(0x100)), Some(&slot(0x100))).is_ok());
    assert!(start(Some(at(0x1000)), Some(&slot(0x100))).is_ok());
}

#[test]
fn a_position_the_server_would_skip_over_is_lost() {
    assert_eq!(start(Some(at(0xFF)), Some(&slot(0x100))), Err(SourceErrorKind::PositionLost));
}

#[test]
fn a_position_beyond_the_log_belongs_to_another_server() {
    assert_eq!(start(Some(at(0x1001)), Some(&slot(0x100))), Err(SourceErrorKind::IdentityChanged));
}

#[test]
fn a_vanished_slot_is_never_made_again_in_silence() {
    assert_eq!(start(Some(at(0x200)), None), Err(SourceErrorKind::PositionLost));
}

#[test]
fn a_slot_the_server_gave_up_is_lost() {
    let slot = Slot { lost: Some("wal_removed".to_owned()), ..slot(0x100) };
    assert_eq!(start(Some(at(0x200)), Some(&slot)), Err(SourceErrorKind::PositionLost));
}

#[test]
fn a_slot_that_is_being_read_is_busy_and_names_the_reader() {
    let slot = Slot { reader: Some("4711".to_owned()), ..slot(0x100) };
    let error =
        decide(&config(), Some(at(0x200)), &server(IDENTITY), None, Some(&slot)).unwrap_err();
    assert_eq!(error.kind(), SourceErrorKind::Busy);
    assert!(error.to_string().contains("process 4711"));
}

#[test]
fn a_slot_of_another_plugin_is_refused() {
    let slot = Slot { foreign: Some("plugin test_decoding".to_owned()), ..slot(0x100) };
    assert_eq!(start(Some(at(0x200)), Some(&slot)), Err(SourceErrorKind::Setup));
}

#[test]
fn another_cluster_or_database_is_refused() {
    for identity in [Identity { system: 8, ..IDENTITY }, Identity { database: 6, ..IDENTITY }] {
        let decided =
            decide(&config(), Some(at(0x200)), &server(identity), None, Some(&slot(0x100)));
        assert_eq!(decided.unwrap_err().kind(), SourceErrorKind::IdentityChanged);
    }
}

#[test]
fn a_new_timeline_is_followed_only_from_before_the_switch() {
    let promoted = server(Identity { timeline: 2, ..IDENTITY });
    let decided = |switch| {
        decide(&config(), Some(at(0x200)), &promoted, switch, Some(&slot(0x100)))
            .map_err(|error| error.kind())
    };
    assert_eq!(decided(None), Err(SourceErrorKind::IdentityChanged));
    assert_eq!(decided(Some(Lsn::new(0x1FF))), Err(SourceErrorKind::IdentityChanged));
    assert!(decided(Some(Lsn::new(0x200))).is_ok());
}

#[test]
fn a_position_a_person_wrote_is_compared_with_nothing() {
    let written = "0/200".parse().ok();
    assert!(start(written, Some(&slot(0x100))).is_ok());
}

#[test]
fn a_history_tells_where_a_timeline_was_left() {
    let history = "1\t0/3000060\tno recovery target specified\n\n2\t0/5000000\tbefore 2000-01-01\n";
    assert_eq!(switch_point(history, 1), Some(Lsn::new(0x0300_0060)));
    assert_eq!(switch_point(history, 2), Some(Lsn::new(0x0500_0000)));
    assert_eq!(switch_point(history, 3), None);
}
