//! The connections: getting in, and noticing that nobody is there any more.

use std::time::{Duration, Instant};

use erpbridge_connector::{Remedy, SourceErrorKind};
use erpbridge_mysql::{Secret, TlsConfig, TlsMode};
use erpbridge_test_support::{Certificates, Directory, Flavour, Mysql, Proxy, Way};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::assert_told;
use crate::lab::Lab;

const TABLE: &str = "CREATE TABLE t (id INT PRIMARY KEY) ENGINE = InnoDB";

#[tokio::test]
async fn the_log_needs_the_right_password_and_the_right_to_follow_it() {
    for flavour in Flavour::ALL {
        let mut lab = Lab::new(flavour, "password", TABLE).await;
        lab.server.create_user("reader", "right").await.unwrap();
        lab.run("GRANT SELECT ON password.* TO reader@127.0.0.1").await;
        lab.config.user = "reader".to_owned();
        lab.config.password = Some(Secret::new("not-this-one"));
        let error = lab.refused(None).await;
        assert_told(&error, SourceErrorKind::Authentication, &["password", "anonymous"]);
        assert!(!format!("{error:?}").contains("not-this-one"));
        lab.config.password = None;
        assert_told(&lab.refused(None).await, SourceErrorKind::Authentication, &["password"]);

        lab.config.password = Some(Secret::new("right"));
        assert_told(&lab.refused(None).await, SourceErrorKind::Privilege, &["denied"]);
        lab.run("GRANT REPLICATION CLIENT ON *.* TO reader@127.0.0.1").await;
        assert_told(&lab.refused(None).await, SourceErrorKind::Privilege, &["REPLICATION SLAVE"]);
        lab.run("GRANT REPLICATION SLAVE ON *.* TO reader@127.0.0.1").await;
        let (mut tail, _) = lab.begin().await;
        lab.run("INSERT INTO t VALUES (1)").await;
        assert_eq!(tail.texts_of(1).await, ["insert t [1]"], "{flavour:?}");
        tail.stop().await;

        lab.config.database = Some("nowhere".to_owned());
        let error = lab.refused(None).await;
        let kinds = [SourceErrorKind::Setup, SourceErrorKind::Privilege];
        assert!(kinds.contains(&error.kind()), "{error:?}");
        assert!(error.to_string().contains("nowhere"), "{error}");
    }
}

#[tokio::test]
async fn a_way_of_logging_in_that_is_not_spoken_here_is_named_with_the_way_out() {
    let mut lab = Lab::alone(Mysql::builder(Flavour::Mysql56), TABLE).await;
    lab.run("CREATE USER sha@127.0.0.1 IDENTIFIED WITH sha256_password").await;
    lab.config.user = "sha".to_owned();
    lab.config.password = Some(Secret::new("x"));
    let error = lab.refused(None).await;
    let words = ["sha256_password", "ALTER USER", "mysql_native_password"];
    assert_told(&error, SourceErrorKind::Authentication, &words);
}

#[tokio::test]
async fn the_log_is_encrypted_to_the_server_that_is_meant() {
    let mut lab = Lab::alone(Mysql::builder(Flavour::MariaDb).with_tls(), TABLE).await;
    let elsewhere = Directory::new("authority").unwrap();
    let other = Certificates::make(elsewhere.path()).unwrap();
    for mode in [TlsMode::VerifyFull, TlsMode::VerifyCa] {
        lab.config.tls =
            TlsConfig { mode, ca_file: Some(other.ca.clone()), ..TlsConfig::default() };
        assert_told(&lab.refused(None).await, SourceErrorKind::Setup, &["ssl-ca"]);
    }
    let ours = lab.server.certificates().unwrap().ca.clone();
    lab.run(
        "CREATE USER safe@127.0.0.1 IDENTIFIED BY 'safe-secret' REQUIRE SSL; \
         GRANT SELECT, REPLICATION CLIENT, REPLICATION SLAVE ON *.* TO safe@127.0.0.1",
    )
    .await;
    lab.config.user = "safe".to_owned();
    lab.config.password = Some(Secret::new("safe-secret"));
    lab.config.tls.mode = TlsMode::Disable;
    assert_eq!(lab.refused(None).await.kind(), SourceErrorKind::Authentication);
    for mode in [TlsMode::VerifyFull, TlsMode::VerifyCa, TlsMode::Require] {
        let ca_file = (mode != TlsMode::Require).then(|| ours.clone());
        lab.config.tls = TlsConfig { mode, ca_file, ..TlsConfig::default() };
        let (mut tail, _) = lab.begin().await;
        lab.run("DELETE FROM t; INSERT INTO t VALUES (1), (2), (3)").await;
        let last = |tail: &erpbridge_connector::testkit::Tail| {
            tail.texts().iter().any(|t| t == "insert t [3]")
        };
        tail.until("the rows", last).await;
        tail.stop().await;
    }
}

