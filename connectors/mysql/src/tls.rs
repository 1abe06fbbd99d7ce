//! Encryption: what the server's certificate must be.

use std::error::Error as StdError;
use std::path::Path;

use erpbridge_connector::{SourceError, SourceErrorKind, TlsConfig, TlsMode};
use mysql_async::{ClientIdentity, SslOpts};
use tokio_rustls::rustls;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::{AlertDescription, CertificateError, RootCertStore};

/// What to connect with; `None` without encryption.
pub(crate) fn options(tls: &TlsConfig) -> Result<Option<SslOpts>, SourceError> {
    if tls.mode == TlsMode::Disable {
        return Ok(None);
    }
    if CryptoProvider::get_default().is_none() {
        // Another thread may have been faster; then it is there as well.
        drop(rustls::crypto::ring::default_provider().install_default());
    }
    let mut options = SslOpts::default()
        .with_danger_accept_invalid_certs(tls.mode == TlsMode::Require)
        .with_danger_skip_domain_validation(tls.mode != TlsMode::VerifyFull);
    if tls.mode != TlsMode::Require {
        options = options.with_disable_built_in_roots(true);
        options = options.with_root_certs(match &tls.ca_file {
            Some(file) => vec![readable("authority", file)?.into()],
            None => system_roots()?.into_iter().map(Into::into).collect(),
        });
    }
    if let (Some(cert), Some(key)) = (&tls.cert_file, &tls.key_file) {
        let (cert, key) = (readable("certificate", cert)?, readable("key", key)?);
        options = options.with_client_identity(Some(ClientIdentity::new(cert.into(), key.into())));
    }
    Ok(Some(options))
}

/// A file's bytes. It is read here, because the driver's error would not say which file it was.
fn readable(what: &str, file: &Path) -> Result<Vec<u8>, SourceError> {
    let unusable = || {
        let message = format!("cannot use the {what} file `{}`", file.display());
        SourceError::new(SourceErrorKind::Setup, message)
            .with_hint("the file must be readable by the bridge and hold PEM blocks of that sort")
    };
    let bytes = std::fs::read(file).map_err(|error| unusable().with_cause(error))?;
    if bytes.windows(5).any(|window| window == b"-----") { Ok(bytes) } else { Err(unusable()) }
}

/// Some of the system's own certificates are too odd to parse; the rest still count.
fn system_roots() -> Result<Vec<Vec<u8>>, SourceError> {
    let certificates = rustls_native_certs::load_native_certs().certs;
    let usable = |certificate: &rustls::pki_types::CertificateDer<'static>| {
        RootCertStore::empty().add(certificate.clone()).is_ok()
    };
    let roots: Vec<Vec<u8>> =
        certificates.into_iter().filter(usable).map(|certificate| certificate.to_vec()).collect();
    if roots.is_empty() {
        let message = "this system trusts no certificate authority";
        return Err(SourceError::new(SourceErrorKind::Setup, message)
            .with_hint("install ca-certificates, or give the authority's file as ssl-ca"));
    }
    Ok(roots)
}

/// What became of a handshake that failed: its kind, and what a person can do.
pub(crate) fn failed(error: &(dyn StdError + 'static)) -> (SourceErrorKind, Option<&'static str>) {
    let Some(error) = rustls_error(error) else { return (SourceErrorKind::Connection, None) };
    let hint = match error {
        rustls::Error::InvalidCertificate(refused) => certificate_hint(refused),
        // Servers before 5.7 may answer a newer version with something that is not even TLS.
        rustls::Error::InvalidMessage(_)
        | rustls::Error::PeerIncompatible(_)
        | rustls::Error::AlertReceived(
            AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure,
        ) => OLD_TLS,
        rustls::Error::AlertReceived(_) => {
            "the server refused our certificate or ended the handshake: see its error log"
        }
        _ => return (SourceErrorKind::Setup, None),
    };
    (SourceErrorKind::Setup, Some(hint))
}

const OLD_TLS: &str = "the server knows no TLS newer than 1.1, which is broken (MySQL 5.6 as it \
     was built by Oracle knows only 1.0): reach it through a tunnel (ssh, stunnel, WireGuard) that \
     ends on its machine and set ssl-mode=disabled, or upgrade it";

/// The error of the TLS library among the causes, also inside an error of input and output.
fn rustls_error<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e rustls::Error> {
    if let Some(found) = error.downcast_ref::<rustls::Error>() {
        return Some(found);
    }
    let inner: Option<&'e (dyn StdError + 'static)> = match error.downcast_ref::<std::io::Error>() {
        Some(io) => io.get_ref().map(|inner| -> &(dyn StdError + 'static) { inner }),
        None => error.source(),
    };
    inner.and_then(rustls_error)
}

fn certificate_hint(refused: &CertificateError) -> &'static str {
    match refused {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the server's certificate does not bear this host among its subject alternative \
             names: connect by a name it bears, or set ssl-mode=verify_ca"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the server's certificate has expired, or this machine's clock is wrong"
        }
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "the server shows an authority's certificate as its own: let an authority issue one \
             for it"
        }
        _ => {
            "the server's certificate comes from an authority this machine does not trust: give \
             its file as ssl-ca"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_holds_no_pem_is_named() {
        let directory = std::env::temp_dir();
        let error = readable("authority", &directory).unwrap_err();
        assert!(error.to_string().contains("authority file"), "{error}");
        let tls = TlsConfig { ca_file: Some(directory), ..TlsConfig::default() };
        assert_eq!(options(&tls).unwrap_err().kind(), SourceErrorKind::Setup);
    }

    #[test]
    fn a_refused_certificate_says_what_to_do_however_deep_it_lies() {
        let refused = rustls::Error::InvalidCertificate(CertificateError::Expired);
        let io = std::io::Error::new(std::io::ErrorKind::InvalidData, refused);
        let error = mysql_async::Error::from(io);
        let (kind, hint) = failed(&error);
        assert_eq!(kind, SourceErrorKind::Setup);
        assert!(hint.is_some_and(|hint| hint.contains("expired")));
        let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        assert_eq!(failed(&mysql_async::Error::from(reset)).0, SourceErrorKind::Connection);
    }
}
