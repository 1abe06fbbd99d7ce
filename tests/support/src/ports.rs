//! Ports that stay ours while a server on them is down.
//!
//! Asking the system for a free port and letting it go again is a race: an outgoing connection
//! or another test may take it before the server binds, or while the server is being restarted.
//! So ports are taken from below the range that the system hands out by itself, and each is
//! reserved by a lock on a file that all tests on the machine respect.

use std::fs::{self, File, OpenOptions, Permissions};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use rand::Rng;

use crate::{Failure, Result};

/// Linux hands out 32768 and above for outgoing connections.
const RANGE: std::ops::Range<u16> = 20_000..32_000;
const ATTEMPTS: usize = 500;

/// A port on 127.0.0.1, reserved until dropped.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _reservation: File,
}

impl Port {
    /// Reserves a port on which nobody listens.
    pub fn reserve() -> Result<Self> {
        let directory = reservations();
        let mut rng = rand::rng();
        (0..ATTEMPTS)
            .find_map(|_| Self::try_reserve(&directory, rng.random_range(RANGE)))
            .ok_or_else(|| Failure::new(format!("found no free port in {ATTEMPTS} attempts")))
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// `127.0.0.1:<number>`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.number)
    }

    fn try_reserve(directory: &std::path::Path, number: u16) -> Option<Self> {
        let path = directory.join(number.to_string());
        let file = OpenOptions::new().create(true).append(true).open(path).ok()?;
        file.try_lock().ok()?;
        TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        Some(Self { number, _reservation: file })
    }
}

/// Where the reservations lie, whatever TMPDIR says; open to every user of the machine.
fn reservations() -> PathBuf {
    let directory = PathBuf::from("/tmp/erpbridge.ports");
    // Either may fail because another process or user was first, which is as good.
    if fs::create_dir(&directory).is_ok() {
        drop(fs::set_permissions(&directory, Permissions::from_mode(0o1777)));
    }
    directory
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn reserved_ports_are_all_different_and_can_be_bound() {
        let ports: Vec<Port> = (0..50).map(|_| Port::reserve().unwrap()).collect();
        let numbers: HashSet<u16> = ports.iter().map(Port::number).collect();
        assert_eq!(numbers.len(), ports.len());
        for port in &ports {
            TcpListener::bind(port.address()).unwrap();
        }
    }
}
