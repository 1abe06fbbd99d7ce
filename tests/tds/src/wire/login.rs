//! LOGIN7: who comes, and to which database.

use std::io::Result;

use super::Reader;
use super::reader::{short, utf16};

/// What the client says about itself.
#[derive(Debug)]
pub(crate) struct LoginRequest {
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) application: String,
    pub(crate) database: String,
    pub(crate) packet_size: u32,
    /// `ApplicationIntent=ReadOnly`
    pub(crate) read_only: bool,
}

/// Where the places and lengths of the texts begin.
const TABLE: usize = 36;
const READ_ONLY_INTENT: u8 = 0x20;

/// Reads the message.
pub(crate) fn read(body: &[u8]) -> Result<LoginRequest> {
    let mut head = Reader::new(body);
    head.take(8)?;
    let packet_size = head.u32()?;
    head.take(12)?;
    let [_, _, type_flags, _] = head.array()?;
    let text = |number: usize| -> Result<&[u8]> {
        let place = body.get(TABLE + number * 4..).ok_or_else(short)?;
        let mut place = Reader::new(place);
        let (from, units) = (usize::from(place.u16()?), usize::from(place.u16()?));
        body.get(from..from + units * 2).ok_or_else(short)
    };
    Ok(LoginRequest {
        user: utf16(text(1)?),
        password: utf16(&revealed(text(2)?)),
        application: utf16(text(3)?),
        database: utf16(text(8)?),
        packet_size,
        read_only: type_flags & READ_ONLY_INTENT != 0,
    })
}

/// Undoes what hides a password from the eye: halves of each byte swapped, then turned over.
fn revealed(hidden: &[u8]) -> Vec<u8> {
    hidden.iter().map(|byte| (byte ^ 0xa5).rotate_left(4)).collect()
}
