//! A child process that cannot outlive its guard.
//!
//! Two nets under every child. On drop (a panicking test drops too) the guard kills the child's
//! process group and everything below it. And if the test process itself is killed, the kernel
//! kills the child: `setpriv` sets its parent-death signal, which needs no `unsafe` here. That
//! signal is tied to the *thread* that started the child, so all children are started by one
//! thread that lives as long as the process.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, kill_process, kill_process_group};

pub use rustix::process::Signal;

use crate::failure::Tried;
use crate::{Failure, Result, wait_for};

/// How many lines of a log a failure shows.
const LOG_TAIL: usize = 40;
/// After SIGKILL a process goes as soon as the kernel lets it.
const KILL_DEADLINE: Duration = Duration::from_secs(10);

/// The user a child runs as.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// A command for `program` that dies with this process and runs as `owner`, if one is given.
pub(crate) fn command(program: &Path, owner: Option<Owner>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if let Some(Owner { uid, gid }) = owner {
        command.args([format!("--reuid={uid}"), format!("--regid={gid}")]);
        command.arg("--clear-groups");
    }
    command.arg("--").arg(program);
    command
}

/// A running child, its output in a log file.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program` with what `configure` adds to its command line; both its outputs are
    /// appended to `log`.
    pub fn start(program: &Path, log: &Path, configure: impl FnOnce(&mut Command)) -> Result<Self> {
        let mut command = command(program, None);
        configure(&mut command);
        Self::run(command, log)
    }

    /// Starts a command made by [`command`].
    pub(crate) fn run(mut command: Command, log: &Path) -> Result<Self> {
        let name = program_name(&command);
        let output = open_log(log).tried(format_args!("cannot open \"{}\"", log.display()))?;
        let errors = output.try_clone().tried("cannot share the log file")?;
        command.process_group(0).stdin(Stdio::null()).stdout(output).stderr(errors);
        let child = spawn(command).tried(format_args!("cannot start \"{name}\""))?;
        Ok(Self { name, child, log: log.to_owned() })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it did.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Everything it wrote so far.
    pub fn log(&self) -> String {
        read_log(&self.log)
    }

    /// Sends it a signal. A process that is gone already gets none.
    pub fn signal(&mut self, signal: Signal) {
        if self.exited().is_none() {
            kill(pid(&self.child), signal);
        }
    }

    /// Waits until it has ended.
    pub async fn wait(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let what = format!("\"{}\" (process {}) ends", self.name, self.id());
        wait_for(&what, deadline, async || self.exited()).await
    }

    /// Ends it at once, with everything below it, and returns when all are gone.
    pub fn kill9(&mut self) {
        if self.exited().is_some() {
            return;
        }
        // Some servers give each of their children a group of its own, so the group is not enough.
        let below = descendants(self.id());
        if kill_process_group(pid(&self.child), Signal::KILL).is_err() {
            kill(pid(&self.child), Signal::KILL);
        }
        for child in below.iter().filter_map(|id| raw_pid(*id)) {
            kill(child, Signal::KILL);
        }
        drop(self.child.wait());
        let end = Instant::now() + KILL_DEADLINE;
        while below.iter().any(|id| parent_of(*id).is_some()) && Instant::now() < end {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// A failure that says what was waited for and shows the end of the log.
    pub(crate) fn failure(&mut self, what: &str) -> Failure {
        let state = self.exited().map_or("still running".to_owned(), |status| status.to_string());
        let (name, tail) = (&self.name, log_tail(&self.log()));
        Failure::new(format!("{what}: \"{name}\" is {state}; its log ends:\n{tail}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill9();
    }
}

/// Runs a command to its end and returns its output; fails if it fails.
pub(crate) fn output(mut command: Command) -> Result<String> {
    let name = program_name(&command);
    command.stdin(Stdio::null());
    let output = command.output().tried(format_args!("cannot start \"{name}\""))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(Failure::new(format!("\"{name}\" failed with {}: {}", output.status, errors.trim())))
}

pub(crate) fn read_log(path: &Path) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// The last lines of a log, for a failure to show.
pub fn log_tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines.get(lines.len().saturating_sub(LOG_TAIL)..).unwrap_or_default().join("\n")
}

fn open_log(path: &Path) -> io::Result<File> {
    File::options().create(true).append(true).open(path)
}

/// The program behind `setpriv … --`, or the program itself.
fn program_name(command: &Command) -> String {
    let wrapped = command.get_args().skip_while(|argument| *argument != "--").nth(1);
    wrapped.unwrap_or(command.get_program()).to_string_lossy().into_owned()
}

/// It fails only for a process that is gone already, which is as good.
fn kill(process: Pid, signal: Signal) {
    kill_process(process, signal).unwrap_or_default();
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

fn raw_pid(id: u32) -> Option<Pid> {
    i32::try_from(id).ok().and_then(Pid::from_raw)
}

type Job = (Command, mpsc::SyncSender<io::Result<Child>>);

/// Starts a child on the thread that never ends.
fn spawn(command: Command) -> io::Result<Child> {
    static SPAWNER: OnceLock<mpsc::SyncSender<Job>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (jobs, queue) = mpsc::sync_channel::<Job>(1);
        thread::spawn(move || {
            for (mut command, reply) in queue {
                drop(reply.send(command.spawn()));
            }
        });
        jobs
    });
    let (reply, answer) = mpsc::sync_channel(1);
    spawner.send((command, reply)).map_err(io::Error::other)?;
    answer.recv().map_err(io::Error::other)?
}

/// The processes below `id`, children before grandchildren.
fn descendants(id: u32) -> Vec<u32> {
    let parents = running();
    let mut found = vec![id];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(parents.iter().filter(|(_, of)| **of == parent).map(|(child, _)| *child));
        next += 1;
    }
    found.split_off(1)
}

/// Every process and its parent.
fn running() -> HashMap<u32, u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return HashMap::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|id: u32| Some((id, parent_of(id)?)))
        .collect()
}

