//! Encryption and the pinned session settings: what both kinds of connection share.
//!
//! The SQL sessions and the replication connection must meet the same certificate with the same
//! distrust, and must print the same value as the same text. So both are built from here.

use std::path::Path;
use std::sync::Arc;

use erpbridge_connector::{SourceError, SourceErrorKind, TlsConfig, TlsMode};
use tokio_rustls::rustls;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

/// The settings that decide how a value is printed, and those that would end a long session,
/// in the form of the start-up parameter `options`. A role or database may have set any of them
/// otherwise; `options` wins over both.
///
/// - `datestyle`, `timezone`, `intervalstyle`, `bytea_output`, `extra_float_digits`,
///   `lc_monetary`, `client_encoding`: the text of values.
/// - `search_path` empty: names inside values (`regclass`) and expressions carry their schema,
///   and no object of somebody else's schema can slip in between.
/// - `row_security=off`: a row-level policy makes the snapshot fail instead of hiding rows that
///   the log would show.
/// - the timeouts: a snapshot may take hours, creating a slot waits for open transactions.
///
/// <https://www.postgresql.org/docs/current/runtime-config-client.html>
pub const SESSION_OPTIONS: &str = "-c datestyle=ISO -c timezone=UTC -c intervalstyle=iso_8601 \
     -c bytea_output=hex -c extra_float_digits=3 -c lc_monetary=C -c client_encoding=UTF8 \
     -c standard_conforming_strings=on -c search_path= -c row_security=off \
     -c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0 \
     -c idle_session_timeout=0";

/// What to connect with; `None` without encryption.
pub fn client_config(tls: &TlsConfig) -> Result<Option<Arc<ClientConfig>>, SourceError> {
    if tls.mode == TlsMode::Disable {
        return Ok(None);
    }
    // Named outright: a process that links two providers has no default one.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = verifier(tls, &provider)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| setup("no TLS version is available").with_cause(error))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let config = match (&tls.cert_file, &tls.key_file) {
        (Some(cert), Some(key)) => builder
            .with_client_auth_cert(certificates(cert)?, private_key(key)?)
            .map_err(|error| unusable("client certificate", cert).with_cause(error))?,
        _ => builder.with_no_client_auth(),
    };
    Ok(Some(Arc::new(config)))
}

fn verifier(
    tls: &TlsConfig,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, SourceError> {
    if matches!(tls.mode, TlsMode::Disable | TlsMode::Require) {
        return Ok(Arc::new(AnyCertificate(Arc::clone(provider))));
    }
    let roots = Arc::new(roots(tls.ca_file.as_deref())?);
    let full = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider))
        .build()
        .map_err(|error| setup("the trusted authorities cannot be used").with_cause(error))?;
    if tls.mode == TlsMode::VerifyCa { Ok(Arc::new(AnyName(full))) } else { Ok(full) }
}

fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, SourceError> {
    let mut roots = RootCertStore::empty();
    if let Some(file) = ca_file {
        for certificate in certificates(file)? {
            roots
                .add(certificate)
                .map_err(|error| unusable("authority", file).with_cause(error))?;
        }
    } else {
        // Some of the system's own certificates are too odd to parse; the rest still count.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if roots.is_empty() {
        return Err(setup("this system trusts no certificate authority")
            .with_hint("install ca-certificates, or give the authority's file as sslrootcert"));
    }
    Ok(roots)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, SourceError> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = read.map_err(|error| unusable("certificate", file).with_cause(error))?;
    if certificates.is_empty() {
        return Err(unusable("certificate", file));
    }
    Ok(certificates)
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, SourceError> {
    PrivateKeyDer::from_pem_file(file).map_err(|error| unusable("key", file).with_cause(error))
}

fn setup(message: &str) -> SourceError {
    SourceError::new(SourceErrorKind::Setup, message)
}

fn unusable(what: &str, file: &Path) -> SourceError {
    setup(&format!("cannot use the {what} file `{}`", file.display()))
        .with_hint("the file must be readable by the bridge and hold PEM blocks of that sort")
}

/// `verify-ca`: everything `verify-full` checks, except which name the certificate bears.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified =
            self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            // The name is checked last, so the chain has been found good.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// `require`: whoever holds the key of the certificate it shows, whatever that is.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tls(mode: TlsMode, ca_file: Option<&str>) -> TlsConfig {
        TlsConfig { mode, ca_file: ca_file.map(Into::into), cert_file: None, key_file: None }
    }

    #[test]
    fn without_encryption_there_is_nothing_to_configure() {
        assert!(client_config(&tls(TlsMode::Disable, None)).unwrap().is_none());
        assert!(client_config(&tls(TlsMode::Require, None)).unwrap().is_some());
    }

    #[test]
    fn an_authority_file_that_is_not_there_is_named() {
        let error = client_config(&tls(TlsMode::VerifyFull, Some("/nowhere/ca.pem"))).unwrap_err();
        assert_eq!(error.kind(), SourceErrorKind::Setup);
        assert!(error.to_string().contains("/nowhere/ca.pem"));
        assert!(error.hint().is_some());
    }

    #[test]
    fn an_authority_file_without_a_certificate_is_refused() {
        let error = client_config(&tls(TlsMode::VerifyCa, Some("Cargo.toml"))).unwrap_err();
        assert!(error.to_string().contains("Cargo.toml"));
    }
}
