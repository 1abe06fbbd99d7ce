//! Where the database is and how it is read.
//!
//! A URL says the same thing the server's own tools say with it, minus what is unsafe: there is
//! no `sslmode=prefer`, which talks in the clear as soon as somebody on the way asks for it.

use std::path::PathBuf;
use std::time::Duration;

use erpbridge_connector::{AddressError, Secret, SnapshotMode, TlsConfig, TlsMode};

use crate::url;

/// The longest name the server stores without cutting it.
pub(crate) const LONGEST_NAME: usize = 63;

/// One `PostgreSQL` source.
#[derive(Clone, Debug)]
pub struct PostgresConfig {
    /// The source's name in the bridge.
    pub source: String,
    /// Host name, address, or the directory of a Unix socket.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Database.
    pub database: String,
    /// Role.
    pub user: String,
    /// Its password; none for `peer`, `trust` and certificates.
    pub password: Option<Secret>,
    /// Encryption.
    pub tls: TlsConfig,
    /// The publication that lists the tables; it must exist before the slot.
    pub publication: String,
    /// The replication slot, made at the first start.
    pub slot: String,
    /// Whether the first start reads the tables.
    pub snapshot: SnapshotMode,
    /// How many tables the snapshot reads at a time, each over its own connection.
    pub snapshot_tables_in_parallel: usize,
    /// A row larger than this stops the source.
    pub max_row_bytes: usize,
    /// A transaction larger than this travels in windows of this size.
    pub window_bytes: usize,
    /// How large a batch of rows grows before it is sent.
    pub batch_bytes: usize,
    /// How long connecting may take, with name resolution, TLS and authentication.
    pub connect_timeout: Duration,
}

/// What is wrong with a URL. It never repeats the URL, which may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The URL cannot be read.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// An `sslmode` that does not exist, or only pretends to protect.
    #[error(
        "sslmode `{mode}` is not one of disable, require, verify-ca, verify-full \
         (prefer and allow fall back to plain text when asked to, so they are refused)"
    )]
    SslMode {
        /// The value.
        mode: String,
    },
}

impl PostgresConfig {
    /// Reads `postgres://user:password@host:port/database?sslmode=verify-full&sslrootcert=…`.
    ///
    /// Every part may be percent-encoded. The host may be a socket directory (`%2Frun%2Fpostgresql`
    /// or `?host=/run/postgresql`). A password in the URL works but is discouraged: URLs end up in
    /// process lists, logs and tickets; give it apart.
    ///
    /// Without `sslmode` the connection is `verify-full`, unless the host is a loopback address
    /// or a socket directory: there nothing leaves the machine, servers rarely have a
    /// certificate for `localhost`, and whoever can read the loopback can read our memory.
    pub fn from_url(source: &str, url: &str) -> Result<Self, ConfigError> {
        let url = url::FORM.parse(url)?;
        let file = |key| url.parameter(key).map(PathBuf::from);
        let host = url.parameter("host").unwrap_or(&url.host).to_owned();
        let default_mode =
            if url::is_local(&host) { TlsMode::Disable } else { TlsMode::VerifyFull };
        Ok(Self {
            source: source.to_owned(),
            connect_timeout: url.seconds("connect_timeout")?.unwrap_or(Duration::from_secs(10)),
            tls: TlsConfig {
                mode: url.parameter("sslmode").map_or(Ok(default_mode), url::ssl_mode)?,
                ca_file: file("sslrootcert"),
                cert_file: file("sslcert"),
                key_file: file("sslkey"),
            },
            host: url::FORM.required("host", Some(host))?,
            port: url.port,
            database: url::FORM.required("database", url.database)?,
            user: url.user,
            password: url.password,
            publication: "erpbridge".to_owned(),
            slot: default_slot(source),
            snapshot: SnapshotMode::Initial,
            snapshot_tables_in_parallel: 2,
            max_row_bytes: 64 << 20,
            window_bytes: 1 << 20,
            batch_bytes: 256 << 10,
        })
    }

    /// Whether the connection stays on this machine.
    pub(crate) fn is_local(&self) -> bool {
        url::is_local(&self.host)
    }

    /// Everything that cannot work, as one sentence each.
    pub fn validate(&self) -> Vec<String> {
        let mut problems = Vec::new();
        self.validate_names(&mut problems);
        self.validate_sizes(&mut problems);
        self.validate_tls(&mut problems);
        problems
    }

    fn validate_names(&self, problems: &mut Vec<String>) {
        if !is_slot_name(&self.slot) {
            problems.push(format!(
                "slot `{}` must be 1 to {LONGEST_NAME} characters of a-z, 0-9 and _",
                self.slot
            ));
        }
        if self.publication.is_empty() || self.publication.len() > LONGEST_NAME {
            problems.push(format!("publication must be 1 to {LONGEST_NAME} bytes long"));
        }
        let names = [("host", &self.host), ("database", &self.database), ("user", &self.user)];
        for (what, name) in names.into_iter().chain([("publication", &self.publication)]) {
            if name.contains('\0') {
                problems.push(format!("{what} contains a zero byte"));
            } else if name.is_empty() && what != "publication" {
                problems.push(format!("{what} is empty"));
            }
        }
    }

