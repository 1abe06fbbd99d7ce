//! Where the database is and how it is read.
//!
//! A URL says the same thing `mysqlsh` says with it, minus what is unsafe: there is no
//! `ssl-mode=PREFERRED`, which talks in the clear as soon as somebody on the way asks for it.

use std::path::PathBuf;
use std::time::Duration;

use erpbridge_connector::{AddressError, Secret, SnapshotMode, TlsConfig, TlsMode, is_local};

use crate::url;

/// The longest name of a database or user the server stores.
const LONGEST_NAME: usize = 64;

/// Numbers from here on are used for second connections; see [`MysqlConfig::server_id`].
const SECOND: u32 = 1 << 31;

/// One `MySQL` or `MariaDB` source.
#[derive(Clone, Debug)]
pub struct MysqlConfig {
    /// The source's name in the bridge.
    pub source: String,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// The default database, if one is named; mappings name each table with its own.
    pub database: Option<String>,
    /// User.
    pub user: String,
    /// Its password; none for certificates.
    pub password: Option<Secret>,
    /// Encryption.
    pub tls: TlsConfig,
    /// Under which number the log is asked for. No other reader of the server, replicas included,
    /// may use it: the server hangs up on the older of two. A second, short connection uses the
    /// number plus 2³¹.
    pub server_id: u32,
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
    /// How many bytes of rows of prepared XA transactions may wait for their commit.
    pub prepared_bytes: usize,
    /// How long connecting may take, with name resolution, TLS and authentication.
    pub connect_timeout: Duration,
    /// The file in which the shapes of tables at places of the log are kept. Without one they are
    /// known only as long as the source runs.
    pub shapes_file: Option<PathBuf>,
}

/// What is wrong with a URL. It never repeats the URL, which may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The URL cannot be read.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// An `ssl-mode` that does not exist, or only pretends to protect.
    #[error(
        "ssl-mode `{mode}` is not one of disabled, required, verify_ca, verify_identity \
         (preferred falls back to plain text when asked to, so it is refused)"
    )]
    SslMode {
        /// The value.
        mode: String,
    },
}

impl MysqlConfig {
    /// Reads `mysql://user:password@host:port/database?ssl-mode=verify_identity&ssl-ca=…`.
    ///
    /// Every part may be percent-encoded. A password in the URL works but is discouraged: URLs end
    /// up in process lists, logs and tickets; give it apart.
    ///
    /// Without `ssl-mode` the connection is `verify_identity`, unless the host is a loopback
    /// address: there nothing leaves the machine, servers rarely have a certificate for
    /// `localhost`, and whoever can read the loopback can read our memory.
    pub fn from_url(source: &str, url: &str) -> Result<Self, ConfigError> {
        let url = url::FORM.parse(url)?;
        let file = |key| url.parameter(key).map(PathBuf::from);
        let default_mode = if is_local(&url.host) { TlsMode::Disable } else { TlsMode::VerifyFull };
        Ok(Self {
            source: source.to_owned(),
            connect_timeout: url.seconds("connect-timeout")?.unwrap_or(Duration::from_secs(10)),
            tls: TlsConfig {
                mode: url.parameter("ssl-mode").map_or(Ok(default_mode), url::ssl_mode)?,
                ca_file: file("ssl-ca"),
                cert_file: file("ssl-cert"),
                key_file: file("ssl-key"),
            },
            host: url::FORM.required("host", Some(url.host))?,
            port: url.port,
            database: url.database,
            user: url.user,
            password: url.password,
            server_id: default_server_id(source),
            snapshot: SnapshotMode::Initial,
            snapshot_tables_in_parallel: 2,
            max_row_bytes: 64 << 20,
            window_bytes: 1 << 20,
            batch_bytes: 256 << 10,
            prepared_bytes: 64 << 20,
            shapes_file: None,
        })
    }

    /// The number of a second connection that reads the log beside the first.
    pub(crate) const fn second_server_id(&self) -> u32 {
        self.server_id | SECOND
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
        let database = self.database.as_deref().unwrap_or("-");
        let names = [("host", self.host.as_str()), ("database", database), ("user", &self.user)];
        for (what, name) in names {
            if name.contains('\0') {
                problems.push(format!("{what} contains a zero byte"));
            } else if name.is_empty() {
                problems.push(format!("{what} is empty"));
            } else if what != "host" && name.chars().count() > LONGEST_NAME {
                problems.push(format!("{what} has more than {LONGEST_NAME} characters"));
            }
        }
    }