/// The parent of a process; none if it is gone or only waits to be reaped.
fn parent_of(id: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // pid (name, which may hold anything) state parent …
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    (fields.next()? != "Z").then_some(())?;
    fields.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Directory, wait_until};

    fn shell(directory: &Directory, script: &str) -> Process {
        Process::start(Path::new("/bin/sh"), &directory.join("log"), |command| {
            command.args(["-c", script]);
        })
        .unwrap()
    }

    #[tokio::test]
    async fn a_dropped_process_takes_its_grandchildren_with_it() {
        let directory = Directory::new("process").unwrap();
        let process = shell(&directory, "setsid sleep 100 & sleep 100");
        let mut below = Vec::new();
        wait_until("both sleep", Duration::from_secs(5), async || {
            below = descendants(process.id());
            below.len() == 2
        })
        .await
        .unwrap();
        drop(process);
        assert!(below.iter().all(|id| parent_of(*id).is_none()));
    }

    #[tokio::test]
    async fn a_process_that_ends_by_itself_shows_its_status_and_log() {
        let directory = Directory::new("process").unwrap();
        let mut process = shell(&directory, "echo spoken; exit 3");
        let status = process.wait(Duration::from_secs(5)).await.unwrap();
        assert_eq!(status.code(), Some(3));
        let failure = process.failure("it stays").to_string();
        assert!(failure.contains("exit status: 3") && failure.contains("spoken"), "{failure}");
    }

    #[tokio::test]
    async fn the_kernel_kills_a_child_whose_parent_was_killed() {
        let directory = Directory::new("process").unwrap();
        let mut parent = shell(&directory, "setpriv --pdeathsig KILL -- sleep 100 & wait");
        // Not before it has become the sleep: until then its signal may not be set.
        let child = wait_for("the sleep runs", Duration::from_secs(5), async || {
            let child = descendants(parent.id()).first().copied()?;
            let name = fs::read_to_string(format!("/proc/{child}/comm")).ok()?;
            (name.trim() == "sleep").then_some(child)
        })
        .await
        .unwrap();
        parent.signal(Signal::KILL);
        let gone = async || parent_of(child).is_none();
        wait_until("the child is gone", Duration::from_secs(5), gone).await.unwrap();
    }
}
