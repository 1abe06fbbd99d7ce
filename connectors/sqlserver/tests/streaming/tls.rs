//! Encryption and the login.

use std::path::Path;

use erpbridge_connector::{SourceError, SourceErrorKind};
use erpbridge_sqlserver::TlsMode;
use erpbridge_test_support::{Certificates, Directory};
use erpbridge_test_tds::{Encryption, TdsServer};

use crate::assert_told;
use crate::lab::{ITEM, Lab, Said};

/// A source of a server that encrypts like this, and the certificates of the server.
async fn encrypted(encryption: Encryption, mode: TlsMode, at: &Path) -> (Lab, Certificates) {
    let made = Certificates::make(at).unwrap();
    let server = TdsServer::builder().encryption(encryption, &made.certificate, &made.key);
    let mut lab = Lab::over(server).await;
    lab.capture("item", ITEM);
    lab.config.tls.mode = mode;
    (lab, made)
}

/// The source reads a row, and says whether everything of that was encrypted.
async fn reads(lab: &Lab) -> bool {
    let (mut tail, _) = lab.begin().await;
    let id = i64::try_from(lab.erp().rows("dbo.item").len()).unwrap();
    lab.insert("item", id, "x").await;
    tail.texts_of(1).await;
    let sessions = lab.tds.sessions();
    tail.stop().await;
    sessions.iter().all(|session| session.encrypted)
}

async fn refused(lab: &Lab) -> SourceError {
    lab.refused(None).await
}

#[tokio::test]
async fn everything_is_encrypted_to_a_server_whose_authority_is_trusted() {
    for (encryption, mode) in [
        (Encryption::Off, TlsMode::Required),
        (Encryption::Required, TlsMode::Required),
        (Encryption::Strict, TlsMode::Strict),
    ] {
        let directory = Directory::new("sqlserver").unwrap();
        let (mut lab, made) = encrypted(encryption, mode, directory.path()).await;
        lab.config.tls.ca_file = Some(made.ca);
        let said = Said::listen();
        assert!(reads(&lab).await, "{encryption:?} with {mode:?}");
        assert!(!said.text().contains("WARN"), "{}", said.text());
    }
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused_with_what_to_do() {
    for (encryption, mode) in
        [(Encryption::Required, TlsMode::Required), (Encryption::Strict, TlsMode::Strict)]
    {
        let (here, there) = (Directory::new("here").unwrap(), Directory::new("there").unwrap());
        let (mut lab, _) = encrypted(encryption, mode, here.path()).await;
        assert_told(&refused(&lab).await, SourceErrorKind::Setup, &["ca_file"]);
        lab.config.tls.ca_file = Some(Certificates::make(there.path()).unwrap().ca);
        assert_told(&refused(&lab).await, SourceErrorKind::Setup, &["ca_file"]);
        assert!(lab.tds.requests().is_empty(), "nothing was said to it, the password least");
    }
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused_unless_that_name_is_given() {
    let directory = Directory::new("sqlserver").unwrap();
    let (mut lab, made) =
        encrypted(Encryption::Required, TlsMode::Required, directory.path()).await;
    lab.config.tls.ca_file = Some(made.ca);
    lab.config.tls.host_in_certificate = Some("erp.example".to_owned());
    assert_told(&refused(&lab).await, SourceErrorKind::Setup, &["host_in_certificate"]);
    lab.config.tls.host_in_certificate = Some("localhost".to_owned());
    assert!(reads(&lab).await);
}

#[tokio::test]
async fn to_trust_any_certificate_must_be_asked_for_and_is_warned_about() {
    let directory = Directory::new("sqlserver").unwrap();
    let (lab, _) = encrypted(Encryption::Required, TlsMode::Trust, directory.path()).await;
    let said = Said::listen();
    assert!(reads(&lab).await);
    assert!(said.text().contains("certificate is not verified"), "{}", said.text());
}

#[tokio::test]
async fn a_server_without_encryption_is_refused_unless_cleartext_is_asked_for() {
    let mut lab = Lab::of(&["item"]).await;
    for mode in [TlsMode::Required, TlsMode::Trust] {
        lab.config.tls.mode = mode;
        let error = refused(&lab).await;
        assert_told(&error, SourceErrorKind::Setup, &["no encryption", "encrypt=disable"]);
        assert!(lab.tds.sessions().is_empty(), "the password was not sent");
    }
    lab.config.tls.mode = TlsMode::Disable;
    assert!(!reads(&lab).await);
}

#[tokio::test]
async fn a_server_that_insists_on_encryption_says_so_to_a_client_without() {
    let directory = Directory::new("sqlserver").unwrap();
    let (lab, _) = encrypted(Encryption::Required, TlsMode::Disable, directory.path()).await;
    let error = refused(&lab).await;
    assert_told(&error, SourceErrorKind::Connection, &["encrypt=required"]);
    assert!(lab.tds.sessions().is_empty(), "the password was not sent");
}
