//! What follows from which position.

use super::*;

const FORK_A: Identity = Identity { fork: Some(0xA), made: 1 };
const FORK_B: Identity = Identity { fork: Some(0xB), made: 2 };

fn lsn(block: u32) -> Lsn {
    format!("00000001:{block:08x}:0001").parse().unwrap()
}

fn server(identity: Identity, newest_block: u32, newest_local: i64) -> Server {
    let newest = Commit {
        lsn: lsn(newest_block),
        begin: lsn(1),
        local: newest_local,
        at: Timestamp::default(),
        transaction: Vec::new(),
    };
    Server {
        identity,
        forked_at: None,
        now: Timestamp::default(),
        local: 0,
        snapshots_allowed: true,
        newest: Some(newest),
    }
}

fn position(text: &str) -> LogPosition {
    text.parse().unwrap()
}

fn at(block: u32, rest: &str) -> LogPosition {
    position(&format!("00000001:{block:08x}:0001{rest}"))
}

const A: &str = ";at=100;seen=0000000000000000;fork=0000000000000000000000000000000a;made=1";

#[test]
fn without_a_position_all_begins_anew() {
    assert_eq!(decide(None, &server(FORK_A, 9, 0)).unwrap(), Start::Fresh);
}

#[test]
fn a_position_of_this_log_is_resumed() {
    for position in [at(5, A), at(5, "")] {
        let start = decide(Some(position.clone()), &server(FORK_A, 9, 200)).unwrap();
        assert_eq!(start, Start::Resume(position));
    }
}

#[test]
fn an_unfinished_snapshot_is_finished() {
    let position = position(&format!("snapshot:{}", at(5, A)));
    let start = decide(Some(position.clone()), &server(FORK_A, 9, 200)).unwrap();
    assert_eq!(start, Start::Finish { after: position, read: ReadSoFar::default() });
}

#[test]
fn another_fork_is_another_database_unless_it_shares_our_history() {
    let error = decide(Some(at(5, A)), &server(FORK_B, 9, 200)).unwrap_err();
    assert_eq!(error.kind(), SourceErrorKind::IdentityChanged);
    let forked = |block| Server { forked_at: Some(lsn(block)), ..server(FORK_B, 9, 200) };
    assert!(decide(Some(at(5, A)), &forked(7)).is_ok());
    assert!(decide(Some(at(5, A)), &forked(4)).is_err());
}

#[test]
fn without_a_fork_the_time_of_creation_tells() {
    let unknown = |made| Identity { fork: None, made };
    assert!(decide(Some(at(5, A)), &server(unknown(1), 9, 200)).is_ok());
    assert!(decide(Some(at(5, A)), &server(unknown(2), 9, 200)).is_err());
}

#[test]
fn capture_may_be_behind_but_never_go_back() {
    // Nothing was captured since the snapshot.
    assert!(decide(Some(at(5, A)), &server(FORK_A, 3, 90)).is_ok());
    // The clock of the commits is coarse.
    assert!(decide(Some(at(5, A)), &server(FORK_A, 3, 3_000)).is_ok());
    // A later commit at an earlier place.
    let error = decide(Some(at(5, A)), &server(FORK_A, 3, 30_000_000)).unwrap_err();
    assert!(error.to_string().contains("gone back"), "{error}");
}
