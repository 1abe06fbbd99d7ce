//! What a URL of a `PostgreSQL` database may say.

use erpbridge_connector::{AddressForm, TlsMode};

use crate::config::ConfigError;

/// The form of such URLs.
pub(crate) const FORM: AddressForm = AddressForm {
    schemes: &["postgres://", "postgresql://"],
    port: 5432,
    parameters: &["connect_timeout", "host", "sslcert", "sslkey", "sslmode", "sslrootcert"],
    example: "postgres://user@host:port/database",
};

/// Whether talking to this host stays on this machine; it may be the directory of a socket.
pub(crate) fn is_local(host: &str) -> bool {
    host.starts_with('/') || erpbridge_connector::is_local(host)
}

/// What a value of `sslmode` means.
pub(crate) fn ssl_mode(value: &str) -> Result<TlsMode, ConfigError> {
    match value {
        "disable" => Ok(TlsMode::Disable),
        "require" => Ok(TlsMode::Require),
        "verify-ca" => Ok(TlsMode::VerifyCa),
        "verify-full" => Ok(TlsMode::VerifyFull),
        _ => Err(ConfigError::SslMode { mode: value.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use crate::{PostgresConfig, TlsMode};

    fn parse(url: &str) -> Result<PostgresConfig, String> {
        PostgresConfig::from_url("north", url).map_err(|error| error.to_string())
    }

    #[test]
    fn every_parameter_of_a_full_url_is_read() {
        let config = parse(
            "postgresql://le%40der:p%3aw%2F@[::1]:6432/erp%20db?sslmode=verify-ca\
             &sslrootcert=/etc/ca.pem&sslcert=c.pem&sslkey=k.pem&connect_timeout=3",
        )
        .unwrap();
        assert_eq!(config.user, "le@der");
        assert_eq!((config.host.as_str(), config.port), ("::1", 6432));
        assert_eq!(config.database, "erp db");
        assert_eq!(config.tls.mode, TlsMode::VerifyCa);
        assert_eq!(config.tls.ca_file, Some("/etc/ca.pem".into()));
        assert_eq!(config.tls.cert_file, Some("c.pem".into()));
        assert_eq!(config.tls.key_file, Some("k.pem".into()));
        assert_eq!(config.connect_timeout, Duration::from_secs(3));
    }

    #[test]
    fn a_socket_directory_is_a_host_in_both_spellings() {
        for url in ["postgres://u@%2Frun%2Fpg/erp", "postgres://u@/erp?host=/run/pg"] {
            let config = parse(url).unwrap();
            assert_eq!(config.host, "/run/pg");
            assert_eq!(config.tls.mode, TlsMode::Disable, "nothing leaves the machine");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let cases = [
            ("http://u@h/d", "must start with postgres:// or postgresql://"),
            ("postgres://u@h", "names no database: postgres://user@host:port/database"),
            ("postgres://u@h/", "names no database"),
            ("postgres://u@/d", "names no host"),
            ("postgres://u@h/d?sslmode=prefer", "not one of disable, require"),
            ("postgres://u@h/d?ssl=on", "unknown parameter `ssl`; known are connect_timeout, host"),
            ("postgres://u@h/d?connect_timeout=0", "above zero"),
        ];
        for (url, expected) in cases {
            let error = parse(url).err().unwrap();
            assert!(error.contains(expected), "{url}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,60}") {
            drop(parse(&format!("postgres://{text}")));
        }
    }
}
