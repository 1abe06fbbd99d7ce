//! Encryption: from our configuration to the client's.
//!
//! `rustls` speaks TLS 1.2 and newer. SQL Server before 2016 without its updates of 2016 does
//! not, and a certificate the server made for itself long ago is refused; the README says what
//! then helps. The client verifies with the system's authorities and those of `ca_file` together.

use std::path::Path;
use std::sync::Once;

use erpbridge_connector::{SourceError, SourceErrorKind};
use tiberius::EncryptionLevel;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

use crate::config::{SqlServerConfig, TlsMode};

/// Sets the encryption of a connection.
pub fn configure(
    driver: &mut tiberius::Config,
    config: &SqlServerConfig,
) -> Result<(), SourceError> {
    provide();
    driver.encryption(match config.tls.mode {
        TlsMode::Required | TlsMode::Trust => EncryptionLevel::Required,
        TlsMode::Strict => EncryptionLevel::Strict,
        TlsMode::Disable => EncryptionLevel::NotSupported,
    });
    if config.tls.mode == TlsMode::Trust {
        driver.trust_cert();
    }
    if let Some(file) = &config.tls.ca_file {
        driver.trust_cert_ca_bundle(authorities(file)?);
    }
    if let Some(host) = &config.tls.host_in_certificate {
        driver.hostname_in_certificate(host);
    }
    Ok(())
}

/// What to warn about once per start; nothing where all is well.
pub fn warning(config: &SqlServerConfig) -> Option<&'static str> {
    match config.tls.mode {
        TlsMode::Required | TlsMode::Strict => None,
        TlsMode::Trust => Some(
            "the server's certificate is not verified: anyone on the way can read and change \
                  everything",
        ),
        TlsMode::Disable if config.is_local() => None,
        TlsMode::Disable => Some(
            "nothing is encrypted: anyone on the way can read everything, the password \
                  included",
        ),
    }
}

/// Names the provider of cryptography, because a process that links two has no default one.
fn provide() {
    static ONCE: Once = Once::new();
    // An error says that somebody has named one already, and any will do.
    ONCE.call_once(|| drop(ring::default_provider().install_default()));
}

fn authorities(file: &Path) -> Result<Vec<u8>, SourceError> {
    let unusable = || {
        let message = format!("cannot use the authority file `{}`", file.display());
        SourceError::new(SourceErrorKind::Setup, message)
            .with_hint("the file must be readable by the bridge and hold certificates as PEM")
    };
    let bytes = std::fs::read(file).map_err(|error| unusable().with_cause(error))?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let certificates = read.map_err(|error| unusable().with_cause(error))?;
    if certificates.is_empty() { Err(unusable()) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_unsafe_is_warned_about() {
        for (url, warned) in [
            ("sqlserver://u@db.example/ERP", false),
            ("sqlserver://u@db.example/ERP?encrypt=strict", false),
            ("sqlserver://u@db.example/ERP?encrypt=trust", true),
            ("sqlserver://u@db.example/ERP?encrypt=disable", true),
            ("sqlserver://u@localhost/ERP?encrypt=disable", false),
        ] {
            let config = SqlServerConfig::from_url("north", url).unwrap();
            assert_eq!(warning(&config).is_some(), warned, "{url}");
        }
    }

    #[test]
    fn an_authority_file_that_cannot_be_used_is_named() {
        let error = authorities(Path::new("/nonexistent/ca.pem")).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/ca.pem"), "{error}");
        assert!(error.hint().is_some());
    }
}
