//! What a URL of a SQL Server may say.

use erpbridge_connector::AddressForm;

use crate::config::{ConfigError, TlsMode};

/// The form of such URLs.
pub(crate) const FORM: AddressForm = AddressForm {
    schemes: &["sqlserver://", "mssql://"],
    port: 1433,
    parameters: &["ca_file", "connect_timeout", "encrypt", "host_in_certificate"],
    example: "sqlserver://user@host:port/database",
};

/// What a value of `encrypt` means.
pub(crate) fn encrypt(value: &str) -> Result<TlsMode, ConfigError> {
    TlsMode::ALL
        .into_iter()
        .find(|mode| mode.as_str() == value)
        .ok_or_else(|| ConfigError::Encrypt { mode: value.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use crate::{SqlServerConfig, TlsMode};

    fn parse(url: &str) -> Result<SqlServerConfig, String> {
        SqlServerConfig::from_url("north", url).map_err(|error| error.to_string())
    }

    #[test]
    fn every_parameter_of_a_full_url_is_read() {
        let config = parse(
            "mssql://le%40der:p%3aw%2F@[::1]:14330/erp%20db?encrypt=strict\
             &ca_file=/etc/ca.pem&host_in_certificate=erpsql01&connect_timeout=3",
        )
        .unwrap();
        assert_eq!(config.user, "le@der");
        assert_eq!((config.host.as_str(), config.port), ("::1", 14_330));
        assert_eq!(config.database, "erp db");
        assert_eq!(config.tls.mode, TlsMode::Strict);
        assert_eq!(config.tls.ca_file, Some("/etc/ca.pem".into()));
        assert_eq!(config.tls.host_in_certificate.as_deref(), Some("erpsql01"));
        assert_eq!(config.connect_timeout, Duration::from_secs(3));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let cases = [
            ("http://u@h/d", "must start with sqlserver:// or mssql://"),
            ("sqlserver://u@h", "names no database: sqlserver://user@host:port/database"),
            ("sqlserver://u@h/", "names no database"),
            ("sqlserver://u@/d", "names no host"),
            ("sqlserver://u@h%5CSQLEXPRESS/d", "the port of the instance"),
            ("sqlserver://u@h/d?encrypt=true", "not one of required, strict"),
            ("sqlserver://u@h/d?tls=on", "unknown parameter `tls`; known are ca_file"),
            ("sqlserver://u@h/d?connect_timeout=0", "above zero"),
        ];
        for (url, expected) in cases {
            let error = parse(url).err().unwrap();
            assert!(error.contains(expected), "{url}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,60}") {
            drop(parse(&format!("sqlserver://{text}")));
        }
    }
}
