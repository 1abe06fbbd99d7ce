//! Getting in, and what is said when that fails.

use std::sync::Arc;
use std::time::Duration;

use erpbridge_connector::{SourceError, SourceErrorKind};
use erpbridge_postgres::session::connect;
use erpbridge_postgres::{PostgresConfig, Secret, TlsConfig, TlsMode, tls};
use erpbridge_test_support::{Certificates, Directory, Postgres};
use tokio::net::TcpListener;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto::ring};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::{bare_role, config};

async fn refused(config: &PostgresConfig) -> SourceError {
    connect(config).await.err().expect("the connection must be refused")
}

#[track_caller]
fn assert_told(error: &SourceError, kind: SourceErrorKind, hint: &str) {
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.hint().is_some_and(|told| told.contains(hint)), "{error}: {:?}", error.hint());
}

#[tokio::test]
async fn what_the_server_refuses_is_told_with_what_to_do() {
    let postgres = Postgres::start().await.unwrap();
    let good = config(&postgres, "postgres");
    connect(&good).await.unwrap().close().await;

    let mut wrong = good.clone();
    wrong.password = Some(Secret::new("not-this-one"));
    let error = refused(&wrong).await;
    assert_told(&error, SourceErrorKind::Authentication, "the password is wrong");
    assert!(!format!("{error} {error:?}").contains("not-this-one"));

    wrong.password = None;
    assert_told(&refused(&wrong).await, SourceErrorKind::Authentication, "none is configured");

    let mut wrong = good.clone();
    wrong.database = "nowhere".to_owned();
    assert_told(&refused(&wrong).await, SourceErrorKind::Setup, "no database \"nowhere\"");

    let mut wrong = good.clone();
    wrong.tls.mode = TlsMode::Require;
    assert_told(&refused(&wrong).await, SourceErrorKind::Setup, "the server has no TLS");
}

#[tokio::test]
async fn a_role_that_may_not_connect_is_told_the_statement_to_run() {
    let postgres = Postgres::start().await.unwrap();
    postgres.create_database("erp").await.unwrap();
    let config = bare_role(&postgres, "erp").await;
    postgres.execute("REVOKE CONNECT ON DATABASE erp FROM PUBLIC").await.unwrap();
    let error = refused(&config).await;
    assert_told(
        &error,
        SourceErrorKind::Privilege,
        "GRANT CONNECT ON DATABASE \"erp\" TO \"bridge\"",
    );

    let statement = error.hint().unwrap().strip_prefix("run: ").unwrap();
    postgres.execute(statement).await.unwrap();
    connect(&config).await.unwrap().close().await;
}

#[tokio::test]
async fn a_server_that_wants_tls_says_so() {
    let postgres = Postgres::builder().with_tls().start().await.unwrap();
    let mut config = config(&postgres, "postgres");
    config.tls.mode = TlsMode::Disable;
    assert_told(&refused(&config).await, SourceErrorKind::Authentication, "sslmode=verify-full");
}

#[tokio::test]
async fn verify_full_trusts_its_own_authority_and_no_other() {
    let postgres = Postgres::builder().with_tls().start().await.unwrap();
    let mut config = config(&postgres, "postgres");
    let certificates = postgres.certificates().unwrap();
    config.tls.mode = TlsMode::VerifyFull;
    config.tls.ca_file = Some(certificates.ca.clone());
    let session = connect(&config).await.unwrap();
    let row = session
        .client()
        .query_one("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &[])
        .await
        .unwrap();
    assert!(row.get::<_, bool>(0));
    session.close().await;

    let elsewhere = Directory::new("authority").unwrap();
    let other = Certificates::make(elsewhere.path()).unwrap();
    for mode in [TlsMode::VerifyFull, TlsMode::VerifyCa] {
        config.tls = TlsConfig { mode, ca_file: Some(other.ca.clone()), ..TlsConfig::default() };
        let error = refused(&config).await;
        assert_told(&error, SourceErrorKind::Setup, "sslrootcert");
    }
    // The system's authorities know nothing of this one either.
    config.tls = TlsConfig { mode: TlsMode::VerifyFull, ..TlsConfig::default() };
    assert_eq!(refused(&config).await.kind(), SourceErrorKind::Setup);

    config.tls = TlsConfig { mode: TlsMode::Require, ..TlsConfig::default() };
    connect(&config).await.unwrap().close().await;
}

/// A server over memory that bears the names `localhost` and `127.0.0.1`.
fn server(certificates: &Certificates, wants_certificate: bool) -> TlsAcceptor {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = if wants_certificate {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&certificates.ca).unwrap()).unwrap();
        let roots = Arc::new(roots);
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
        builder.with_client_cert_verifier(verifier.build().unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let chain = vec![CertificateDer::from_pem_file(&certificates.certificate).unwrap()];
    let key = PrivateKeyDer::from_pem_file(&certificates.key).unwrap();
    TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).unwrap()))
}

