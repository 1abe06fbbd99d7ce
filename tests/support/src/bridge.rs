//! The real bridge as a process: started, killed, asked over HTTP.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::failure::Tried;
use crate::{Directory, Failure, Process, Result, Signal, wait_for, wait_until};

const LOG: &str = "bridge.log";
const ANSWER_DEADLINE: Duration = Duration::from_secs(5);

/// A bridge that runs `erpbridge run` with a configuration of its own; killed on drop.
#[derive(Debug)]
pub struct Bridge {
    // Dropped in this order: the process before what it uses.
    process: Process,
    program: PathBuf,
    environment: Vec<(String, String)>,
    directory: Directory,
}

impl Bridge {
    /// Starts `program` (a test gives `env!("CARGO_BIN_EXE_erpbridge")`).
    pub fn start(program: impl AsRef<Path>, configuration: &str) -> Result<Self> {
        Self::start_with(program, configuration, &[])
    }

    /// Starts it with these environment variables added.
    pub fn start_with(
        program: impl AsRef<Path>,
        configuration: &str,
        environment: &[(&str, &str)],
    ) -> Result<Self> {
        let program = program.as_ref().to_owned();
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment: Vec<_> = environment.iter().map(owned).collect();
        let directory = Directory::new("bridge")?;
        directory.write("erpbridge.yaml", configuration)?;
        let process = launch(&program, &environment, &directory)?;
        Ok(Self { process, program, environment, directory })
    }

    /// Starts it again with the same configuration, after it ended or was killed.
    pub fn start_again(&mut self) -> Result<()> {
        self.process.kill9();
        self.process = launch(&self.program, &self.environment, &self.directory)?;
        Ok(())
    }

    /// Changes its configuration file for the next start.
    pub fn configure(&self, configuration: &str) -> Result<()> {
        self.directory.write("erpbridge.yaml", configuration)?;
        Ok(())
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Everything it wrote to both outputs, over all its starts.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Where its log is, while this guard lives.
    pub fn log_path(&self) -> PathBuf {
        self.directory.join(LOG)
    }

    /// Ends it like a crash, or does nothing if it is down.
    pub fn kill9(&mut self) {
        self.process.kill9();
    }

    /// How it ended, if it did.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.process.exited()
    }

    /// Asks it to end and waits until it has.
    pub async fn terminate(&mut self, deadline: Duration) -> Result<ExitStatus> {
        self.process.signal(Signal::TERM);
        self.wait_exit(deadline).await
    }

    /// Waits until it has ended by itself; fails with its log if it runs on.
    pub async fn wait_exit(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let waited = self.process.wait(deadline).await;
        waited.map_err(|_| self.process.failure("the bridge did not end"))
    }

    /// Waits until `/readyz` on this address (`127.0.0.1:<port>`) answers 200.
    pub async fn wait_ready(&mut self, http: &str, deadline: Duration) -> Result<()> {
        let process = &mut self.process;
        let mut down = false;
        let ready = wait_until("the bridge is ready", deadline, async || {
            down = process.exited().is_some();
            down || matches!(get(http, "/readyz").await, Ok((200, _)))
        })
        .await;
        match ready {
            Ok(()) if !down => Ok(()),
            _ => Err(self.process.failure("the bridge did not get ready")),
        }
    }

    /// Waits until a line of its log contains `text`, and returns that line.
    pub async fn wait_log(&mut self, text: &str, deadline: Duration) -> Result<String> {
        let process = &self.process;
        let found = wait_for(text, deadline, async || {
            process.log().lines().find(|line| line.contains(text)).map(str::to_owned)
        })
        .await;
        let what = format!("the bridge did not log \"{text}\"");
        found.map_err(|_| self.process.failure(&what))
    }

    /// The text of `/metrics` on this address.
    pub async fn metrics(&self, http: &str) -> Result<String> {
        match get(http, "/metrics").await? {
            (200, text) => Ok(text),
            (status, text) => Err(Failure::new(format!("/metrics answers {status}: {text}"))),
        }
    }
}

fn launch(
    program: &Path,
    environment: &[(String, String)],
    directory: &Directory,
) -> Result<Process> {
    Process::start(program, &directory.join(LOG), |command| {
        command.arg("run").arg("--config").arg(directory.join("erpbridge.yaml"));
        command.envs(environment.iter().map(|(name, value)| (name, value)));
    })
}

/// The sum of a metric over all its label sets that contain every text of `labels`
/// (`source="erp"`); none if there is no such sample.
pub fn sample(metrics: &str, name: &str, labels: &[&str]) -> Option<f64> {
    let values = metrics.lines().filter_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        let (metric, set) = series.split_once('{').unwrap_or((series, ""));
        (metric == name && labels.iter().all(|label| set.contains(label))).then_some(value)
    });
    values.filter_map(|value| value.parse::<f64>().ok()).reduce(|sum, value| sum + value)
}

/// Status and body of a GET.
pub async fn get(address: &str, path: &str) -> Result<(u16, String)> {
    let what = format!("GET http://{address}{path}");
    let answer = timeout(ANSWER_DEADLINE, exchange(address, path)).await.tried(&what)?;
    let answer = answer.tried(&what)?;
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split_whitespace().nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| Failure::new(format!("{what}: not HTTP: {head}")))?;
    Ok((status, body.to_owned()))
}

/// HTTP/1.0: the answer is not chunked and ends with the connection.
async fn exchange(address: &str, path: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Port;
    use std::os::unix::fs::PermissionsExt;

    const SOON: Duration = Duration::from_secs(10);

    /// A program that behaves like a bridge as far as the guard can tell.
    fn program(directory: &Directory, script: &str) -> PathBuf {
        let path = directory.write("program", &format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[tokio::test]
    async fn a_bridge_gets_its_configuration_and_ends_when_asked() {
        let directory = Directory::new("program").unwrap();
        let script = "trap 'echo ended; exit 0' TERM; cat \"$3\"; echo \"$NAME\"; \
                      while :; do sleep 0.01; done";
        let program = program(&directory, script);
        let mut bridge = Bridge::start_with(program, "key: value\n", &[("NAME", "env")]).unwrap();
        bridge.wait_log("key: value", SOON).await.unwrap();
        bridge.wait_log("env", SOON).await.unwrap();
        assert!(bridge.terminate(SOON).await.unwrap().success());
        assert!(bridge.log().ends_with("ended\n"));
        bridge.start_again().unwrap();
        assert!(bridge.exited().is_none());
        bridge.kill9();
        assert!(bridge.exited().is_some());
    }

    #[tokio::test]
    async fn waiting_for_a_bridge_that_died_shows_its_last_words() {
        let directory = Directory::new("program").unwrap();
        let program = program(&directory, "echo cannot go on; exit 1");
        let mut bridge = Bridge::start(program, "").unwrap();
        let http = Port::reserve().unwrap();
        let failure = bridge.wait_ready(&http.address(), SOON).await.unwrap_err().to_string();
        assert!(failure.contains("cannot go on"), "{failure}");
    }

    #[test]
    fn a_sample_is_the_sum_over_matching_labels() {
        let text = "# TYPE a counter\na{source=\"x\",k=\"1\"} 2\na{source=\"x\",k=\"2\"} 3\n\
                    a{source=\"y\",k=\"1\"} 10\nab 7\n";
        assert_eq!(sample(text, "a", &["source=\"x\""]), Some(5.0));
        assert_eq!(sample(text, "a", &["source=\"x\"", "k=\"2\""]), Some(3.0));
        assert_eq!(sample(text, "ab", &[]), Some(7.0));
        assert_eq!(sample(text, "b", &[]), None);
    }
}
