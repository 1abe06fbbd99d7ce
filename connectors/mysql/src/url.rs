//! A connection URL taken apart.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::{ConfigError, TlsMode};

/// The query parameters that mean something, for the error that lists them.
pub(crate) const KNOWN: &str = "connect-timeout, ssl-ca, ssl-cert, ssl-key, ssl-mode";

/// The parts of a URL, decoded.
pub(crate) struct Url {
    pub(crate) user: String,
    pub(crate) password: Option<String>,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) database: Option<String>,
    pub(crate) ssl_mode: Option<TlsMode>,
    pub(crate) ssl_ca: Option<PathBuf>,
    pub(crate) ssl_cert: Option<PathBuf>,
    pub(crate) ssl_key: Option<PathBuf>,
    pub(crate) connect_timeout: Option<Duration>,
}

impl Url {
    pub(crate) fn parse(url: &str) -> Result<Self, ConfigError> {
        let rest = ["mysql://", "mariadb://"].iter().find_map(|s| url.strip_prefix(s));
        let (rest, query) = split(rest.ok_or(ConfigError::Scheme)?, '?');
        let (authority, database) = split(rest, '/');
        // A raw `@` can only be the last one: in a password it must be written as %40, but a
        // password pasted as it is should not become part of the host and be printed.
        let (login, address) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = split(login, ':');
        let (host, port) = host_and_port(address)?;
        let mut parsed = Self {
            user: required("user", user)?,
            password: optional("password", password)?,
            host: required("host", host)?,
            port,
            database: optional("database", database)?,
            ssl_mode: None,
            ssl_ca: None,
            ssl_cert: None,
            ssl_key: None,
            connect_timeout: None,
        };
        parsed.read_query(query.unwrap_or_default())?;
        Ok(parsed)
    }

    fn read_query(&mut self, query: &str) -> Result<(), ConfigError> {
        let mut seen = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = split(pair, '=');
            if seen.contains(&key) {
                return Err(ConfigError::Twice { key: key.to_owned() });
            }
            seen.push(key);
            self.read_parameter(key, decode("parameter", value.unwrap_or_default())?)?;
        }
        Ok(())
    }

    fn read_parameter(&mut self, key: &str, value: String) -> Result<(), ConfigError> {
        match key {
            "connect-timeout" => self.connect_timeout = Some(seconds(&value)?),
            "ssl-ca" => self.ssl_ca = Some(value.into()),
            "ssl-cert" => self.ssl_cert = Some(value.into()),
            "ssl-key" => self.ssl_key = Some(value.into()),
            "ssl-mode" => self.ssl_mode = Some(ssl_mode(value)?),
            _ => return Err(ConfigError::UnknownKey { key: key.to_owned() }),
        }
        Ok(())
    }
}

/// Whether talking to this host stays on this machine.
pub(crate) fn is_local(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at).map_or((text, None), |(head, tail)| (head, Some(tail)))
}

fn host_and_port(address: &str) -> Result<(&str, u16), ConfigError> {
    let unreadable = |part, why| ConfigError::Unreadable { part, why };
    let (host, port) = match address.strip_prefix('[') {
        Some(bracketed) => {
            let (host, rest) = bracketed
                .split_once(']')
                .ok_or(unreadable("host", "an IPv6 address must end with ]"))?;
            (host, rest.strip_prefix(':'))
        }
        None => split(address, ':'),
    };
    let port = match port {
        None | Some("") => 3306,
        Some(digits) => {
            digits.parse().map_err(|_| unreadable("port", "it must be a number from 1 to 65535"))?
        }
    };
    Ok((host, port))
}

fn seconds(value: &str) -> Result<Duration, ConfigError> {
    let part = "connect-timeout";
    let why = "it must be a whole number of seconds above zero";
    match value.parse::<u32>() {
        Ok(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds.into())),
        _ => Err(ConfigError::Unreadable { part, why }),
    }
}

