//! The first words: versions, and whether to encrypt.

use std::io::Result;

use super::Reader;
use crate::Encryption;

/// What the server and the client say about encryption, as one byte.
pub(crate) const OFF: u8 = 0;
pub(crate) const ON: u8 = 1;
pub(crate) const NOT_SUPPORTED: u8 = 2;
pub(crate) const REQUIRED: u8 = 3;

const VERSION_OPTION: u8 = 0;
const ENCRYPTION_OPTION: u8 = 1;
const INSTANCE_OPTION: u8 = 2;
const THREAD_OPTION: u8 = 3;
const MARS_OPTION: u8 = 4;
const END: u8 = 0xff;

/// How a connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Agreed {
    /// In the clear.
    Clear,
    /// Encrypted for the login only.
    Login,
    /// Encrypted from now on.
    All,
}

/// What the client says about encryption.
pub(crate) fn wanted(body: &[u8]) -> Result<u8> {
    let mut options = Reader::new(body);
    loop {
        let option = options.u8()?;
        if option == END {
            return Ok(NOT_SUPPORTED);
        }
        let offset = u16::from_be_bytes(options.array()?);
        options.u16()?;
        if option == ENCRYPTION_OPTION {
            let mut value = Reader::new(body.get(usize::from(offset)..).unwrap_or_default());
            return value.u8();
        }
    }
}

/// What the server answers, and what follows from it.
pub(crate) fn answer(server: Encryption, client: u8) -> (u8, Agreed) {
    match (server, client) {
        (Encryption::NotSupported | Encryption::Strict, _) | (Encryption::Off, NOT_SUPPORTED) => {
            (NOT_SUPPORTED, Agreed::Clear)
        }
        (Encryption::Off, OFF) => (OFF, Agreed::Login),
        (Encryption::Off, _) => (ON, Agreed::All),
        (Encryption::Required, NOT_SUPPORTED) => (REQUIRED, Agreed::Clear),
        (Encryption::Required, _) => (if client == OFF { REQUIRED } else { ON }, Agreed::All),
    }
}

/// The server's own options.
pub(crate) fn body(version: &str, encryption: u8) -> Vec<u8> {
    let mut parts = version.split('.').map(|part| part.parse::<u16>().unwrap_or(0));
    let mut number = || parts.next().unwrap_or(0);
    let (major, minor, build) = (number(), number(), number());
    let byte = |n: u16| u8::try_from(n).unwrap_or(0);
    let [high, low] = build.to_be_bytes();
    let options: [(u8, Vec<u8>); 5] = [
        (VERSION_OPTION, vec![byte(major), byte(minor), high, low, 0, 0]),
        (ENCRYPTION_OPTION, vec![encryption]),
        (INSTANCE_OPTION, vec![0]),
        (THREAD_OPTION, Vec::new()),
        (MARS_OPTION, vec![0]),
    ];
    let mut offset = options.len() * 5 + 1;
    let (mut table, mut data) = (Vec::new(), Vec::new());
    for (option, value) in options {
        let short = |n: usize| u16::try_from(n).unwrap_or(0).to_be_bytes();
        table.push(option);
        table.extend(short(offset));
        table.extend(short(value.len()));
        offset += value.len();
        data.extend(value);
    }
    table.push(END);
    table.extend(data);
    table
}
