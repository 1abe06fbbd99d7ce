//! Where the servers' programs are.

use std::path::{Path, PathBuf};

use crate::{Failure, Result};

/// Places of system daemons that an ordinary user's PATH leaves out.
const SYSTEM: [&str; 3] = ["/usr/sbin", "/usr/local/sbin", "/usr/local/bin"];

/// The project's cache: what is slow to get and safe to lose.
pub(crate) fn cache() -> PathBuf {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    project.unwrap_or(Path::new(".")).join(".cache")
}

/// The program named by an environment variable.
pub(crate) fn from_env(variable: &str) -> Result<Option<PathBuf>> {
    let Some(path) = std::env::var_os(variable).map(PathBuf::from) else { return Ok(None) };
    if path.exists() {
        return Ok(Some(path));
    }
    Err(Failure::new(format!("{variable} names \"{}\", which does not exist", path.display())))
}

/// Every program of this name in PATH and the system's own places.
pub(crate) fn on_path(program: &str) -> impl Iterator<Item = PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places: Vec<PathBuf> =
        std::env::split_paths(&path).chain(SYSTEM.map(PathBuf::from)).collect();
    let program = program.to_owned();
    places.into_iter().map(move |place| place.join(&program)).filter(|path| path.is_file())
}
