use tokio_rustls::rustls::crypto::ring;

use super::*;

async fn count(server: &Mysql) -> u64 {
    *server.query("SELECT COUNT(*) FROM shop.t").await.unwrap().first().unwrap()
}

const TABLE: &str = "CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY); \
                     INSERT INTO shop.t VALUES (1)";

async fn keeps_its_rows(flavour: Flavour) {
    let mut server = Mysql::start(flavour).await.unwrap();
    let port = server.port();
    server.execute(TABLE).await.unwrap();
    server.kill9();
    assert!(server.client().await.is_err());
    server.restart().await.unwrap();
    assert_eq!(count(&server).await, 1);
    server.restart().await.unwrap();
    assert_eq!((count(&server).await, server.port()), (1, port));
}

#[tokio::test]
async fn mariadb_keeps_its_rows_over_a_crash_and_a_restart() {
    keeps_its_rows(Flavour::MariaDb).await;
}

#[tokio::test]
async fn mysql_keeps_its_rows_over_a_crash_and_a_restart() {
    keeps_its_rows(Flavour::Mysql56).await;
}

#[tokio::test]
async fn it_logs_rows_and_its_log_begins_with_what_the_test_did() {
    for flavour in Flavour::ALL {
        let server = Mysql::start(flavour).await.unwrap();
        server.execute(TABLE).await.unwrap();
        let format: Vec<String> = server.query("SELECT @@binlog_format").await.unwrap();
        assert_eq!(format, ["ROW"]);
        let events = server.query("SHOW BINLOG EVENTS IN 'binlog.000001'").await.unwrap();
        let events: Vec<mysql_async::Row> = events;
        let info = |row: &mysql_async::Row| row.get::<String, _>("Info").unwrap();
        let first = events.iter().map(info).find(|info| !info.starts_with("Server ver"));
        assert!(!first.unwrap().contains("GRANT"), "{flavour:?}");
    }
}

#[tokio::test]
async fn a_replica_follows_from_the_first_change_on() {
    for flavour in Flavour::ALL {
        let primary = Mysql::start(flavour).await.unwrap();
        primary.execute(TABLE).await.unwrap();
        let replica = primary.replica().await.unwrap();
        wait_until("the row is there", Duration::from_secs(30), async || {
            replica.query::<u32>("SELECT id FROM shop.t").await.is_ok_and(|rows| rows == [1])
        })
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn tcp_wants_the_right_password() {
    for flavour in Flavour::ALL {
        let server = Mysql::start(flavour).await.unwrap();
        assert!(Conn::from_url(server.url("mysql")).await.is_ok());
        let wrong = Conn::from_url(server.url_for("root", "wrong", "mysql")).await;
        let mysql_async::Error::Server(error) = wrong.unwrap_err() else { panic!("not refused") };
        assert_eq!(error.code, 1045);
    }
}

#[tokio::test]
async fn a_server_with_tls_has_a_certificate_to_verify() {
    // A process that links two providers of cryptography, as a run of all tests does, has no default.
    drop(ring::default_provider().install_default());
    let server = Mysql::builder(Flavour::MariaDb).with_tls().start().await.unwrap();
    let options = mysql_async::Opts::from_url(&server.url("mysql")).unwrap();
    let ca = server.certificates().unwrap().ca.clone();
    let tls = mysql_async::SslOpts::default().with_root_certs(vec![ca.into()]);
    let options = OptsBuilder::from_opts(options).prefer_socket(false).ssl_opts(Some(tls));
    let mut client = Conn::new(options).await.unwrap();
    let cipher: Option<(String, String)> =
        client.query_first("SHOW STATUS LIKE 'Ssl_cipher'").await.unwrap();
    assert!(cipher.unwrap().1.starts_with("TLS"));
}

#[tokio::test]
async fn a_dropped_server_leaves_neither_process_nor_data() {
    let server = Mysql::start(Flavour::MariaDb).await.unwrap();
    let (data, address) = (server.data(), server.address());
    assert!(data.exists());
    drop(server);
    assert!(!data.exists());
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_server_that_cannot_start_shows_its_log() {
    let started = Mysql::builder(Flavour::MariaDb).setting("no_such_setting", "1").start().await;
    let failure = started.unwrap_err().to_string();
    assert!(failure.contains("no_such_setting"), "{failure}");
}
