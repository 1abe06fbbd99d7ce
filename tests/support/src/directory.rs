//! Temporary directories that do not outlive their process for long.
//!
//! A guard removes its directory when it is dropped, and the last of them what is above it. A
//! killed test process drops nothing, and a server kept in a `static` is never dropped; so every
//! process keeps all its directories under one, holds a lock in it, and the next process to come
//! removes what nobody holds any more.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::Result;
use crate::failure::Tried;

const PREFIX: &str = "erpbridge-";
const LOCK: &str = "lock";

/// A directory of its own, removed on drop.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    _root: Arc<Root>,
}

impl Directory {
    /// Makes a new directory whose name begins with `purpose`.
    pub fn new(purpose: &str) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let root = process_root()?;
        let path = root.path.join(format!("{purpose}-{number}"));
        fs::create_dir(&path).tried(format_args!("cannot create \"{}\"", path.display()))?;
        Ok(Self { path, _root: root })
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

/// What all directories of this process lie in.
#[derive(Debug)]
struct Root {
    path: PathBuf,
    _lock: File,
}

impl Drop for Root {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.path));
    }
}

/// The root there is, or a new one if no directory is left in it.
fn process_root() -> Result<Arc<Root>> {
    static ROOT: Mutex<Weak<Root>> = Mutex::new(Weak::new());
    let mut known = ROOT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(root) = known.upgrade() {
        return Ok(root);
    }
    remove_abandoned();
    let root = Arc::new(make_root()?);
    *known = Arc::downgrade(&root);
    Ok(root)
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
        // As a killed process leaves it: there, and the lock free.
        fs::create_dir(&abandoned).unwrap();
        File::create(abandoned.join(LOCK)).unwrap();
        remove_abandoned();
        assert!(held.path.exists());
        assert!(!abandoned.exists());
    }
}
