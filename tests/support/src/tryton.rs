//! Tryton, an ERP from `PyPI`, with a made-up company at work in it.
//!
//! ```text
//! tests/install.sh: packages → .cache/tryton/site
//! company.py: tables of the modules, a company → .cache/tryton/company-<hash>.dump, once
//! here: private PostgreSQL ← dump; business.py works in it, one action at a time
//! ```
//!
//! Creating the tables takes a minute, restoring a dump of them a second. The dump is named by a
//! hash of everything it was made from, so that none outlives what made it; it never leaves the
//! cache, because the tables are Tryton's and not ours.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::time::timeout;

use crate::binaries::cache;
use crate::failure::Tried;
use crate::process::{command, output, read_log};
use crate::{Directory, Failure, Postgres, Result};

const REQUIREMENTS: &str = include_str!("../../tryton/requirements.txt");
const COMPANY: &str = include_str!("../../tryton/company.py");
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tryton");

const PYTHON: &str = "python3";

const DATABASE: &str = "tryton";
/// The role Tryton works as; it owns the tables.
const ROLE: (&str, &str) = ("tryton", "tryton-secret");
/// One action, or the start of Tryton, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// A private server with Tryton's database, and the people who work in it.
#[derive(Debug)]
pub struct Tryton {
    // Dropped in this order: who works before what they work in.
    desk: Desk,
    server: Postgres,
    _directory: Directory,
}

impl Tryton {
    /// Starts the server with the company in it; makes the company first if it is not cached.
    pub async fn start() -> Result<Self> {
        let site = site()?;
        let (server, directory) = (Postgres::start().await?, Directory::new("tryton")?);
        let (role, password) = ROLE;
        server.execute(&format!("CREATE ROLE {role} LOGIN PASSWORD '{password}'")).await?;
        server.execute(&format!("CREATE DATABASE {DATABASE} OWNER {role}")).await?;
        let uri = server.url_for(role, password, DATABASE).replacen("postgres", "postgresql", 1);
        let office = Office { site, uri };
        prepare(&server, &office)?;
        let desk = Desk::open(&office, &directory).await?;
        Ok(Self { desk, server, _directory: directory })
    }

    /// The server.
    pub fn server(&self) -> &Postgres {
        &self.server
    }

    /// The name of the database.
    pub fn database(&self) -> &'static str {
        DATABASE
    }

    /// Has people do an action of `tests/tryton/business.py`, and returns what it says about it.
    pub async fn perform(&mut self, action: &str) -> Result<serde_json::Value> {
        self.desk.perform(action).await
    }
}

/// What a Python script needs to reach Tryton and its database.
struct Office {
    site: PathBuf,
    uri: String,
}

impl Office {
    /// Completes the command of a Python to one that runs a script.
    fn script(&self, mut python: Command, script: &str) -> Command {
        python.arg(Path::new(SCRIPTS).join(script));
        python.env("PYTHONPATH", &self.site).env("TRYTOND_DATABASE_URI", &self.uri);
        // It warns that the name of the database stands in the URI, where it belongs.
        python.env("PYTHONWARNINGS", "ignore");
        python
    }
}

/// Where `tests/install.sh` put the packages.
fn site() -> Result<PathBuf> {
    let site = cache().join("tryton/site");
    let inputs = fs::read_to_string(site.join("made-from")).unwrap_or_default();
    if inputs.ends_with(REQUIREMENTS) {
        return Ok(site);
    }
    Err(Failure::new(format!(
        "found no Tryton in \"{}\"; run tests/install.sh test",
        site.display()
    )))
}

