//! What servers share that refuse to run as root: a user to run as, and files of its own.

use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;

use crate::binaries::cache;
use crate::failure::Tried;
use crate::process::{Owner, command, output};
use crate::{Failure, Result};

/// The first of these users that there is, to run as; none if this process is not root's.
pub(crate) fn unprivileged(names: &[&str]) -> Result<Option<Owner>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd").tried("cannot read \"/etc/passwd\"")?;
    let missing = || Failure::new(format!("found no user named \"{}\"", names.join("\" or \"")));
    names.iter().find_map(|name| user(&users, name)).map(Some).ok_or_else(missing)
}

fn user(users: &str, name: &str) -> Option<Owner> {
    let mut fields = users
        .lines()
        .map(|line| line.split(':'))
        .find_map(|mut fields| (fields.next() == Some(name)).then_some(fields))?;
    Some(Owner { uid: fields.nth(1)?.parse().ok()?, gid: fields.next()?.parse().ok()? })
}

/// The number of the user a server runs as, for the names of what is kept for it.
pub(crate) fn uid(owner: Option<Owner>) -> u32 {
    owner.map_or(rustix::process::geteuid().as_raw(), |owner| owner.uid)
}

/// Puts a fresh data directory where others find it, in one step: two processes may be here at
/// once. Making one takes seconds, copying it a tenth of that.
pub(crate) fn publish(fresh: &Path, template: &Path) -> Result<()> {
    fs::create_dir_all(cache()).tried("cannot create the cache directory")?;
    let unique = tempfile::Builder::new()
        .prefix("template-new-")
        .tempdir_in(cache())
        .tried("cannot create a directory in the cache")?;
    let copied = unique.path().join("data");
    copy(fresh, &copied)?;
    match fs::rename(&copied, template) {
        Err(_) if template.exists() => Ok(()),
        renamed => renamed.tried("cannot put the data directory into the cache"),
    }
}

/// Copies a directory with its owners and modes.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    let mut cp = command(Path::new("cp"), None);
    cp.arg("-a").arg("--reflink=auto").arg(from).arg(to);
    output(cp)?;
    Ok(())
}

/// Makes `owner` the owner of a file or directory.
pub(crate) fn give(path: &Path, owner: Option<Owner>) -> Result<()> {
    let Some(Owner { uid, gid }) = owner else { return Ok(()) };
    chown(path, Some(uid), Some(gid)).tried(format_args!("cannot hand over \"{}\"", path.display()))
}
