//! Where the database is and how it is read.

use std::path::PathBuf;
use std::time::Duration;

use erpbridge_connector::{AddressError, Secret, SnapshotMode, is_local};

use crate::url;

/// One SQL Server source.
#[derive(Clone, Debug)]
pub struct SqlServerConfig {
    /// The source's name in the bridge.
    pub source: String,
    /// Host name or address.
    pub host: String,
    /// Port of the instance.
    pub port: u16,
    /// Database.
    pub database: String,
    /// Login.
    pub user: String,
    /// Its password.
    pub password: Option<Secret>,
    /// Encryption.
    pub tls: TlsConfig,
    /// Whether to ask for a readable secondary of an availability group.
    pub read_only: bool,
    /// Whether the first start reads the tables.
    pub snapshot: SnapshotMode,
    /// How many tables the snapshot reads at a time, each over its own connection.
    pub snapshot_tables_in_parallel: usize,
    /// How many rows of a table one statement of the snapshot reads at most.
    pub snapshot_chunk_rows: usize,
    /// A row larger than this stops the source.
    pub max_row_bytes: usize,
    /// A transaction larger than this travels in windows of this size.
    pub window_bytes: usize,
    /// How large a batch of rows grows before it is sent.
    pub batch_bytes: usize,
    /// How many transactions one look at the change tables covers at most.
    pub transactions_per_poll: usize,
    /// How long the connector waits at most between two looks while nothing happens.
    pub poll_interval: Duration,
    /// How long a statement waits for somebody else's lock.
    pub lock_timeout: Duration,
    /// How long an answer may take.
    pub query_timeout: Duration,
    /// How long connecting may take, with name resolution, TLS and login.
    pub connect_timeout: Duration,
}

/// How the connection is encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsConfig {
    /// What is encrypted and verified.
    pub mode: TlsMode,
    /// Authorities to trust beside the system's, as PEM.
    pub ca_file: Option<PathBuf>,
    /// The name the server's certificate must bear, if it is not the host's.
    pub host_in_certificate: Option<String>,
}

/// What TLS protects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsMode {
    /// Everything is encrypted; the certificate must come from a trusted authority and name the
    /// host.
    #[default]
    Required,
    /// The same, and TLS begins before the first byte of the protocol (TDS 8.0, SQL Server 2022).
    Strict,
    /// Everything is encrypted, to whoever answers. Unsafe: anyone on the way can be that.
    Trust,
    /// Nothing is encrypted, the login included. The default only where nothing leaves the
    /// machine.
    Disable,
}

impl TlsMode {
    /// Every mode, the safe ones first.
    pub const ALL: [Self; 4] = [Self::Required, Self::Strict, Self::Trust, Self::Disable];

    /// As it is written in URLs and files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Strict => "strict",
            Self::Trust => "trust",
            Self::Disable => "disable",
        }
    }
}

/// What is wrong with a URL. It never repeats the URL, which may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The URL cannot be read.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// `host\instance`, which needs a question to the SQL Browser to find the port.
    #[error("the host names an instance; give the port of the instance instead: host:port")]
    NamedInstance,
    /// A kind of encryption that does not exist.
    #[error("encrypt `{mode}` is not one of required, strict, trust, disable")]
    Encrypt {
        /// The value.
        mode: String,
    },
}

impl SqlServerConfig {
    /// Reads `sqlserver://user:password@host:port/database?encrypt=required&ca_file=…`.
    ///
    /// Every part may be percent-encoded. A password in the URL works but is discouraged: URLs
    /// end up in process lists, logs and tickets; give it apart.
    ///
    /// Without `encrypt` the connection is `required`, unless the host is a loopback address:
    /// there nothing leaves the machine, and whoever can read the loopback can read our memory.
    pub fn from_url(source: &str, url: &str) -> Result<Self, ConfigError> {
        let url = url::FORM.parse(url)?;
        let default_mode = if is_local(&url.host) { TlsMode::Disable } else { TlsMode::Required };
        if url.host.contains('\\') {
            return Err(ConfigError::NamedInstance);
        }
        Ok(Self {
            source: source.to_owned(),
            connect_timeout: url.seconds("connect_timeout")?.unwrap_or(Duration::from_secs(15)),
            tls: TlsConfig {
                mode: url.parameter("encrypt").map_or(Ok(default_mode), url::encrypt)?,
                ca_file: url.parameter("ca_file").map(PathBuf::from),
                host_in_certificate: url.parameter("host_in_certificate").map(str::to_owned),
            },
            host: url::FORM.required("host", Some(url.host))?,
            port: url.port,
            database: url::FORM.required("database", url.database)?,
            user: url.user,
            password: url.password,
            read_only: false,
            snapshot: SnapshotMode::Initial,
            snapshot_tables_in_parallel: 2,
            snapshot_chunk_rows: 10_000,
            max_row_bytes: 64 << 20,
            window_bytes: 1 << 20,
            batch_bytes: 256 << 10,
            transactions_per_poll: 500,
            poll_interval: Duration::from_secs(1),
            lock_timeout: Duration::from_secs(5),
            query_timeout: Duration::from_mins(1),
        })
    }

