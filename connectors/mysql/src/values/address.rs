//! `UUID`, `INET4` and `INET6` of `MariaDB`: bytes in the log, whose zeros at the end are cut off.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::gtid::Uuid;

/// A UUID. Versions 1 to 5 are stored from their end, so that those of one time lie together.
pub(super) fn push_uuid(stored: &[u8], out: &mut String) -> Result<(), &'static str> {
    let bytes: [u8; 16] = padded(stored)?;
    let uuid = if turned(bytes) { turn(bytes) } else { bytes };
    // Writing to a string never fails.
    write!(out, "{}", Uuid(uuid)).expect("a string takes all that is written");
    Ok(())
}

/// Where the version stands in what was turned, and the variant beside it.
fn turned(stored: [u8; 16]) -> bool {
    let [_, _, _, _, _, _, variant, _, version, ..] = stored;
    let version = version >> 4;
    variant & 0x80 != 0 && (1..=5).contains(&version)
}

/// From `nnnnnnnnnnnn-vsss-Vhhh-mmmm-llllllll` to `llllllll-mmmm-Vhhh-vsss-nnnnnnnnnnnn`.
fn turn(stored: [u8; 16]) -> [u8; 16] {
    let [n0, n1, n2, n3, n4, n5, s0, s1, h0, h1, m0, m1, l0, l1, l2, l3] = stored;
    [l0, l1, l2, l3, m0, m1, h0, h1, s0, s1, n0, n1, n2, n3, n4, n5]
}

/// Four bytes.
pub(super) fn push_inet4(stored: &[u8], out: &mut String) -> Result<(), &'static str> {
    write!(out, "{}", Ipv4Addr::from(padded::<4>(stored)?))
        .expect("a string takes all that is written");
    Ok(())
}

/// Sixteen bytes.
pub(super) fn push_inet6(stored: &[u8], out: &mut String) -> Result<(), &'static str> {
    write!(out, "{}", Ipv6Addr::from(padded::<16>(stored)?))
        .expect("a string takes all that is written");
    Ok(())
}

fn padded<const N: usize>(stored: &[u8]) -> Result<[u8; N], &'static str> {
    let mut bytes = [0; N];
    let place = bytes.get_mut(..stored.len()).ok_or("an address is too long")?;
    place.copy_from_slice(stored);
    Ok(bytes)
}
