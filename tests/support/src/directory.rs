//! Temporary directories that do not outlive their process for long.
//!
//! A guard removes its directory when it is dropped. A killed test process drops nothing, and a
//! server kept in a `static` is never dropped; so every process keeps all its directories under
//! one, holds a lock in it, and the next process to come removes what nobody holds any more.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::Result;
use crate::failure::Tried;

const PREFIX: &str = "erpbridge-";
const LOCK: &str = "lock";

/// A directory of its own, removed on drop.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
}

impl Directory {
    /// Makes a new directory whose name begins with `purpose`.
    pub fn new(purpose: &str) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = process_root()?.join(format!("{purpose}-{number}"));
        fs::create_dir(&path).tried(format_args!("cannot create \"{}\"", path.display()))?;
        Ok(Self { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of `name` in it.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file into it and returns its path.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.join(name);
        fs::write(&path, text).tried(format_args!("cannot write \"{}\"", path.display()))?;
        Ok(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next process.
        drop(fs::remove_dir_all(&self.path));
    }
}

struct Root {
    path: PathBuf,
    _lock: File,
}

fn process_root() -> Result<&'static Path> {
    static ROOT: OnceLock<std::result::Result<Root, String>> = OnceLock::new();
    let root = ROOT.get_or_init(|| {
        remove_abandoned();
        make_root().map_err(|failure| failure.to_string())
    });
    root.as_ref().map(|root| root.path.as_path()).map_err(crate::Failure::new)
}

fn make_root() -> Result<Root> {
    let path = tempfile::Builder::new()
        .prefix(PREFIX)
        .permissions(Permissions::from_mode(0o755))
        .tempdir()
        .tried("cannot create a temporary directory")?
        .keep();
    // Locked first and named second: who sees the name sees it locked.
    let unnamed = path.join("locking");
    let lock = File::create(&unnamed).tried("cannot create a lock file")?;
    lock.lock().tried("cannot lock the temporary directory")?;
    fs::rename(&unnamed, path.join(LOCK)).tried("cannot name a lock file")?;
    Ok(Root { path, _lock: lock })
}

fn remove_abandoned() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let ours = path
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.starts_with(PREFIX));
        let abandoned = || File::open(path.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok());
        if ours && abandoned() {
            drop(fs::remove_dir_all(&path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_gone_after_drop() {
        let directory = Directory::new("gone").unwrap();
        let path = directory.write("file", "text").unwrap();
        assert!(path.exists());
        drop(directory);
        assert!(!path.exists());
    }

    #[test]
    fn an_abandoned_root_is_removed_and_a_held_one_is_not() {
        let held = make_root().unwrap();
        let abandoned = make_root().unwrap().path.clone();
        remove_abandoned();
        assert!(held.path.exists());
        assert!(!abandoned.exists());
        let path = held.path.clone();
        drop(held);
        fs::remove_dir_all(path).unwrap();
    }
}
