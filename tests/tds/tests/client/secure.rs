//! Coming in with TLS.

use std::path::Path;

use erpbridge_test_support::{Certificates, Directory};
use erpbridge_test_tds::{Encryption, PASSWORD, TdsServer, USER};
use tiberius::EncryptionLevel;

use crate::{config, connect, int, rows};

async fn server(encryption: Encryption, directory: &Path) -> (TdsServer, Certificates) {
    let made = Certificates::make(directory).unwrap();
    let builder = TdsServer::builder().encryption(encryption, &made.certificate, &made.key);
    (builder.start().await, made)
}

/// Reads more than fits a packet, with this level, and says whether the session was encrypted.
async fn reads(
    server: &TdsServer,
    level: EncryptionLevel,
    authority: Option<&Path>,
) -> tiberius::Result<bool> {
    let mut config = config(server, USER, PASSWORD);
    config.encryption(level);
    match authority {
        Some(path) => config.trust_cert_ca(path.display()),
        None => config.trust_cert(),
    }
    let mut client = connect(config).await?;
    let sql = "SELECT CAST(REPLACE(@P1, 'x', 'yz') AS nvarchar(max)), @P2";
    let long = "x".repeat(40_000);
    let row = &rows(&mut client, sql, &[&long.as_str(), &7]).await[0];
    assert_eq!(row.get::<&str, _>(0), Some("yz".repeat(40_000).as_str()));
    assert_eq!(int(row, 1), 7);
    Ok(server.sessions()[0].encrypted)
}

#[tokio::test]
async fn every_level_that_server_and_client_agree_on_works() {
    use EncryptionLevel::{NotSupported, Off, On, Required, Strict};
    for (encryption, level, encrypted) in [
        (Encryption::NotSupported, NotSupported, false),
        (Encryption::Off, Off, false),
        (Encryption::Off, On, true),
        (Encryption::Off, Required, true),
        (Encryption::Required, Off, true),
        (Encryption::Required, Required, true),
        (Encryption::Strict, Strict, true),
    ] {
        let directory = Directory::new("tds").unwrap();
        let (server, made) = server(encryption, directory.path()).await;
        let got = reads(&server, level, Some(&made.ca)).await;
        assert_eq!(got.unwrap(), encrypted, "{encryption:?} with {level:?}");
    }
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused_unless_all_are_trusted() {
    let (directory, elsewhere) = (Directory::new("tds").unwrap(), Directory::new("tds").unwrap());
    let (server, _) = server(Encryption::Required, directory.path()).await;
    let other = Certificates::make(elsewhere.path()).unwrap();
    let refused = reads(&server, EncryptionLevel::Required, Some(&other.ca)).await.unwrap_err();
    assert!(matches!(refused, tiberius::error::Error::Tls(_)), "{refused}");
    assert!(reads(&server, EncryptionLevel::Required, None).await.unwrap());
}

#[tokio::test]
async fn a_server_without_tls_is_refused_by_who_requires_it() {
    let server = TdsServer::start().await;
    assert!(reads(&server, EncryptionLevel::Required, None).await.is_err());
}
