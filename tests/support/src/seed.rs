//! The seed of a random test: printed when the test fails, replayed by `ERPBRIDGE_SEED`.

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::{Failure, Result};

/// The environment variable that replays a run.
const VARIABLE: &str = "ERPBRIDGE_SEED";

/// A seed that tells itself if the test that holds it panics.
#[derive(Debug)]
pub struct Seed {
    number: u64,
}

impl Seed {
    /// The seed in `ERPBRIDGE_SEED`, or a new one.
    pub fn take() -> Result<Self> {
        match std::env::var(VARIABLE) {
            Ok(text) => Self::parse(&text),
            Err(_) => Ok(Self { number: rand::random() }),
        }
    }

    /// Its number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The generator it stands for.
    pub fn rng(&self) -> StdRng {
        StdRng::seed_from_u64(self.number)
    }

    fn parse(text: &str) -> Result<Self> {
        let number = text.trim().parse();
        let number = number
            .map_err(|error| Failure::caused(format_args!("{VARIABLE} is \"{text}\""), &error))?;
        Ok(Self { number })
    }
}

impl Drop for Seed {
    #[expect(clippy::print_stderr, reason = "the test's output is where a person looks")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("replay with {VARIABLE}={}", self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let (one, two) = (Seed::parse("7").unwrap(), Seed::parse(" 7\n").unwrap());
        assert_eq!(one.rng().random::<u64>(), two.rng().random::<u64>());
    }

    #[test]
    fn a_seed_that_is_no_number_is_refused() {
        assert!(Seed::parse("seven").unwrap_err().to_string().contains("\"seven\""));
    }
}
