//! The files under a cluster: programs, data directory, configuration, owner.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{PASSWORD, USER};
use crate::binaries::{cache, from_env, on_path};
use crate::failure::Tried;
use crate::process::{Owner, command, output};
use crate::service::{copy, give, publish, uid, unprivileged};
use crate::{Certificates, Directory, Failure, Port, Process, Result};

/// Where Debian keeps the programs of each major version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// Whom it may run as, since it refuses to run as root.
const USERS: [&str; 2] = ["postgres", "nobody"];

/// Everything of a cluster that is there while it is down.
#[derive(Debug)]
pub(super) struct Cluster {
    programs: PathBuf,
    owner: Option<Owner>,
    certificates: Option<Certificates>,
    directory: Directory,
}

impl Cluster {
    /// Makes a data directory, and certificates if asked.
    pub(super) fn make(tls: bool) -> Result<Self> {
        let programs = find_programs()?;
        let owner = unprivileged(&USERS)?;
        let directory = Directory::new("postgres")?;
        let template = template(&programs, owner)?;
        copy(&template, &directory.join("data"))?;
        fs::create_dir(directory.join("socket")).tried("cannot create the socket directory")?;
        let certificates = tls.then(|| Certificates::make(directory.path())).transpose()?;
        if let Some(Certificates { key, .. }) = &certificates {
            give(key, owner)?;
        }
        give(directory.path(), owner)?;
        give(&directory.join("socket"), owner)?;
        Ok(Self { programs, owner, certificates, directory })
    }

    /// Makes a standby's data directory of the cluster that listens on `port`.
    pub(super) fn backup(&self, port: u16) -> Result<Self> {
        let directory = Directory::new("postgres")?;
        give(directory.path(), self.owner)?;
        fs::create_dir(directory.join("socket")).tried("cannot create the socket directory")?;
        give(&directory.join("socket"), self.owner)?;
        let mut backup = command(&self.programs.join("pg_basebackup"), self.owner);
        backup.arg("--host").arg(self.socket()).args(["--port", &port.to_string()]);
        backup.args([
            "--username",
            USER,
            "--checkpoint=fast",
            "--no-sync",
            "--write-recovery-conf",
        ]);
        backup.arg("--pgdata").arg(directory.join("data")).current_dir(directory.path());
        output(backup)?;
        let (programs, certificates) = (self.programs.clone(), None);
        Ok(Self { programs, owner: self.owner, certificates, directory })
    }

    /// The next start recovers by archive, and ends on a new timeline.
    pub(super) fn ask_for_recovery(&self) -> Result<()> {
        self.write("recovery.signal", "")?;
        give(&self.data().join("recovery.signal"), self.owner)
    }

    /// Writes the configuration files.
    pub(super) fn configure(&self, port: &Port, settings: &BTreeMap<String, String>) -> Result<()> {
        let certificates =
            self.certificates.as_ref().map(|Certificates { certificate, key, .. }| {
                let (certificate, key) = (certificate.display(), key.display());
                format!("ssl = on\nssl_cert_file = '{certificate}'\nssl_key_file = '{key}'\n")
            });
        let settings = settings.iter().map(|(name, value)| {
            let value = value.replace('\'', "''");
            format!("{name} = '{value}'\n")
        });
        let place = format!(
            "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = '{}'\n",
            port.number(),
            self.socket().display(),
        );
        let text: String = std::iter::once(place).chain(certificates).chain(settings).collect();
        self.write("postgresql.conf", &text)?;
        let transport = if self.certificates.is_some() { "hostssl" } else { "host" };
        let remote = format!("{transport} all,replication all 127.0.0.1/32 scram-sha-256\n");
        self.write("pg_hba.conf", &format!("local all,replication all trust\n{remote}"))
    }

    /// Starts the server.
    pub(super) fn launch(&self) -> Result<Process> {
        let mut command = command(&self.programs.join("postgres"), self.owner);
        command.arg("-D").arg(self.data()).current_dir(self.directory.path());
        Process::run(command, &self.directory.join("postgres.log"))
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.directory.join("socket")
    }

    pub(super) fn programs(&self) -> &Path {
        &self.programs
    }

    pub(super) fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.data().join(name);
        fs::write(&path, text).tried(format_args!("cannot write \"{}\"", path.display()))
    }
}

/// By `ERPBRIDGE_PG_BIN`, then the newest version Debian has, then PATH.
fn find_programs() -> Result<PathBuf> {
    if let Some(programs) = from_env("ERPBRIDGE_PG_BIN")? {
        return Ok(programs);
    }
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(DEBIAN)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
        .map(|(version, path)| (version, path.join("bin")))
        .filter(|(_, path)| path.join("initdb").exists() && path.join("postgres").exists())
        .collect();
    versions.sort();
    let on_path = || on_path("initdb").find_map(|initdb| initdb.parent().map(Path::to_owned));
    versions.pop().map(|(_, programs)| programs).or_else(on_path).ok_or_else(|| {
        Failure::new("found no PostgreSQL; run tests/install.sh or set ERPBRIDGE_PG_BIN")
    })
}

/// A fresh data directory to copy: making one takes a second, copying it a tenth of that.
fn template(programs: &Path, owner: Option<Owner>) -> Result<PathBuf> {
    let mut version = Command::new(programs.join("initdb"));
    version.arg("--version");
    let version = output(version)?.split_whitespace().nth(2).unwrap_or("unknown").to_owned();
    let template = cache().join(format!("postgres-{version}-{}", uid(owner)));
    if template.exists() {
        return Ok(template);
    }
    let workshop = Directory::new("initdb")?;
    give(workshop.path(), owner)?;
    let fresh = workshop.join("data");
    initialise(programs, owner, &workshop, &fresh)?;
    publish(&fresh, &template)?;
    Ok(template)
}

fn initialise(
    programs: &Path,
    owner: Option<Owner>,
    workshop: &Directory,
    data: &Path,
) -> Result<()> {
    let password = workshop.write("password", PASSWORD)?;
    let mut initdb = command(&programs.join("initdb"), owner);
    initdb.arg("-D").arg(data).arg("--pwfile").arg(password).current_dir(workshop.path());
    initdb.args(["--username", USER, "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]);
    initdb.args(["--auth-local=trust", "--auth-host=scram-sha-256"]);
    output(initdb)?;
    Ok(())
}
