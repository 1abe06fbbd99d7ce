//! Pauses between attempts: they double up to a bound, and each is shortened by chance so that
//! many bridges do not return at the same moment.

use std::time::Duration;

use rand::Rng;

/// After this long without an error the next pause is the shortest again.
const HEALTHY: Duration = Duration::from_secs(30);

/// A growing pause.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// Pauses from `first` to `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first }
    }

    /// The pause before the next attempt: between half and the whole of the current step.
    pub fn pause(&mut self) -> Duration {
        let step = self.next;
        self.next = std::cmp::min(step * 2, self.longest);
        rand::rng().random_range(step / 2..=step)
    }

    /// Tells how long the last attempt ran; a healthy run starts the pauses anew.
    pub fn ran_for(&mut self, duration: Duration) {
        if duration >= HEALTHY {
            self.next = self.first;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_bound_and_start_anew_after_a_healthy_run() {
        let second = Duration::from_secs(1);
        let mut backoff = Backoff::new(second, 4 * second);
        let pauses: Vec<_> = (0..5).map(|_| backoff.pause()).collect();
        for (pause, step) in pauses.iter().zip([1, 2, 4, 4, 4]) {
            assert!(*pause >= step * second / 2 && *pause <= step * second, "{pauses:?}");
        }
        backoff.ran_for(HEALTHY);
        assert!(backoff.pause() <= second);
    }
}