    fn validate_sizes(&self, problems: &mut Vec<String>) {
        let bounds = [
            ("snapshot_tables_in_parallel", self.snapshot_tables_in_parallel, 1, 32),
            ("max_row_bytes", self.max_row_bytes, 1 << 10, 1 << 30),
            ("window_bytes", self.window_bytes, 1 << 10, 1 << 30),
            ("batch_bytes", self.batch_bytes, 1 << 10, 64 << 20),
            ("prepared_bytes", self.prepared_bytes, 1 << 10, 1 << 30),
        ];
        for (what, value, low, high) in bounds {
            if !(low..=high).contains(&value) {
                problems.push(format!("{what} is {value}; it must be between {low} and {high}"));
            }
        }
        if !(1..SECOND).contains(&self.server_id) {
            problems.push(format!("server_id must be between 1 and {}", SECOND - 1));
        }
        if self.connect_timeout.is_zero() {
            problems.push("connect_timeout must be longer than zero".to_owned());
        }
    }

    fn validate_tls(&self, problems: &mut Vec<String>) {
        let TlsConfig { mode, ca_file, cert_file, key_file } = &self.tls;
        if cert_file.is_some() != key_file.is_some() {
            problems.push("a client certificate needs both ssl-cert and ssl-key".to_owned());
        }
        if ca_file.is_some() && matches!(mode, TlsMode::Disable | TlsMode::Require) {
            problems.push(
                "ssl-ca is given but ssl-mode does not verify: use verify_identity or verify_ca"
                    .to_owned(),
            );
        }
    }
}

/// A number of the source's own among those that people do not give to servers. It depends on the
/// name alone, so that the server hangs up on a connection of ours that it has not missed yet.
fn default_server_id(source: &str) -> u32 {
    const LOWEST: u32 = 1 << 30;
    // FNV-1a, because it is the same in every version of this program.
    let hash = source
        .bytes()
        .fold(0x811C_9DC5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    LOWEST | (hash & (LOWEST - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> MysqlConfig {
        MysqlConfig::from_url("north", url).unwrap()
    }

    #[test]
    fn a_short_url_gets_the_documented_defaults() {
        let config = config("mysql://reader@db.example/erp");
        assert_eq!((config.host.as_str(), config.port), ("db.example", 3306));
        assert_eq!((config.user.as_str(), config.database.as_deref()), ("reader", Some("erp")));
        assert_eq!(config.tls.mode, TlsMode::VerifyFull);
        assert_eq!(config.connect_timeout, Duration::from_secs(10));
        assert!(config.password.is_none());
        assert!(config.validate().is_empty());
    }

    #[test]
    fn sources_have_numbers_of_their_own_that_stay_theirs() {
        assert_eq!(default_server_id("north"), default_server_id("north"));
        assert_ne!(default_server_id("north"), default_server_id("south"));
        let config = config("mysql://reader@db.example");
        assert_eq!(config.second_server_id(), config.server_id + SECOND);
    }

    #[test]
    fn a_password_prints_nowhere() {
        let config = config("mysql://reader:s3cr3t@db.example/erp");
        let password = config.password.as_ref().unwrap();
        assert_eq!(password.expose(), "s3cr3t");
        for text in [format!("{config:?}"), format!("{config:#?}"), password.to_string()] {
            assert!(!text.contains("s3cr3t"), "{text}");
        }
    }

    #[test]
    fn no_error_about_a_url_repeats_the_password() {
        for url in [
            "postgres://reader:s3cr3t@db.example/erp",
            "mysql://reader:s3cr3t%zz@db.example/erp",
            "mysql://reader:s3cr3t@db.example:port/erp",
            "mysql://reader:s3cr3t@",
            "mysql://reader:s3cr3t@db.example/erp?x=1",
            "mysql://reader:s3cr3t@db.example/erp?ssl-mode=preferred",
        ] {
            let error = MysqlConfig::from_url("north", url).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3cr3t"), "{error}");
        }
    }

    #[test]
    fn validate_says_everything_that_is_wrong_at_once() {
        let mut config = config("mysql://reader@db.example/erp");
        config.server_id = 0;
        config.batch_bytes = 1;
        config.tls.cert_file = Some("client.pem".into());
        config.tls.ca_file = Some("ca.pem".into());
        config.tls.mode = TlsMode::Require;
        assert_eq!(config.validate().len(), 4, "{:?}", config.validate());
    }
}