fn ssl_mode(value: String) -> Result<TlsMode, ConfigError> {
    match value.to_ascii_lowercase().as_str() {
        "disabled" => Ok(TlsMode::Disable),
        "required" => Ok(TlsMode::Require),
        "verify_ca" => Ok(TlsMode::VerifyCa),
        "verify_identity" => Ok(TlsMode::VerifyFull),
        _ => Err(ConfigError::SslMode { mode: value }),
    }
}

fn required(part: &'static str, encoded: &str) -> Result<String, ConfigError> {
    let decoded = decode(part, encoded)?;
    if decoded.is_empty() { Err(ConfigError::Missing(part)) } else { Ok(decoded) }
}

fn optional(part: &'static str, encoded: Option<&str>) -> Result<Option<String>, ConfigError> {
    let decoded = encoded.map(|encoded| decode(part, encoded)).transpose()?;
    Ok(decoded.filter(|decoded| !decoded.is_empty()))
}

/// Undoes percent-encoding. A stray `%` is an error, because a password that holds one would
/// otherwise be wrong without anyone knowing why.
fn decode(part: &'static str, encoded: &str) -> Result<String, ConfigError> {
    let unreadable = |why| ConfigError::Unreadable { part, why };
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = rest.next().and_then(hex).zip(rest.next().and_then(hex));
        let (high, low) =
            digits.ok_or(unreadable("a % must be followed by two hexadecimal digits"))?;
        bytes.push(high * 16 + low);
    }
    String::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8 when decoded"))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(url: &str) -> Result<Url, String> {
        Url::parse(url).map_err(|error| error.to_string())
    }

    #[test]
    fn every_part_of_a_full_url_is_read() {
        let url = parse(
            "mariadb://le%40der:p%3aw%2F@[::1]:3307/erp%20db?ssl-mode=VERIFY_CA\
             &ssl-ca=/etc/ca.pem&ssl-cert=c.pem&ssl-key=k.pem&connect-timeout=3",
        )
        .unwrap();
        assert_eq!(url.user, "le@der");
        assert_eq!(url.password.as_deref(), Some("p:w/"));
        assert_eq!((url.host.as_str(), url.port), ("::1", 3307));
        assert_eq!(url.database.as_deref(), Some("erp db"));
        assert_eq!(url.ssl_mode, Some(TlsMode::VerifyCa));
        assert_eq!(url.ssl_ca, Some("/etc/ca.pem".into()));
        assert_eq!(url.connect_timeout, Some(Duration::from_secs(3)));
    }

    #[test]
    fn only_this_machine_is_local() {
        for host in ["localhost", "127.0.0.1", "127.8.8.8", "::1"] {
            assert!(is_local(host), "{host}");
        }
        for host in ["db.example", "10.0.0.1", "localhost.example", "::2"] {
            assert!(!is_local(host), "{host}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let cases = [
            ("http://u@h/d", "must start with mysql://"),
            ("mysql://h/d", "names no user"),
            ("mysql://u@/d", "names no host"),
            ("mysql://u@h:0x/d", "the port in the URL"),
            ("mysql://u@[::1/d", "must end with ]"),
            ("mysql://u:%4@h/d", "the password in the URL"),
            ("mysql://u:%ff@h/d", "not UTF-8"),
            ("mysql://u@h/d?ssl-mode=preferred", "not one of disabled, required"),
            ("mysql://u@h/d?ssl=on", "unknown parameter `ssl`; known are connect-timeout"),
            ("mysql://u@h/d?ssl-ca=a&ssl-ca=b", "`ssl-ca` twice"),
            ("mysql://u@h/d?connect-timeout=0", "above zero"),
        ];
        for (url, expected) in cases {
            let error = parse(url).err().unwrap();
            assert!(error.contains(expected), "{url}: {error}");
        }
        assert!(parse("mysql://u@h").unwrap().database.is_none());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,60}") {
            drop(Url::parse(&format!("mysql://{text}")));
        }
    }
}
