//! Reading what a client sent: every step may find too little.

use std::io::{Error, ErrorKind, Result};

/// Bytes with a place in them.
pub(crate) struct Reader<'b> {
    bytes: &'b [u8],
}

impl<'b> Reader<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Self {
        Self { bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'b [u8]> {
        let taken = self.bytes.get(..length).ok_or_else(short)?;
        self.bytes = self.bytes.get(length..).unwrap_or_default();
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| short())
    }

    pub(crate) fn u8(&mut self) -> Result<u8> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(crate) fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A text of so many units of UTF-16.
    pub(crate) fn text(&mut self, units: usize) -> Result<String> {
        Ok(utf16(self.take(units * 2)?))
    }

    /// All that is left, as UTF-16.
    pub(crate) fn rest_text(&mut self) -> String {
        let text = utf16(self.bytes);
        self.bytes = &[];
        text
    }
}

/// Text from little-endian UTF-16.
pub(crate) fn utf16(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|pair| match pair {
        [low, high] => u16::from_le_bytes([*low, *high]),
        _ => 0,
    });
    String::from_utf16_lossy(&units.collect::<Vec<_>>())
}

pub(crate) fn short() -> Error {
    Error::new(ErrorKind::UnexpectedEof, "a message ends too early")
}