    /// Whether the connection stays on this machine.
    pub(crate) fn is_local(&self) -> bool {
        is_local(&self.host)
    }

    /// Everything that cannot work, as one sentence each.
    pub fn validate(&self) -> Vec<String> {
        let mut problems = Vec::new();
        self.validate_names(&mut problems);
        self.validate_sizes(&mut problems);
        self.validate_times(&mut problems);
        self.validate_tls(&mut problems);
        problems
    }

    fn validate_names(&self, problems: &mut Vec<String>) {
        let names = [("host", &self.host), ("database", &self.database), ("user", &self.user)];
        for (what, name) in names {
            if name.is_empty() {
                problems.push(format!("{what} is empty"));
            } else if name.contains('\0') {
                problems.push(format!("{what} contains a zero byte"));
            } else if name.encode_utf16().count() > 128 {
                problems.push(format!("{what} is longer than 128 characters"));
            }
        }
    }

    fn validate_sizes(&self, problems: &mut Vec<String>) {
        let bounds = [
            ("snapshot_tables_in_parallel", self.snapshot_tables_in_parallel, 1, 32),
            ("snapshot_chunk_rows", self.snapshot_chunk_rows, 1, 1_000_000),
            ("max_row_bytes", self.max_row_bytes, 1 << 10, 1 << 30),
            ("window_bytes", self.window_bytes, 1 << 10, 1 << 30),
            ("batch_bytes", self.batch_bytes, 1 << 10, 64 << 20),
            ("transactions_per_poll", self.transactions_per_poll, 1, 100_000),
        ];
        for (what, value, low, high) in bounds {
            if !(low..=high).contains(&value) {
                problems.push(format!("{what} is {value}; it must be between {low} and {high}"));
            }
        }
    }

    fn validate_times(&self, problems: &mut Vec<String>) {
        let times = [
            ("poll_interval", self.poll_interval, Duration::from_mins(1)),
            ("lock_timeout", self.lock_timeout, Duration::from_mins(10)),
            ("query_timeout", self.query_timeout, Duration::from_hours(1)),
            ("connect_timeout", self.connect_timeout, Duration::from_mins(10)),
        ];
        for (what, time, longest) in times {
            if time.is_zero() || time > longest {
                problems.push(format!(
                    "{what} must be longer than zero and at most {} s",
                    longest.as_secs()
                ));
            }
        }
        if self.lock_timeout >= self.query_timeout {
            problems.push("lock_timeout must be shorter than query_timeout".to_owned());
        }
    }

    fn validate_tls(&self, problems: &mut Vec<String>) {
        let TlsConfig { mode, ca_file, host_in_certificate } = &self.tls;
        let verifies = matches!(mode, TlsMode::Required | TlsMode::Strict);
        if !verifies && (ca_file.is_some() || host_in_certificate.is_some()) {
            problems.push(format!(
                "ca_file and host_in_certificate mean nothing with encrypt={}: use required or \
                 strict",
                mode.as_str()
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> SqlServerConfig {
        SqlServerConfig::from_url("north", url).unwrap()
    }

    #[test]
    fn a_short_url_gets_the_documented_defaults() {
        let config = config("sqlserver://reader@db.example/ERP");
        assert_eq!((config.host.as_str(), config.port), ("db.example", 1433));
        assert_eq!((config.user.as_str(), config.database.as_str()), ("reader", "ERP"));
        assert_eq!(config.tls.mode, TlsMode::Required);
        assert_eq!(config.connect_timeout, Duration::from_secs(15));
        assert!(config.password.is_none());
        assert!(config.validate().is_empty(), "{:?}", config.validate());
    }

    #[test]
    fn only_the_loopback_is_left_open_by_default() {
        assert_eq!(config("sqlserver://reader@127.0.0.1/ERP").tls.mode, TlsMode::Disable);
        assert_eq!(
            config("sqlserver://reader@127.0.0.1/ERP?encrypt=trust").tls.mode,
            TlsMode::Trust
        );
    }

    #[test]
    fn a_password_prints_nowhere() {
        let config = config("sqlserver://reader:s3cr3t@db.example/ERP");
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
            "sqlserver://reader:s3cr3t%zz@db.example/erp",
            "sqlserver://reader:s3cr3t@db.example:port/erp",
            "sqlserver://reader:s3cr3t@db.example",
            "sqlserver://reader:s3cr3t@db.example/erp?x=1",
            "sqlserver://reader:s3cr3t@db.example/erp?encrypt=no",
        ] {
            let error = SqlServerConfig::from_url("north", url).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3cr3t"), "{error}");
        }
    }

    #[test]
    fn validate_says_everything_that_is_wrong_at_once() {
        let mut config = config("sqlserver://reader@db.example/ERP?encrypt=trust");
        config.user = String::new();
        config.batch_bytes = 1;
        config.poll_interval = Duration::ZERO;
        config.lock_timeout = config.query_timeout;
        config.tls.ca_file = Some("ca.pem".into());
        assert_eq!(config.validate().len(), 5, "{:?}", config.validate());
    }
}
