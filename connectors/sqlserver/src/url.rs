//! A connection URL taken apart.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::{ConfigError, TlsMode};

/// The query parameters that mean something, for the error that lists them.
pub(crate) const KNOWN: &str = "ca_file, connect_timeout, encrypt, host_in_certificate";

/// The port of a default instance.
const PORT: u16 = 1433;

/// The parts of a URL, decoded.
pub(crate) struct Url {
    pub(crate) user: String,
    pub(crate) password: Option<String>,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) database: String,
    pub(crate) encrypt: Option<TlsMode>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) host_in_certificate: Option<String>,
    pub(crate) connect_timeout: Option<Duration>,
}

impl Url {
    pub(crate) fn parse(url: &str) -> Result<Self, ConfigError> {
        let rest = ["sqlserver://", "mssql://"].iter().find_map(|s| url.strip_prefix(s));
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
            database: required("database", database.unwrap_or_default())?,
            encrypt: None,
            ca_file: None,
            host_in_certificate: None,
            connect_timeout: None,
        };
        if parsed.host.contains('\\') {
            return Err(ConfigError::NamedInstance);
        }
        parsed.read_query(query.unwrap_or_default())?;
        Ok(parsed)
    }

    pub(crate) fn is_local(&self) -> bool {
        is_local(&self.host)
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
            "ca_file" => self.ca_file = Some(value.into()),
            "connect_timeout" => self.connect_timeout = Some(seconds(&value)?),
            "encrypt" => self.encrypt = Some(encrypt(value)?),
            "host_in_certificate" => self.host_in_certificate = Some(value),
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
        None | Some("") => PORT,
        Some(digits) => {
            digits.parse().map_err(|_| unreadable("port", "it must be a number from 1 to 65535"))?
        }
    };
    Ok((host, port))
}

fn seconds(value: &str) -> Result<Duration, ConfigError> {
    let part = "connect_timeout";
    let why = "it must be a whole number of seconds above zero";
    match value.parse::<u32>() {
        Ok(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds.into())),
        _ => Err(ConfigError::Unreadable { part, why }),
    }
}

fn encrypt(value: String) -> Result<TlsMode, ConfigError> {
    TlsMode::ALL
        .into_iter()
        .find(|mode| mode.as_str() == value)
        .ok_or(ConfigError::Encrypt { mode: value })
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
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
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
            "mssql://le%40der:p%3aw%2F@[::1]:14330/erp%20db?encrypt=strict\
             &ca_file=/etc/ca.pem&host_in_certificate=erpsql01&connect_timeout=3",
        )
        .unwrap();
        assert_eq!(url.user, "le@der");
        assert_eq!(url.password.as_deref(), Some("p:w/"));
        assert_eq!((url.host.as_str(), url.port), ("::1", 14_330));
        assert_eq!(url.database, "erp db");
        assert_eq!(url.encrypt, Some(TlsMode::Strict));
        assert_eq!(url.ca_file, Some("/etc/ca.pem".into()));
        assert_eq!(url.host_in_certificate.as_deref(), Some("erpsql01"));
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
            ("http://u@h/d", "must start with sqlserver://"),
            ("sqlserver://h/d", "names no user"),
            ("sqlserver://u@h", "names no database"),
            ("sqlserver://u@h/", "names no database"),
            ("sqlserver://u@/d", "names no host"),
            ("sqlserver://u@h%5CSQLEXPRESS/d", "the port of the instance"),
            ("sqlserver://u@h:0x/d", "the port in the URL"),
            ("sqlserver://u@[::1/d", "must end with ]"),
            ("sqlserver://u:%4@h/d", "the password in the URL"),
            ("sqlserver://u:%ff@h/d", "not UTF-8"),
            ("sqlserver://u@h/d?encrypt=true", "not one of required, strict"),
            ("sqlserver://u@h/d?tls=on", "unknown parameter `tls`; known are ca_file"),
            ("sqlserver://u@h/d?encrypt=strict&encrypt=strict", "`encrypt` twice"),
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
            drop(Url::parse(&format!("sqlserver://{text}")));
        }
    }
}
