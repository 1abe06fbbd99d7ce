//! The protocol: packets, the words of each message, types and tokens.
//!
//! <https://learn.microsoft.com/en-us/openspecs/windows_protocols/ms-tds>

pub(crate) mod login;
pub(crate) mod packet;
mod parameters;
pub(crate) mod prelogin;
mod reader;
pub(crate) mod request;
pub(crate) mod tls;
pub(crate) mod tokens;
mod types;
mod variant;

pub(crate) use reader::Reader;
