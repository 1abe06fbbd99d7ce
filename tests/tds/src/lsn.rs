//! A place in the transaction log.

use std::fmt;

/// A log sequence number: ten bytes, compared as bytes. The first four name the virtual log file,
/// the next four the block in it, the last two the record in that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub [u8; 10]);

impl Lsn {
    /// What functions answer for a capture instance they do not know.
    pub const ZERO: Self = Self([0; 10]);

    /// From its three parts.
    pub const fn new(file: u32, block: u32, record: u16) -> Self {
        let wide = ((file as u128) << 48) | ((block as u128) << 16) | record as u128;
        let [_, _, _, _, _, _, ten @ ..] = wide.to_be_bytes();
        Self(ten)
    }

    /// Its three parts.
    pub fn parts(self) -> (u32, u32, u16) {
        let part = |from: usize, length: usize| {
            let bytes = self.0.iter().skip(from).take(length);
            bytes.fold(0_u32, |number, byte| number << 8 | u32::from(*byte))
        };
        (part(0, 4), part(4, 4), u16::try_from(part(8, 2)).unwrap_or(u16::MAX))
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The place one after this, as `sys.fn_cdc_increment_lsn` counts.
    #[must_use]
    pub fn next(self) -> Self {
        self.moved(1)
    }

    /// The place one before this, as `sys.fn_cdc_decrement_lsn` counts.
    #[must_use]
    pub fn previous(self) -> Self {
        self.moved(-1)
    }

    fn moved(self, by: i128) -> Self {
        let mut wide = [0; 16];
        wide.iter_mut().skip(6).zip(self.0).for_each(|(to, from)| *to = from);
        let moved = i128::from_be_bytes(wide).saturating_add(by).to_be_bytes();
        let mut lsn = Self::ZERO;
        lsn.0.iter_mut().zip(moved.into_iter().skip(6)).for_each(|(to, from)| *to = from);
        lsn
    }
}

/// As SQL Server's messages print it: `0000002a:00000198:0003`.
impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02x}", if matches!(place, 4 | 8) { ":" } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_prints_as_three_numbers_and_counts_over_their_borders() {
        let lsn = Lsn::new(0x2a, 0x198, 0xffff);
        assert_eq!(lsn.to_string(), "0000002a:00000198:ffff");
        assert_eq!(lsn.next(), Lsn::new(0x2a, 0x199, 0));
        assert_eq!(lsn.next().previous(), lsn);
    }
}
