//! A database's URL taken apart: `scheme://user:password@host:port/database?key=value`.
//!
//! Every part may be percent-encoded. No error repeats the URL, which may hold a password.

use std::net::IpAddr;
use std::time::Duration;

use crate::Secret;

/// What the URLs of one kind of database look like.
#[derive(Debug)]
pub struct AddressForm {
    /// What a URL may begin with, the usual one first.
    pub schemes: &'static [&'static str],
    /// The port, where none is given.
    pub port: u16,
    /// The parameters that mean something, for the error that lists them.
    pub parameters: &'static [&'static str],
    /// What to write, for the error about a part that is missing.
    pub example: &'static str,
}

/// The parts of a URL, decoded.
#[derive(Debug)]
pub struct Address {
    /// Who connects; never empty.
    pub user: String,
    /// With this password, if there is one and it is not empty.
    pub password: Option<Secret>,
    /// Empty if the URL names none.
    pub host: String,
    /// The one given, or the form's.
    pub port: u16,
    /// The database, if one is named.
    pub database: Option<String>,
    parameters: Vec<(String, String)>,
}

/// What is wrong with a URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Another scheme, or none.
    #[error("the URL must start with {}", .0.join(" or "))]
    Scheme(&'static [&'static str]),
    /// A part that must be there is not.
    #[error("the URL names no {part}: {example}")]
    Missing {
        /// Which part.
        part: &'static str,
        /// What to write.
        example: &'static str,
    },
    /// A part that cannot be read.
    #[error("the {part} in the URL cannot be read: {why}")]
    Unreadable {
        /// Which part.
        part: &'static str,
        /// Why not.
        why: &'static str,
    },
    /// A parameter that means nothing here.
    #[error("the URL has an unknown parameter `{key}`; known are {}", .known.join(", "))]
    UnknownParameter {
        /// Its key.
        key: String,
        /// Those that mean something.
        known: &'static [&'static str],
    },
    /// A parameter given twice.
    #[error("the URL gives `{key}` twice")]
    Twice {
        /// Its key.
        key: String,
    },
}

impl AddressForm {
    /// Takes a URL apart. Whether host and database must be there is for the caller to say.
    pub fn parse(&self, url: &str) -> Result<Address, AddressError> {
        let rest = self.schemes.iter().find_map(|scheme| url.strip_prefix(scheme));
        let (rest, query) = split(rest.ok_or(AddressError::Scheme(self.schemes))?, '?');
        let (authority, database) = split(rest, '/');
        // A raw `@` can only be the last one: in a password it must be written as %40, but a
        // password pasted as it is should not become part of the host and be printed.
        let (login, place) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = split(login, ':');
        let (host, port) = host_and_port(place)?;
        Ok(Address {
            user: self.required("user", optional("user", Some(user))?)?,
            password: optional("password", password)?.map(Secret::new),
            host: decode("host", host)?,
            port: port.unwrap_or(self.port),
            database: optional("database", database)?,
            parameters: self.parameters(query.unwrap_or_default())?,
        })
    }

    /// The part, or the error that it is missing.
    pub fn required(
        &self,
        part: &'static str,
        value: Option<String>,
    ) -> Result<String, AddressError> {
        let missing = AddressError::Missing { part, example: self.example };
        value.filter(|value| !value.is_empty()).ok_or(missing)
    }

    fn parameters(&self, query: &str) -> Result<Vec<(String, String)>, AddressError> {
        let mut parameters: Vec<(String, String)> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = split(pair, '=');
            let key = key.to_owned();
            if !self.parameters.contains(&key.as_str()) {
                return Err(AddressError::UnknownParameter { key, known: self.parameters });
            }
            if parameters.iter().any(|(other, _)| *other == key) {
                return Err(AddressError::Twice { key });
            }
            parameters.push((key, decode("parameter", value.unwrap_or_default())?));
        }
        Ok(parameters)
    }
}

impl Address {
    /// A parameter's value.
    pub fn parameter(&self, key: &str) -> Option<&str> {
        self.parameters.iter().find(|(other, _)| other == key).map(|(_, value)| value.as_str())
    }

    /// A parameter that is a time in whole seconds.
    pub fn seconds(&self, key: &'static str) -> Result<Option<Duration>, AddressError> {
        let why = "it must be a whole number of seconds above zero";
        let read = |value: &str| match value.parse::<u32>() {
            Ok(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds.into())),
            _ => Err(AddressError::Unreadable { part: key, why }),
        };
        self.parameter(key).map(read).transpose()
    }
}

