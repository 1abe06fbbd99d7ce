//! The files under a server: programs, data directory, configuration, owner.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Flavour, PASSWORD, USER};
use crate::binaries::{cache, from_env, on_path};
use crate::failure::Tried;
use crate::process::{Owner, command, output};
use crate::service::{copy, give, publish, uid, unprivileged};
use crate::{Certificates, Directory, Failure, Port, Process, Result};

/// Whom it may run as, since it refuses to run as root.
const USERS: [&str; 2] = ["mysql", "nobody"];

/// Everything of a server that is there while it is down.
#[derive(Debug)]
pub(super) struct Files {
    program: PathBuf,
    flavour: Flavour,
    owner: Option<Owner>,
    certificates: Option<Certificates>,
    directory: Directory,
}

impl Files {
    /// Makes a data directory, and certificates if asked.
    pub(super) fn make(flavour: Flavour, tls: bool) -> Result<Self> {
        let program = find_program(flavour)?;
        let owner = unprivileged(&USERS)?;
        let directory = Directory::new("mysql")?;
        copy(&template(&program, flavour, owner)?, &directory.join("data"))?;
        let certificates = tls.then(|| Certificates::make(directory.path())).transpose()?;
        if let Some(Certificates { key, .. }) = &certificates {
            give(key, owner)?;
        }
        give(directory.path(), owner)?;
        let files = Self { program, flavour, owner, certificates, directory };
        files.write("init.sql", &users(flavour))?;
        Ok(files)
    }

    /// Writes the configuration file.
    pub(super) fn configure(&self, port: &Port, settings: &BTreeMap<String, String>) -> Result<()> {
        let at = |name: &str| self.directory.join(name).display().to_string();
        let mut lines = vec![
            "[mysqld]".to_owned(),
            format!("port = {}", port.number()),
            format!("datadir = {}", at("data")),
            format!("socket = {}", self.socket().display()),
            format!("pid_file = {}", at("pid")),
            format!("tmpdir = {}", at("")),
            format!("init_file = {}", at("init.sql")),
        ];
        if let Some(home) = home(&self.program, self.flavour) {
            lines.push(format!("basedir = {}", home.display()));
            lines.push(format!("lc_messages_dir = {}", home.join("share").display()));
        }
        if let Some(Certificates { ca, certificate, key }) = &self.certificates {
            lines.push(format!("ssl_ca = {}", ca.display()));
            lines.push(format!("ssl_cert = {}", certificate.display()));
            lines.push(format!("ssl_key = {}", key.display()));
        }
        lines.extend(settings.iter().map(|(name, value)| format!("{name} = {value}")));
        self.write("my.cnf", &(lines.join("\n") + "\n"))
    }

    /// Starts the server.
    pub(super) fn launch(&self) -> Result<Process> {
        let mut command = command(&self.program, self.owner);
        let file = self.directory.join("my.cnf");
        command.arg(format!("--defaults-file={}", file.display()));
        if let Some(home) = home(&self.program, self.flavour) {
            // It brings a library of its own beside the program.
            command.env("LD_LIBRARY_PATH", home);
        }
        command.current_dir(self.directory.path());
        Process::run(command, &self.directory.join("log"))
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.directory.join("socket")
    }

    pub(super) fn flavour(&self) -> Flavour {
        self.flavour
    }

    pub(super) fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    pub(super) fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        self.directory.write(name, text).map(drop)
    }
}

/// Run at every start, and kept out of the binary log: over TCP the superuser has a password, and
/// nobody shadows the users that a test makes.
fn users(flavour: Flavour) -> String {
    let anonymous = match flavour {
        Flavour::MariaDb => "",
        Flavour::Mysql56 => "DELETE FROM mysql.user WHERE User = '';\nFLUSH PRIVILEGES;\n",
    };
    format!(
        "SET sql_log_bin = 0;\n{anonymous}\
         GRANT ALL ON *.* TO '{USER}'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}' WITH GRANT OPTION;\n"
    )
}

/// By the variable of the flavour, then where it is installed.
fn find_program(flavour: Flavour) -> Result<PathBuf> {
    let variable = match flavour {
        Flavour::MariaDb => "ERPBRIDGE_MARIADB",
        Flavour::Mysql56 => "ERPBRIDGE_MYSQL56",
    };
    let installed = || match flavour {
        Flavour::MariaDb => on_path("mariadbd").next(),
        Flavour::Mysql56 => Some(cache().join("mysql-5.6/mysqld")).filter(|path| path.is_file()),
    };
    from_env(variable)?.or_else(installed).ok_or_else(|| {
        Failure::new(format!("found no {flavour:?}; run tests/install.sh or set {variable}"))
    })
}

/// The directory of a server that is not installed but unpacked.
fn home(program: &Path, flavour: Flavour) -> Option<&Path> {
    match flavour {
        Flavour::MariaDb => None,
        Flavour::Mysql56 => program.parent(),
    }
}

/// A fresh data directory to copy.
fn template(program: &Path, flavour: Flavour, owner: Option<Owner>) -> Result<PathBuf> {
    let template = cache().join(format!("{}-{}", version(program, flavour)?, uid(owner)));
    if template.exists() {
        return Ok(template);
    }
    let workshop = Directory::new("install-db")?;
    give(workshop.path(), owner)?;
    let fresh = workshop.join("data");
    match flavour {
        Flavour::MariaDb => initialise(owner, &workshop, &fresh)?,
        Flavour::Mysql56 => unpack(program, owner, &fresh)?,
    }
    publish(&fresh, &template)?;
    Ok(template)
}

/// `mariadb-10.11.19`: from `mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for …`
fn version(program: &Path, flavour: Flavour) -> Result<String> {
    let Flavour::MariaDb = flavour else { return Ok("mysql-5.6-data".to_owned()) };
    let mut version = command(program, None);
    version.args(["--no-defaults", "--version"]);
    let text = output(version)?;
    let number = text.split_whitespace().nth(2).and_then(|word| word.split('-').next());
    Ok(format!("mariadb-{}", number.unwrap_or("unknown")))
}

fn initialise(owner: Option<Owner>, workshop: &Directory, data: &Path) -> Result<()> {
    let missing = || Failure::new("found no mariadb-install-db; run tests/install.sh");
    let program = on_path("mariadb-install-db").next().ok_or_else(missing)?;
    let mut install = command(&program, owner);
    install.arg("--no-defaults").arg(format!("--datadir={}", data.display()));
    install.args(["--auth-root-authentication-method=normal", "--skip-test-db"]);
    install.args(["--skip-name-resolve", "--innodb-log-file-size=8M"]);
    install.current_dir(workshop.path());
    output(install)?;
    Ok(())
}

/// The package holds a data directory, and with it the identity of the server that made it.
fn unpack(program: &Path, owner: Option<Owner>, data: &Path) -> Result<()> {
    let packed = program.with_file_name("data").join("mysql");
    let mut cp = command(Path::new("cp"), owner);
    cp.arg("-r").arg(packed).arg(data);
    output(cp)?;
    fs::remove_file(data.join("auto.cnf")).tried("cannot remove \"auto.cnf\"")
}
