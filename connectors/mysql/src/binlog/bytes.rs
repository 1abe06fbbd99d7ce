//! Reads numbers and texts off the front of an event's body. All numbers are little-endian.

use super::Malformed;

/// What is left of the body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// A number of so many bytes, at most eight.
    pub(crate) fn number(&mut self, bytes: usize) -> Result<u64, Malformed> {
        let taken = self.take(bytes)?.iter().rev();
        Ok(taken.fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A number of the width its first byte says.
    pub(crate) fn packed(&mut self) -> Result<u64, Malformed> {
        match self.u8()? {
            0xFC => self.u16().map(u64::from),
            0xFD => self.number(3),
            0xFE => self.u64(),
            // NULL; it stands nowhere in a log.
            0xFB | 0xFF => Err(Malformed::Short),
            small => Ok(u64::from(small)),
        }
    }

    /// As [`Self::packed`], as a length of bytes in memory.
    pub(crate) fn packed_length(&mut self) -> Result<usize, Malformed> {
        usize::try_from(self.packed()?).map_err(|_| Malformed::Short)
    }

    /// A text whose length stands before it.
    pub(crate) fn packed_bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.packed_length()?;
        self.take(length)
    }

    pub(crate) fn packed_name(&mut self) -> Result<&'a str, Malformed> {
        name(self.packed_bytes()?)
    }

    /// A name whose length stands before it in one byte, and a zero behind it.
    pub(crate) fn terminated_name(&mut self) -> Result<&'a str, Malformed> {
        let length = usize::from(self.u8()?);
        let name = name(self.take(length)?)?;
        self.u8()?;
        Ok(name)
    }

    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Names of databases, tables and columns are UTF-8 in every log.
pub(crate) fn name(bytes: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(bytes).map_err(|_| Malformed::Name)
}

/// Bit `place` of bits that begin with the lowest of the first byte.
pub(crate) fn bit(bits: &[u8], place: usize) -> bool {
    bits.get(place / 8).is_some_and(|byte| byte & (1 << (place % 8)) != 0)
}