#[tokio::test]
async fn a_server_without_tls_is_not_talked_to_in_the_clear() {
    for flavour in Flavour::ALL {
        let mut lab = Lab::new(flavour, "no_tls", TABLE).await;
        for mode in [TlsMode::VerifyFull, TlsMode::VerifyCa, TlsMode::Require] {
            lab.config.tls.mode = mode;
            assert_told(&lab.refused(None).await, SourceErrorKind::Setup, &["ssl_cert"]);
        }
    }
}

/// The first packet of a server that has TLS: version 10, a version's name, and what it can do.
fn greeting() -> Vec<u8> {
    let mut body = b"\x0a5.6.24\0\x01\0\0\0saltsalt\0".to_vec();
    // Capabilities (TLS among them), character set, status, more capabilities, length of the salt.
    body.extend([0xFF, 0xFF, 33, 2, 0, 0x7F, 0x80, 21]);
    body.extend([0; 10]);
    body.extend(b"saltsaltsalt\0mysql_native_password\0");
    packet(0, &body)
}

/// A server that knows nothing newer than TLS 1.0, as far as a client gets with it.
#[tokio::test]
async fn a_server_whose_tls_is_too_old_is_told_from_one_that_has_none() {
    let mut lab = Lab::new(Flavour::MariaDb, "old_tls", TABLE).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    lab.config.port = listener.local_addr().unwrap().port();
    lab.config.tls.mode = TlsMode::Require;
    let playing = async {
        let (mut client, _) = listener.accept().await.unwrap();
        client.write_all(&greeting()).await.unwrap();
        // What it asks for, and its hello.
        let mut asked = [0; 1024];
        let request = client.read(&mut asked).await.unwrap();
        if request <= 36 {
            assert!(client.read(&mut asked).await.unwrap() > 0);
        }
        // A fatal alert: protocol_version.
        client.write_all(&[0x15, 3, 1, 0, 2, 2, 70]).await.unwrap();
        client.shutdown().await.unwrap();
        drop(client.read(&mut asked).await);
    };
    let (error, ()) = tokio::join!(lab.refused(None), playing);
    assert_told(&error, SourceErrorKind::Setup, &["tunnel", "ssl-mode=disabled"]);
}

/// A packet with its length and number before it.
fn packet(number: u8, body: &[u8]) -> Vec<u8> {
    let [low, high] = u16::try_from(body.len()).unwrap().to_le_bytes();
    let mut packet = vec![low, high, 0, number];
    packet.extend(body);
    packet
}

/// The plugin of the server is not everywhere, so what it asks of a client is played here.
#[tokio::test]
async fn a_mariadb_user_may_be_known_by_a_key() {
    let mut lab = Lab::new(Flavour::MariaDb, "by_key", TABLE).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    lab.config.port = listener.local_addr().unwrap().port();
    let playing = async {
        let (mut client, _) = listener.accept().await.unwrap();
        client.write_all(&greeting()).await.unwrap();
        let mut answer = [0; 1024];
        assert!(client.read(&mut answer).await.unwrap() > 36);
        let mut switch = b"\xfeclient_ed25519\0".to_vec();
        switch.extend([7; 32]);
        client.write_all(&packet(2, &switch)).await.unwrap();
        let length = client.read(&mut answer).await.unwrap();
        let refusal = packet(4, b"\xff\x15\x04#28000Access denied");
        client.write_all(&refusal).await.unwrap();
        length
    };
    let (error, length) = tokio::join!(lab.refused(None), playing);
    assert_eq!(length, 4 + 64, "a signature");
    assert_told(&error, SourceErrorKind::Authentication, &["Access denied", "password"]);
}

/// A key whose other half nobody has.
const SERVER_KEY: &[u8] = include_bytes!("server_key.pem");

/// `MySQL` 8 asks for this, and no server of this suite can, so what it asks of a client that has
/// no TLS is played here: a proof, and as the server remembers none, the password under its key.
#[tokio::test]
async fn a_user_of_mysql_8_needs_no_tls_and_sends_no_password_in_the_clear() {
    let mut lab = Lab::new(Flavour::MariaDb, "by_sha2", TABLE).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    lab.config.port = listener.local_addr().unwrap().port();
    lab.config.password = Some(Secret::new("sha2-secret"));
    let playing = async {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut said = Vec::new();
        let switch = [b"\xfecaching_sha2_password\0".as_slice(), &[7; 20], b"\0"].concat();
        let key = [b"\x01", SERVER_KEY].concat();
        let asks = [greeting(), packet(2, &switch), packet(4, &[1, 4]), packet(6, &key)];
        for ask in asks {
            client.write_all(&ask).await.unwrap();
            let mut answer = vec![0; 1024];
            let length = client.read(&mut answer).await.unwrap();
            answer.truncate(length);
            said.push(answer);
        }
        let refusal = packet(8, b"\xff\x15\x04#28000Access denied");
        client.write_all(&refusal).await.unwrap();
        said
    };
    let (error, said) = tokio::join!(lab.refused(None), playing);
    let lengths: Vec<usize> = said.iter().skip(1).map(Vec::len).collect();
    assert_eq!(lengths, [4 + 32, 4 + 1, 4 + 256], "a proof, a question for the key, a secret");
    let password = b"sha2-secret";
    assert!(!said.concat().windows(password.len()).any(|part| part == password));
    assert_told(&error, SourceErrorKind::Authentication, &["Access denied", "password"]);
}

