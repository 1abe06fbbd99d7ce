//! The replication connection: getting in, and noticing that nobody is there any more.

use std::time::{Duration, Instant};

use erpbridge_connector::{Remedy, SourceErrorKind};
use erpbridge_postgres::{Secret, TlsConfig, TlsMode};
use erpbridge_test_support::{Certificates, Directory, Proxy, Way};

use crate::assert_told;
use crate::lab::{Lab, reader, server};

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION erpbridge FOR TABLE t";

#[tokio::test]
async fn a_stream_needs_the_right_password_and_the_right_to_replicate() {
    let mut lab = Lab::new("password", TABLE).await;
    lab.run("CREATE ROLE streaming LOGIN PASSWORD 'right'").await;
    let stored = lab.ask("SELECT rolpassword FROM pg_authid WHERE rolname = 'streaming'").await;
    assert!(stored.unwrap().starts_with("SCRAM-SHA-256$"));
    lab.config.user = "streaming".to_owned();
    lab.config.password = Some(Secret::new("not-this-one"));
    let error = lab.refused(None).await;
    assert_told(&error, SourceErrorKind::Authentication, &["password"]);
    assert!(!format!("{error:?}").contains("not-this-one"));
    lab.config.password = None;
    assert_told(&lab.refused(None).await, SourceErrorKind::Authentication, &["password"]);

    lab.config.password = Some(Secret::new("right"));
    let error = lab.refused(None).await;
    assert_told(&error, SourceErrorKind::Privilege, &["ALTER ROLE \"streaming\" REPLICATION"]);
    lab.run("ALTER ROLE streaming REPLICATION").await;
    let (tail, _) = lab.begin().await;
    reader(&lab).await;
    tail.stop().await;

    lab.config.database = "nowhere".to_owned();
    assert_told(&lab.refused(None).await, SourceErrorKind::Setup, &["nowhere"]);
}

#[tokio::test]
async fn a_stream_is_encrypted_to_the_server_that_is_meant() {
    let mut lab = Lab::alone(server().with_tls(), TABLE).await;
    lab.config.tls.mode = TlsMode::Disable;
    let error = lab.refused(None).await;
    assert_told(&error, SourceErrorKind::Authentication, &["sslmode=verify-full"]);

    let elsewhere = Directory::new("authority").unwrap();
    let other = Certificates::make(elsewhere.path()).unwrap();
    for mode in [TlsMode::VerifyFull, TlsMode::VerifyCa] {
        lab.config.tls =
            TlsConfig { mode, ca_file: Some(other.ca.clone()), ..TlsConfig::default() };
        assert_told(&lab.refused(None).await, SourceErrorKind::Setup, &["sslrootcert"]);
    }

    let ours = lab.postgres.certificates().unwrap().ca.clone();
    let mode = TlsMode::VerifyFull;
    lab.config.tls = TlsConfig { mode, ca_file: Some(ours), ..TlsConfig::default() };
    let (mut tail, _) = lab.begin().await;
    let pid = reader(&lab).await;
    let ssl = lab.ask(&format!("SELECT ssl FROM pg_stat_ssl WHERE pid = {pid}")).await;
    assert_eq!(ssl.as_deref(), Some("true"));
    lab.run("INSERT INTO t SELECT n FROM generate_series(1, 5000) n").await;
    assert_eq!(tail.texts_of(5000).await[4999], "insert t [5000]");
    tail.stop().await;
}

#[tokio::test]
async fn a_server_without_tls_is_not_talked_to_in_the_clear() {
    let mut lab = Lab::new("no_tls", TABLE).await;
    for mode in [TlsMode::VerifyFull, TlsMode::VerifyCa, TlsMode::Require] {
        lab.config.tls.mode = mode;
        assert_told(&lab.refused(None).await, SourceErrorKind::Setup, &["does not support TLS"]);
    }
}

/// The lab behind a proxy, and a server that waits a second for a sign of life.
async fn behind_a_proxy(name: &str) -> (Lab, Proxy) {
    let mut lab = Lab::new(name, TABLE).await;
    lab.run(&format!("ALTER DATABASE {name} SET wal_sender_timeout = '1s'")).await;
    let proxy = Proxy::start(&lab.postgres.address()).await.unwrap();
    lab.config.port = proxy.port();
    (lab, proxy)
}

#[tokio::test]
async fn a_server_that_fell_silent_is_given_up() {
    let (lab, proxy) = behind_a_proxy("silent").await;
    let (mut tail, origin) = lab.begin().await;
    reader(&lab).await;
    lab.run("INSERT INTO t VALUES (1)").await;
    tail.texts_of(1).await;
    proxy.stall_both();
    let begun = Instant::now();
    let error = tail.ended().await;
    assert_told(&error, SourceErrorKind::Connection, &["nothing for"]);
    assert_eq!(error.remedy(), Remedy::Retry);
    assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());

    // The server has noticed, too; nothing is missing after the pause.
    proxy.heal();
    lab.slot_is_free().await;
    lab.run("INSERT INTO t VALUES (2)").await;
    let at = lab.slot("confirmed_flush_lsn").await.unwrap();
    let place = origin.as_str().split_once(';').unwrap().1;
    let mut tail = lab.start(Some(&erpbridge_connector::Position::new(format!("{at};{place}"))));
    tail.until("the second row", |tail| tail.texts().iter().any(|t| t == "insert t [2]")).await;
    tail.stop().await;
}

#[tokio::test]
async fn a_stop_in_front_of_a_silent_server_keeps_its_deadline() {
    let (lab, proxy) = behind_a_proxy("silent_stop").await;
    let (tail, _) = lab.begin().await;
    reader(&lab).await;
    proxy.stall_both();
    let begun = Instant::now();
    tail.stop().await;
    assert!(begun.elapsed() < erpbridge_connector::STOP_DEADLINE);
}

#[tokio::test]
async fn a_connection_cut_inside_a_message_repeats_whole_transactions() {
    const ROWS: usize = 2000;
    let (lab, proxy) = behind_a_proxy("cut").await;
    let origin = lab.begun().await;
    for n in 0..4 {
        let (first, last) = (n * 500 + 1, n * 500 + 500);
        lab.run(&format!("INSERT INTO t SELECT n FROM generate_series({first}, {last}) n")).await;
    }
    let mut resume = origin;
    let mut ids = Vec::new();
    for bytes in [20_011, 40_007] {
        proxy.cut_after(Way::Down, bytes);
        let mut tail = lab.start(Some(&resume));
        tail.confirms = false;
        while tail.receive().await {}
        ids.extend(tail.lines.iter().filter(|line| line.complete).map(|line| line.text.clone()));
        resume = tail.lines.iter().rfind(|l| l.complete).map_or(resume, |l| l.resume.clone());
        let error = tail.ended().await;
        assert_eq!(error.kind(), SourceErrorKind::Connection, "{error:?}");
        proxy.heal();
        lab.slot_is_free().await;
    }
    let mut tail = lab.start(Some(&resume));
    ids.extend(tail.texts_of(ROWS - ids.len()).await);
    let expected: Vec<String> = (1..=ROWS).map(|id| format!("insert t [{id}]")).collect();
    assert_eq!(ids, expected);
    tail.stop().await;
}
