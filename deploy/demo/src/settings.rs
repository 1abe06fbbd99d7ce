//! What can be asked of the demo: by environment, so that `make demo` passes it on.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use erpbridge_test_support::{Failure, Result, Seed};

use crate::simulate::Pace;

/// The bridge is killed after this long if the demo has no end of its own.
const KILL_AFTER: Duration = Duration::from_secs(20);

/// One run of the demo.
#[derive(Clone, Debug)]
pub struct Settings {
    /// When it ends by itself (`DEMO_SECONDS`); until Ctrl-C if not set.
    pub length: Option<Duration>,
    /// The bridge's program (`--bridge`), or the one beside this program.
    pub bridge: PathBuf,
    /// People at work (`DEMO_PEOPLE`), their speed (`DEMO_RATE`), and the seed of chance
    /// (`ERPBRIDGE_SEED`).
    pub pace: Pace,
}

impl Settings {
    /// Reads environment and command line.
    pub fn take() -> Result<Self> {
        check_source(std::env::var("DEMO_SOURCE").ok().as_deref())?;
        let seconds = number::<u64>("DEMO_SECONDS")?;
        if seconds.is_some_and(|seconds| seconds < 4) {
            return Err(Failure::new("DEMO_SECONDS is too short: give it at least 4"));
        }
        let (people, rate) = (number("DEMO_PEOPLE")?, number("DEMO_RATE")?);
        Ok(Self {
            length: seconds.map(Duration::from_secs),
            bridge: bridge(std::env::args().skip(1))?,
            pace: Pace {
                people: std::cmp::max(people.unwrap_or(4), 1),
                rate: rate.unwrap_or(40),
                seed: Seed::take()?.number(),
            },
        })
    }

    /// When the bridge is killed: in the middle.
    pub fn kill_after(&self) -> Duration {
        self.length.map_or(KILL_AFTER, |length| length / 2)
    }
}

fn check_source(source: Option<&str>) -> Result<()> {
    match source {
        None | Some("" | "postgres") => Ok(()),
        Some(other) => Err(Failure::new(format!(
            "there is no demo for DEMO_SOURCE=\"{other}\" yet: leave it out, or set it to postgres"
        ))),
    }
}

fn number<N: FromStr<Err: std::error::Error + 'static>>(variable: &str) -> Result<Option<N>> {
    let Some(text) = std::env::var(variable).ok().filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let what = || format!("{variable} is \"{text}\", which is not a number it can have");
    text.parse().map(Some).map_err(|error| Failure::caused(what(), &error))
}

fn bridge(mut arguments: impl Iterator<Item = String>) -> Result<PathBuf> {
    let path = match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => beside_this_program()?,
        (Some("--bridge"), Some(path)) if arguments.next().is_none() => PathBuf::from(path),
        _ => return Err(Failure::new("usage: erpbridge-demo [--bridge PATH]")),
    };
    if path.is_file() {
        return Ok(path);
    }
    Err(Failure::new(format!(
        "there is no bridge at \"{}\": build it with `cargo build --release`, or name it with \
         --bridge",
        path.display()
    )))
}

fn beside_this_program() -> Result<PathBuf> {
    let this = std::env::current_exe()
        .map_err(|error| Failure::caused("cannot find this program's own path", &error))?;
    Ok(this.with_file_name("erpbridge"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_postgres_demo_exists() {
        assert!(check_source(None).is_ok() && check_source(Some("postgres")).is_ok());
        let failure = check_source(Some("mysql")).unwrap_err().to_string();
        assert!(failure.contains("mysql") && failure.contains("set it to postgres"), "{failure}");
    }

    #[test]
    fn a_bridge_that_is_not_there_is_told_by_its_path() {
        let arguments = ["--bridge", "/nowhere/erpbridge"].map(str::to_owned);
        let failure = bridge(arguments.into_iter()).unwrap_err().to_string();
        assert!(failure.contains("/nowhere/erpbridge") && failure.contains("cargo build"));
        assert!(
            bridge(["--help".to_owned()].into_iter()).unwrap_err().to_string().contains("usage")
        );
    }
}
