//! Statements in the log.

use super::Malformed;
use super::bytes::Bytes;

/// A statement as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query<'a> {
    /// The default database when it ran; names without one mean this.
    pub database: &'a [u8],
    /// The statement, in the character set of the client that sent it.
    pub text: &'a [u8],
}

/// What `EXECUTE_LOAD_QUERY` says beyond a `QUERY`: which file, and where its name stands.
const LOAD_BYTES: usize = 13;

/// Reads the body of a `QUERY` event up to the text, which may be compressed.
pub(super) fn read(body: &[u8]) -> Result<Query<'_>, Malformed> {
    after(body, 0)
}

/// Reads a statement that loads a file.
pub(super) fn read_load(body: &[u8]) -> Result<Query<'_>, Malformed> {
    after(body, LOAD_BYTES)
}

fn after(body: &[u8], more: usize) -> Result<Query<'_>, Malformed> {
    let mut bytes = Bytes(body);
    let _thread = bytes.u32()?;
    let _seconds = bytes.u32()?;
    let database = usize::from(bytes.u8()?);
    let _error = bytes.u16()?;
    let variables = usize::from(bytes.u16()?);
    bytes.take(more)?;
    bytes.take(variables)?;
    let database = bytes.take(database)?;
    bytes.u8()?;
    Ok(Query { database, text: bytes.rest() })
}
