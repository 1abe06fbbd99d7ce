//! What can be set about the NATS side.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// How to reach NATS, and what the streams shall be like.
#[derive(Clone, Debug)]
pub struct NatsConfig {
    /// Addresses: `nats://host:port`, `tls://host:port`.
    pub servers: Vec<String>,
    /// How to log in.
    pub credentials: Credentials,
    /// Encryption.
    pub tls: Tls,
    /// The event stream.
    pub stream: StreamConfig,
    /// Name of the dead-letter stream; `<event stream>_DEADLETTER` if not set.
    pub dead_letter_stream: Option<String>,
    /// Key-value bucket that holds a copy of each source's offset.
    pub bucket: String,
    /// How long to wait for the server's answer to a publish or a request.
    pub publish_timeout: Duration,
    /// How long the confirmation to the database trails the publish. A server with one replica
    /// may lose its last unsynced seconds in a power failure (`sync_interval`, 2 minutes unless
    /// set); what the database still holds can then be read again.
    pub confirm_delay: Duration,
}

impl Default for NatsConfig {
    fn default() -> Self {
        Self {
            servers: vec!["nats://127.0.0.1:4222".to_owned()],
            credentials: Credentials::None,
            tls: Tls::default(),
            stream: StreamConfig::default(),
            dead_letter_stream: None,
            bucket: "erpbridge-offsets".to_owned(),
            publish_timeout: Duration::from_secs(10),
            confirm_delay: Duration::ZERO,
        }
    }
}

impl NatsConfig {
    /// Name of the event stream of `source`: as configured, or `ERP_<SOURCE>`.
    pub fn stream_name(&self, source: &str) -> String {
        let derived = || format!("ERP_{}", source.to_ascii_uppercase().replace(['.', ' '], "_"));
        self.stream.name.clone().unwrap_or_else(derived)
    }

    /// Name of the dead-letter stream of `source`.
    pub fn dead_letter_name(&self, source: &str) -> String {
        let derived = || format!("{}_DEADLETTER", self.stream_name(source));
        self.dead_letter_stream.clone().unwrap_or_else(derived)
    }
}

/// How to log in. Printed without the secrets.
#[derive(Clone, Default)]
pub enum Credentials {
    /// The server asks for nothing, or the client certificate is enough.
    #[default]
    None,
    /// A shared token.
    Token(String),
    /// User and password.
    UserPassword {
        /// User.
        user: String,
        /// Password.
        password: String,
    },
    /// A `.creds` file with JWT and seed.
    CredsFile(PathBuf),
    /// A file that holds an `NKey` seed.
    NkeySeedFile(PathBuf),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Token(_) => f.write_str("Token(***)"),
            Self::UserPassword { user, .. } => write!(f, "UserPassword({user}, ***)"),
            Self::CredsFile(path) => write!(f, "CredsFile({})", path.display()),
            Self::NkeySeedFile(path) => write!(f, "NkeySeedFile({})", path.display()),
        }
    }
}

/// Encryption of the connection. With a `tls://` address or `required`, the server's certificate
/// is always checked, against `ca_file` or the system's roots.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// Certificates of the authorities to trust.
    pub ca_file: Option<PathBuf>,
    /// Our certificate, if the server asks for one.
    pub cert_file: Option<PathBuf>,
    /// Its key.
    pub key_file: Option<PathBuf>,
    /// Refuse to talk unencrypted.
    pub required: bool,
}

/// What the event stream shall be like when it is created. An existing stream is used as it is,
/// if it is fit; differences are reported, not mended.
///
/// Without limits the stream keeps everything, and a full server refuses new events: the bridge
/// waits, nothing is dropped. With `max_age` or `max_bytes` the stream is a log of that length,
/// and its oldest events make room. Storage is always the file system.
#[derive(Clone, Debug)]
pub struct StreamConfig {
    /// Name; `ERP_<SOURCE>` if not set.
    pub name: Option<String>,
    /// How many servers hold a copy.
    pub replicas: usize,
    /// Remove events older than this.
    pub max_age: Option<Duration>,
    /// Remove the oldest events when the stream is larger than this.
    pub max_bytes: Option<u64>,
    /// How long the server recognises the id of a message. A help for other tools; the bridge's
    /// own protocol does not depend on it.
    pub duplicate_window: Duration,
    /// Forbid deleting single messages through the API. Cannot be taken back.
    pub deny_delete: bool,
    /// Forbid purging through the API. Cannot be taken back.
    pub deny_purge: bool,
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self {
            name: None,
            replicas: 1,
            max_age: None,
            max_bytes: None,
            duplicate_window: Duration::from_mins(2),
            deny_delete: false,
            deny_purge: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_printed() {
        let credentials = [
            Credentials::Token("hush".to_owned()),
            Credentials::UserPassword { user: "u".to_owned(), password: "hush".to_owned() },
        ];
        assert!(!format!("{credentials:?}").contains("hush"));
    }

    #[test]
    fn stream_names_follow_the_source() {
        let config = NatsConfig::default();
        assert_eq!(config.stream_name("erp-main"), "ERP_ERP-MAIN");
        assert_eq!(config.dead_letter_name("erp1"), "ERP_ERP1_DEADLETTER");
    }
}