/// Fills the empty database: from the cache, or by founding the company and caching it.
fn prepare(server: &Postgres, office: &Office) -> Result<()> {
    let mut version = Command::new(server.programs().join("pg_dump"));
    version.arg("--version");
    let mut hasher = DefaultHasher::new();
    (output(version)?, REQUIREMENTS, COMPANY).hash(&mut hasher);
    let dump = cache().join(format!("tryton/company-{:016x}.dump", hasher.finish()));
    // Whoever comes while the company is being founded waits for it; free again when dropped.
    let lock = fs::File::create(cache().join("tryton/lock")).tried("cannot create a lock file")?;
    lock.lock().tried("cannot lock the cache of Tryton")?;
    if !dump.exists() {
        output(office.script(command(Path::new(PYTHON), None), "company.py"))?;
        return save(server, &dump);
    }
    let mut restore = client(server, "pg_restore");
    restore.args(["--jobs=2", "--exit-on-error", "--dbname", DATABASE]).arg(&dump);
    output(restore).map(drop)
}

/// Puts the dump where others find it, in one step: two processes may be here at once.
fn save(server: &Postgres, dump: &Path) -> Result<()> {
    let unfinished = dump.with_extension(format!("{}.new", std::process::id()));
    let mut save = client(server, "pg_dump");
    save.args(["--format=custom", "--file"]).arg(&unfinished).arg(DATABASE);
    output(save)?;
    fs::rename(&unfinished, dump).tried("cannot put the dump into the cache")
}

/// A client program of PostgreSQL as superuser over the socket.
fn client(server: &Postgres, program: &str) -> Command {
    let mut client = command(&server.programs().join(program), None);
    client.arg("--host").arg(server.socket()).arg(format!("--port={}", server.port()));
    client.args(["--username", crate::USER, "--no-password"]);
    client
}

/// The people: a script that does an action for each line it reads, and ends at the end of input.
#[derive(Debug)]
struct Desk {
    _script: Child,
    orders: ChildStdin,
    reports: Lines<BufReader<ChildStdout>>,
    errors: PathBuf,
}

impl Desk {
    async fn open(office: &Office, directory: &Directory) -> Result<Self> {
        let errors = directory.write("errors", "")?;
        let log = fs::File::options().append(true).open(&errors).tried("cannot open a log file")?;
        // Without a parent-death signal, which would end it with a thread of the runtime: it ends
        // by itself when its input does, and that ends with this process.
        let script = office.script(Command::new(PYTHON), "business.py");
        let mut command = tokio::process::Command::from(script);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        let mut script = command.spawn().tried("cannot start business.py")?;
        let (Some(orders), Some(reports)) = (script.stdin.take(), script.stdout.take()) else {
            return Err(Failure::new("business.py has no pipes"));
        };
        let reports = BufReader::new(reports).lines();
        let mut desk = Self { _script: script, orders, reports, errors };
        desk.report("open").await?;
        Ok(desk)
    }

    async fn perform(&mut self, action: &str) -> Result<serde_json::Value> {
        let what = format!("cannot ask for \"{action}\"");
        self.orders.write_all(format!("{action}\n").as_bytes()).await.tried(what)?;
        self.report(action).await
    }

    async fn report(&mut self, action: &str) -> Result<serde_json::Value> {
        let what = format!("\"{action}\" was not done");
        let line = timeout(PATIENCE, self.reports.next_line()).await.tried(&what)?.tried(&what)?;
        let Some(line) = line else {
            return Err(Failure::new(format!("{what}:\n{}", read_log(&self.errors))));
        };
        serde_json::from_str(&line).tried(what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn people_request_what_the_order_point_misses() {
        let mut tryton = Tryton::start().await.unwrap();
        let report = tryton.perform("request_stock").await.unwrap();
        assert_eq!((&report["request"], &report["quantity"]), (&1.into(), &120.0.into()));
        let client = tryton.server().client_of(tryton.database()).await.unwrap();
        let rows = client.query("SELECT state FROM purchase_request", &[]).await.unwrap();
        assert_eq!(rows[0].get::<_, String>(0), "draft");
    }

    #[tokio::test]
    async fn an_action_that_fails_shows_why() {
        let mut tryton = Tryton::start().await.unwrap();
        let failure = tryton.perform("put_away").await.unwrap_err().to_string();
        assert!(failure.contains("NoneType"), "{failure}");
    }
}
