//! The directory the store lives in: whether there is room, and setting a damaged one aside.

use std::io;
use std::path::{Path, PathBuf};

use erpbridge_connector::Finding;

use crate::clock;

/// With less free space than this the bridge does not start: a full disk makes the store hang.
pub const LOW_SPACE_BYTES: u64 = 64 * 1024 * 1024;

/// What would keep a store in `directory` from working. Creates nothing.
pub fn check(directory: &Path) -> Vec<Finding> {
    let subject = directory.display().to_string();
    match free_bytes(directory) {
        Ok(free) if free < LOW_SPACE_BYTES => vec![Finding::error(
            subject,
            format!("only {} MiB are free for the offsets", free / (1024 * 1024)),
            "free some space, or set `state` to a directory on another disk",
        )],
        Ok(_) => Vec::new(),
        Err(error) => vec![Finding::error(
            subject,
            format!("the free space cannot be read: {error}"),
            "set `state` to a directory this user may write to",
        )],
    }
}

/// Free bytes where `directory` is or will be.
fn free_bytes(directory: &Path) -> io::Result<u64> {
    let existing = directory.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
    let space = rustix::fs::statvfs(existing)?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

/// Renames a directory that cannot be opened to `<name>.corrupt-<seconds>`: nothing is deleted.
pub(super) fn set_aside(directory: &Path) -> io::Result<PathBuf> {
    let seconds = clock::now().as_micros() / 1_000_000;
    let mut name = directory.as_os_str().to_owned();
    name.push(format!(".corrupt-{seconds}"));
    let aside = PathBuf::from(name);
    std::fs::rename(directory, &aside)?;
    Ok(aside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_does_not_exist_yet_is_measured_at_its_parent() {
        let parent = tempfile::tempdir().unwrap();
        assert!(free_bytes(&parent.path().join("a/b")).unwrap() > 0);
        assert_eq!(check(&parent.path().join("a/b")), []);
    }

    #[test]
    fn a_directory_set_aside_keeps_its_content() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("offsets");
        std::fs::create_dir(&directory).unwrap();
        std::fs::write(directory.join("db"), "x").unwrap();
        let aside = set_aside(&directory).unwrap();
        assert!(!directory.exists());
        assert_eq!(std::fs::read_to_string(aside.join("db")).unwrap(), "x");
    }
}