/// Whether talking to this host stays on this machine.
pub fn is_local(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at).map_or((text, None), |(head, tail)| (head, Some(tail)))
}

fn host_and_port(place: &str) -> Result<(&str, Option<u16>), AddressError> {
    let unreadable = |part, why| AddressError::Unreadable { part, why };
    let (host, port) = match place.strip_prefix('[') {
        Some(bracketed) => {
            let (host, rest) = bracketed
                .split_once(']')
                .ok_or(unreadable("host", "an IPv6 address must end with ]"))?;
            (host, rest.strip_prefix(':'))
        }
        None => split(place, ':'),
    };
    let number = |digits: &str| match digits.parse::<u16>() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(unreadable("port", "it must be a number from 1 to 65535")),
    };
    Ok((host, port.filter(|digits| !digits.is_empty()).map(number).transpose()?))
}

fn optional(part: &'static str, encoded: Option<&str>) -> Result<Option<String>, AddressError> {
    let decoded = encoded.map(|encoded| decode(part, encoded)).transpose()?;
    Ok(decoded.filter(|decoded| !decoded.is_empty()))
}

/// Undoes percent-encoding. A stray `%` is an error, because a password that holds one would
/// otherwise be wrong without anyone knowing why.
fn decode(part: &'static str, encoded: &str) -> Result<String, AddressError> {
    let unreadable = |why| AddressError::Unreadable { part, why };
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
    use super::*;

    const FORM: AddressForm = AddressForm {
        schemes: &["db://", "database://"],
        port: 77,
        parameters: &["ca", "wait"],
        example: "db://user@host:port/database",
    };

    fn parse(url: &str) -> Result<Address, String> {
        FORM.parse(url).map_err(|error| error.to_string())
    }

    #[test]
    fn every_part_of_a_full_url_is_read() {
        let url = parse("database://le%40der:p%3aw%2F@[::1]:6432/erp%20db?ca=/etc/ca.pem&wait=3")
            .unwrap();
        assert_eq!(url.user, "le@der");
        assert_eq!(url.password.as_ref().map(Secret::expose), Some("p:w/"));
        assert_eq!((url.host.as_str(), url.port), ("::1", 6432));
        assert_eq!(url.database.as_deref(), Some("erp db"));
        assert_eq!(url.parameter("ca"), Some("/etc/ca.pem"));
        assert_eq!(url.seconds("wait"), Ok(Some(Duration::from_secs(3))));
    }

    #[test]
    fn what_is_not_given_is_not_there() {
        for url in ["db://u@h", "db://u:@h:/", "db://u@h/?"] {
            let url = parse(url).unwrap();
            assert_eq!((url.host.as_str(), url.port), ("h", 77));
            assert!(url.password.is_none() && url.database.is_none());
            assert_eq!(url.seconds("wait"), Ok(None));
        }
    }

    #[test]
    fn only_this_machine_is_local() {
        for host in ["localhost", "LocalHost", "127.0.0.1", "127.8.8.8", "::1"] {
            assert!(is_local(host), "{host}");
        }
        for host in ["db.example", "10.0.0.1", "localhost.example", "::2"] {
            assert!(!is_local(host), "{host}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named_and_the_password_is_not() {
        let cases = [
            ("http://u:s3cr3t@h/d", "must start with db:// or database://"),
            ("db://:s3cr3t@h/d", "names no user: db://user@host"),
            ("db://u:s3cr3t@h:0x/d", "the port in the URL"),
            ("db://u:s3cr3t@h:0/d", "the port in the URL"),
            ("db://u:s3cr3t@[::1/d", "must end with ]"),
            ("db://u:s3cr3t%4@h/d", "the password in the URL"),
            ("db://u:s3cr3t%ff@h/d", "not UTF-8"),
            ("db://u:s3cr3t@h/d?ssl=on", "unknown parameter `ssl`; known are ca, wait"),
            ("db://u:s3cr3t@h/d?ca=a&ca=b", "`ca` twice"),
        ];
        for (url, expected) in cases {
            let error = parse(url).unwrap_err();
            assert!(error.contains(expected) && !error.contains("s3cr3t"), "{url}: {error}");
        }
        let error = parse("db://u@h/d?wait=0").unwrap().seconds("wait").unwrap_err();
        assert!(error.to_string().contains("the wait in the URL"), "{error}");
        assert!(!format!("{:?}", parse("db://u:s3cr3t@h")).contains("s3cr3t"));
    }
}
