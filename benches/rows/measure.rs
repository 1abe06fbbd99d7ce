//! What this process and a directory take.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Largest resident set of this process so far, in MiB.
pub(crate) fn peak_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    field(&status, "VmHWM:") / 1024
}

/// Bytes this process has caused to be written.
pub(crate) fn written_bytes() -> u64 {
    field(&fs::read_to_string("/proc/self/io").unwrap(), "write_bytes:")
}

fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// Bytes a directory takes on disk.
pub(crate) fn disk_bytes(path: &Path) -> u64 {
    files(path).iter().map(|file| fs::metadata(file).unwrap().blocks() * 512).sum()
}

/// Makes the system forget what it has cached of a directory.
pub(crate) fn forget(path: &Path) {
    for file in files(path) {
        let file = File::open(file).unwrap();
        file.sync_all().unwrap();
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    }
}

fn files(path: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}
