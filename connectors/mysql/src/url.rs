//! What a URL of a `MySQL` or `MariaDB` server may say.

use erpbridge_connector::{AddressForm, TlsMode};

use crate::config::ConfigError;

/// The form of such URLs.
pub(crate) const FORM: AddressForm = AddressForm {
    schemes: &["mysql://", "mariadb://"],
    port: 3306,
    parameters: &["connect-timeout", "ssl-ca", "ssl-cert", "ssl-key", "ssl-mode"],
    example: "mysql://user@host:port/database",
};

/// What a value of `ssl-mode` means.
pub(crate) fn ssl_mode(value: &str) -> Result<TlsMode, ConfigError> {
    match value.to_ascii_lowercase().as_str() {
        "disabled" => Ok(TlsMode::Disable),
        "required" => Ok(TlsMode::Require),
        "verify_ca" => Ok(TlsMode::VerifyCa),
        "verify_identity" => Ok(TlsMode::VerifyFull),
        _ => Err(ConfigError::SslMode { mode: value.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use crate::{MysqlConfig, TlsMode};

    fn parse(url: &str) -> Result<MysqlConfig, String> {
        MysqlConfig::from_url("north", url).map_err(|error| error.to_string())
    }

    #[test]
    fn every_parameter_of_a_full_url_is_read() {
        let config = parse(
            "mariadb://le%40der:p%3aw%2F@[::1]:3307/erp%20db?ssl-mode=VERIFY_CA\
             &ssl-ca=/etc/ca.pem&ssl-cert=c.pem&ssl-key=k.pem&connect-timeout=3",
        )
        .unwrap();
        assert_eq!(config.user, "le@der");
        assert_eq!((config.host.as_str(), config.port), ("::1", 3307));
        assert_eq!(config.database.as_deref(), Some("erp db"));
        assert_eq!(config.tls.mode, TlsMode::VerifyCa);
        assert_eq!(config.tls.ca_file, Some("/etc/ca.pem".into()));
        assert_eq!(config.tls.cert_file, Some("c.pem".into()));
        assert_eq!(config.tls.key_file, Some("k.pem".into()));
        assert_eq!(config.connect_timeout, Duration::from_secs(3));
    }

    #[test]
    fn a_database_need_not_be_named() {
        assert!(parse("mysql://u@h").unwrap().database.is_none());
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let cases = [
            ("http://u@h/d", "must start with mysql:// or mariadb://"),
            ("mysql://u@/d", "names no host: mysql://user@host:port/database"),
            ("mysql://u@h/d?ssl-mode=preferred", "not one of disabled, required"),
            ("mysql://u@h/d?ssl=on", "unknown parameter `ssl`; known are connect-timeout"),
            ("mysql://u@h/d?connect-timeout=0", "above zero"),
        ];
        for (url, expected) in cases {
            let error = parse(url).err().unwrap();
            assert!(error.contains(expected), "{url}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,60}") {
            drop(parse(&format!("mysql://{text}")));
        }
    }
}
