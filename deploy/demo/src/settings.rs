//! What can be asked of the demo: by environment, so that `make demo` passes it on.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use erpbridge_test_support::{Failure, Result, Seed};

use crate::database::Source;
use crate::simulate::Pace;

/// The bridge is killed after this long if the demo has no end of its own.
const KILL_AFTER: Duration = Duration::from_secs(20);

/// One run of the demo.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The ERP's database (`DEMO_SOURCE`).
    pub source: Source,
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
        let source = source(std::env::var("DEMO_SOURCE").ok().as_deref())?;
        let seconds = number::<u64>("DEMO_SECONDS")?;
        if seconds.is_some_and(|seconds| seconds < 4) {
            return Err(Failure::new("DEMO_SECONDS is too short: give it at least 4"));
        }
        let (people, rate) = (number("DEMO_PEOPLE")?, number("DEMO_RATE")?);
        Ok(Self {
            source,
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

fn source(text: Option<&str>) -> Result<Source> {
    text.filter(|text| !text.is_empty()).map_or(Ok(Source::default()), str::parse)
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
    fn without_a_word_the_erp_lives_in_postgres() {
        assert_eq!(source(None).unwrap(), Source::Postgres);
        assert_eq!(source(Some("")).unwrap(), Source::Postgres);
        assert_eq!(source(Some("mariadb")).unwrap(), Source::MariaDb);
        assert!(source(Some("oracle")).is_err());
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