/// Whether both sides are content.
async fn handshake(server: TlsAcceptor, tls: &TlsConfig, host: &str) -> bool {
    let client = TlsConnector::from(tls::client_config(tls).unwrap().unwrap());
    let host = ServerName::try_from(host.to_owned()).unwrap();
    let (here, there) = tokio::io::duplex(16 << 10);
    let (client, server) = tokio::join!(client.connect(host, here), server.accept(there));
    client.is_ok() && server.is_ok()
}

#[tokio::test]
async fn only_verify_full_looks_at_the_name() {
    let directory = Directory::new("names").unwrap();
    let certificates = Certificates::make(directory.path()).unwrap();
    for (mode, other_name_passes) in
        [(TlsMode::VerifyFull, false), (TlsMode::VerifyCa, true), (TlsMode::Require, true)]
    {
        let ca_file = (mode != TlsMode::Require).then(|| certificates.ca.clone());
        let tls = TlsConfig { mode, ca_file, ..TlsConfig::default() };
        assert!(handshake(server(&certificates, false), &tls, "localhost").await, "{mode:?}");
        let passes = handshake(server(&certificates, false), &tls, "elsewhere.example").await;
        assert_eq!(passes, other_name_passes, "{mode:?}");
    }
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_is_shown_ours() {
    let directory = Directory::new("client").unwrap();
    let certificates = Certificates::make(directory.path()).unwrap();
    let mut tls = TlsConfig { ca_file: Some(certificates.ca.clone()), ..TlsConfig::default() };
    assert!(!handshake(server(&certificates, true), &tls, "localhost").await);
    tls.cert_file = Some(certificates.certificate.clone());
    tls.key_file = Some(certificates.key.clone());
    assert!(handshake(server(&certificates, true), &tls, "localhost").await);
}

#[tokio::test]
async fn a_closed_port_and_a_silent_one_are_retried() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = format!("postgres://u:p@127.0.0.1:{port}/erp");
    let mut config = PostgresConfig::from_url("north", &url).unwrap();
    config.connect_timeout = Duration::from_millis(200);
    let silent = refused(&config).await;
    assert_told(&silent, SourceErrorKind::Connection, "firewall");

    drop(listener);
    assert_eq!(refused(&config).await.kind(), SourceErrorKind::Connection);
}

#[tokio::test]
async fn the_pinned_settings_win_over_what_the_role_and_the_database_set() {
    let postgres = Postgres::start().await.unwrap();
    let config = bare_role(&postgres, "postgres").await;
    postgres
        .execute(
            "ALTER ROLE bridge SET datestyle = 'German';
             ALTER ROLE bridge SET timezone = 'Asia/Tokyo';
             ALTER ROLE bridge SET statement_timeout = 1;
             ALTER ROLE bridge SET search_path = public;
             ALTER DATABASE postgres SET bytea_output = 'escape';
             ALTER DATABASE postgres SET standard_conforming_strings = off;
             ALTER ROLE bridge IN DATABASE postgres SET row_security = on",
        )
        .await
        .unwrap();
    let session = connect(&config).await.unwrap();
    let shown = async |name: &str| -> String {
        let row = session.client().query_one("SELECT current_setting($1)", &[&name]).await;
        row.unwrap().get(0)
    };
    for (name, value) in [
        ("datestyle", "ISO, MDY"),
        ("timezone", "UTC"),
        ("intervalstyle", "iso_8601"),
        ("bytea_output", "hex"),
        ("extra_float_digits", "3"),
        ("lc_monetary", "C"),
        ("client_encoding", "UTF8"),
        ("standard_conforming_strings", "on"),
        ("search_path", ""),
        ("row_security", "off"),
        ("statement_timeout", "0"),
        ("lock_timeout", "0"),
        ("idle_in_transaction_session_timeout", "0"),
        ("idle_session_timeout", "0"),
        ("application_name", "erpbridge north"),
    ] {
        let found = shown(name).await;
        // The order of day and month is only about input; the role's own choice may stand.
        assert!(
            found == value || (name == "datestyle" && found.starts_with("ISO")),
            "{name}: {found}"
        );
    }
    session.close().await;
}

#[tokio::test]
async fn a_dropped_session_leaves_no_process_on_the_server() {
    let postgres = Postgres::start().await.unwrap();
    let session = connect(&config(&postgres, "postgres")).await.unwrap();
    drop(session);
    let watching = postgres.client().await.unwrap();
    erpbridge_test_support::wait_until(
        "the session is gone",
        Duration::from_secs(10),
        async || {
            let query =
                "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'erpbridge%'";
            watching.query_one(query, &[]).await.unwrap().get::<_, i64>(0) == 0
        },
    )
    .await
    .unwrap();
}