/// The lab behind a proxy.
async fn behind_a_proxy(flavour: Flavour, name: &str) -> (Lab, Proxy) {
    let mut lab = Lab::new(flavour, name, TABLE).await;
    let proxy = Proxy::start(&lab.server.address()).await.unwrap();
    lab.config.port = proxy.port();
    (lab, proxy)
}

#[tokio::test]
async fn a_server_that_fell_silent_is_given_up() {
    let (lab, proxy) = behind_a_proxy(Flavour::MariaDb, "silent").await;
    let (mut tail, _) = lab.begin().await;
    lab.run("INSERT INTO t VALUES (1)").await;
    tail.texts_of(1).await;
    let at = tail.lines[0].resume.clone();
    proxy.stall_both();
    let begun = Instant::now();
    let error = tail.ended().await;
    assert_told(&error, SourceErrorKind::Connection, &["nothing for"]);
    assert_eq!(error.remedy(), Remedy::Retry);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    proxy.heal();
    lab.run("INSERT INTO t VALUES (2)").await;
    let mut tail = lab.start(Some(&at));
    assert_eq!(tail.texts_of(1).await, ["insert t [2]"]);
    tail.stop().await;
}

#[tokio::test]
async fn a_stop_in_front_of_a_silent_server_keeps_its_deadline() {
    for flavour in Flavour::ALL {
        let (lab, proxy) = behind_a_proxy(flavour, "silent_stop").await;
        let (tail, _) = lab.begin().await;
        proxy.stall_both();
        let begun = Instant::now();
        tail.stop().await;
        assert!(begun.elapsed() < erpbridge_connector::STOP_DEADLINE);
    }
}

#[tokio::test]
async fn a_connection_cut_inside_an_event_repeats_whole_transactions() {
    const ROWS: usize = 2000;
    for flavour in Flavour::ALL {
        let (lab, proxy) = behind_a_proxy(flavour, "cut").await;
        let mut resume = lab.begun().await;
        for n in 0..4 {
            let values: Vec<String> =
                (n * 500 + 1..=n * 500 + 500).map(|id| format!("({id})")).collect();
            lab.run(&format!("INSERT INTO t VALUES {}", values.join(","))).await;
        }
        let mut ids = Vec::new();
        for bytes in [6_011, 12_007, 15_001] {
            proxy.cut_after(Way::Down, bytes);
            let mut tail = lab.start(Some(&resume));
            tail.confirms = false;
            while tail.receive().await {}
            ids.extend(tail.lines.iter().filter(|l| l.complete).map(|line| line.text.clone()));
            resume = tail.lines.iter().rfind(|l| l.complete).map_or(resume, |l| l.resume.clone());
            let error = tail.ended().await;
            assert_eq!(error.kind(), SourceErrorKind::Connection, "{flavour:?}: {error:?}");
            proxy.heal();
        }
        let mut tail = lab.start(Some(&resume));
        ids.extend(tail.texts_of(ROWS - ids.len()).await);
        let expected: Vec<String> = (1..=ROWS).map(|id| format!("insert t [{id}]")).collect();
        assert_eq!(ids, expected, "{flavour:?}");
        tail.stop().await;
    }
}

#[tokio::test]
async fn a_restarted_server_is_followed_again_and_nothing_is_missing() {
    for flavour in Flavour::ALL {
        let mut lab = Lab::alone(Mysql::builder(flavour), TABLE).await;
        let (mut tail, _) = lab.begin().await;
        lab.run("INSERT INTO t VALUES (1)").await;
        tail.texts_of(1).await;
        let at = tail.lines[0].resume.clone();
        std::sync::Arc::get_mut(&mut lab.server).unwrap().restart().await.unwrap();
        let error = tail.ended().await;
        assert_eq!(error.remedy(), Remedy::Retry, "{flavour:?}: {error:?}");
        lab.run("INSERT INTO t VALUES (2)").await;
        let mut tail = lab.start(Some(&at));
        assert_eq!(tail.texts_of(1).await, ["insert t [2]"], "{flavour:?}");
        tail.stop().await;
    }
}
