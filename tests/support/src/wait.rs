//! Waiting for a state with a deadline, in place of sleeping and hoping.
//!
//! The condition is asked again and again (the level), never waited for as a change (the edge):
//! what became true before the wait began counts too.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::{Failure, Result};

const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Asks `condition` until it is true; fails with `what` after `deadline`.
pub async fn wait_until(
    what: &str,
    deadline: Duration,
    mut condition: impl AsyncFnMut() -> bool,
) -> Result<()> {
    wait_for(what, deadline, async || condition().await.then_some(())).await
}

/// Asks `condition` until it gives a value; fails with `what` after `deadline`.
pub async fn wait_for<T>(
    what: &str,
    deadline: Duration,
    mut condition: impl AsyncFnMut() -> Option<T>,
) -> Result<T> {
    let end = Instant::now() + deadline;
    let mut pause = FIRST_PAUSE;
    loop {
        // A question still open at the deadline is dropped; it only read.
        match timeout_at(end, condition()).await {
            Ok(Some(value)) => return Ok(value),
            Ok(None) if Instant::now() < end => sleep(pause).await,
            Ok(None) | Err(_) => {
                return Err(Failure::new(format!("{what}: not within {deadline:?}")));
            }
        }
        pause = std::cmp::min(pause * 2, LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_already_true_is_not_waited_for() {
        wait_until("nothing", Duration::ZERO, async || true).await.unwrap();
    }

    #[tokio::test]
    async fn a_condition_that_never_comes_fails_with_its_name() {
        let failure = wait_until("the sky falls", Duration::from_millis(5), async || false)
            .await
            .unwrap_err();
        assert!(failure.to_string().starts_with("the sky falls: not within"));
    }

    #[tokio::test]
    async fn a_question_that_hangs_ends_at_the_deadline() {
        let hang = async || std::future::pending::<bool>().await;
        assert!(wait_until("an answer", Duration::from_millis(5), hang).await.is_err());
    }
}