    fn validate_sizes(&self, problems: &mut Vec<String>) {
        let bounds = [
            ("snapshot_tables_in_parallel", self.snapshot_tables_in_parallel, 1, 32),
            ("max_row_bytes", self.max_row_bytes, 1 << 10, 1 << 30),
            ("window_bytes", self.window_bytes, 1 << 10, 1 << 30),
            ("batch_bytes", self.batch_bytes, 1 << 10, 64 << 20),
        ];
        for (what, value, low, high) in bounds {
            if !(low..=high).contains(&value) {
                problems.push(format!("{what} is {value}; it must be between {low} and {high}"));
            }
        }
        if self.connect_timeout.is_zero() {
            problems.push("connect_timeout must be longer than zero".to_owned());
        }
    }

    fn validate_tls(&self, problems: &mut Vec<String>) {
        let TlsConfig { mode, ca_file, cert_file, key_file } = &self.tls;
        if cert_file.is_some() != key_file.is_some() {
            problems.push("a client certificate needs both sslcert and sslkey".to_owned());
        }
        if ca_file.is_some() && matches!(mode, TlsMode::Disable | TlsMode::Require) {
            problems.push(
                "sslrootcert is given but sslmode does not verify: use verify-full or verify-ca"
                    .to_owned(),
            );
        }
        if self.host.starts_with('/') && *mode != TlsMode::Disable {
            problems.push("a Unix socket has no TLS: use sslmode=disable".to_owned());
        }
    }
}

/// `erpbridge_<source>` in the characters a slot may have.
fn default_slot(source: &str) -> String {
    let allowed = |character: char| match character.to_ascii_lowercase() {
        plain @ ('a'..='z' | '0'..='9') => plain,
        _ => '_',
    };
    "erpbridge_".chars().chain(source.chars().map(allowed)).take(LONGEST_NAME).collect()
}

fn is_slot_name(name: &str) -> bool {
    let allowed = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
    (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> PostgresConfig {
        PostgresConfig::from_url("north", url).unwrap()
    }

    #[test]
    fn a_short_url_gets_the_documented_defaults() {
        let config = config("postgres://reader@db.example/erp");
        assert_eq!((config.host.as_str(), config.port), ("db.example", 5432));
        assert_eq!((config.user.as_str(), config.database.as_str()), ("reader", "erp"));
        assert_eq!(config.tls.mode, TlsMode::VerifyFull);
        assert_eq!(config.publication, "erpbridge");
        assert_eq!(config.slot, "erpbridge_north");
        assert_eq!(config.connect_timeout, Duration::from_secs(10));
        assert!(config.password.is_none());
        assert!(config.validate().is_empty());
    }

    #[test]
    fn a_slot_is_named_after_the_source_in_the_characters_it_may_have() {
        assert_eq!(default_slot("Plant-1.eu"), "erpbridge_plant_1_eu");
        assert_eq!(default_slot(&"x".repeat(90)).len(), LONGEST_NAME);
    }

    #[test]
    fn a_password_prints_nowhere() {
        let config = config("postgres://reader:s3cr3t@db.example/erp");
        let password = config.password.as_ref().unwrap();
        assert_eq!(password.expose(), "s3cr3t");
        for text in [format!("{config:?}"), format!("{config:#?}"), password.to_string()] {
            assert!(!text.contains("s3cr3t"), "{text}");
        }
    }

    #[test]
    fn no_error_about_a_url_repeats_the_password() {
        for url in [
            "mysql://reader:s3cr3t@db.example/erp",
            "postgres://reader:s3cr3t%zz@db.example/erp",
            "postgres://reader:s3cr3t@db.example:port/erp",
            "postgres://reader:s3cr3t@db.example",
            "postgres://reader:s3cr3t@db.example/erp?x=1",
            "postgres://reader:s3cr3t@db.example/erp?sslmode=prefer",
        ] {
            let error = PostgresConfig::from_url("north", url).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3cr3t"), "{error}");
        }
    }

    #[test]
    fn validate_says_everything_that_is_wrong_at_once() {
        let mut config = config("postgres://reader@db.example/erp");
        config.slot = "Not-A-Slot".to_owned();
        config.batch_bytes = 1;
        config.tls.cert_file = Some("client.pem".into());
        config.tls.ca_file = Some("ca.pem".into());
        config.tls.mode = TlsMode::Require;
        assert_eq!(config.validate().len(), 4, "{:?}", config.validate());
    }

    #[test]
    fn a_socket_directory_with_tls_is_refused() {
        let config = config("postgres://reader@/erp?host=/run/postgresql&sslmode=require");
        assert_eq!(config.validate(), ["a Unix socket has no TLS: use sslmode=disable"]);
    }
}
