//! What a connection to a database shall be protected against.

use std::path::PathBuf;

/// How the connection is encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsConfig {
    /// What is verified.
    pub mode: TlsMode,
    /// The authorities to trust instead of the system's, as PEM.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate chain, as PEM.
    pub cert_file: Option<PathBuf>,
    /// The key of our own certificate, as PEM.
    pub key_file: Option<PathBuf>,
}

/// What TLS verifies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsMode {
    /// No encryption. The default only where nothing leaves the machine.
    Disable,
    /// Encryption to whoever answers. Unsafe: anyone on the way can be that.
    Require,
    /// The certificate must come from a trusted authority; its name is not looked at.
    VerifyCa,
    /// The certificate must come from a trusted authority and name the host.
    #[default]
    VerifyFull,
}
