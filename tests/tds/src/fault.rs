//! What can go wrong on command.

use std::time::Duration;

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It is answered with this error number.
    Raise(u32),
    /// The connection is closed without an answer.
    Drop,
    /// No answer comes until an attention or the end of the connection.
    Stall,
    /// The connection is closed after so many bytes of the answer.
    CutAfter(usize),
    /// So many bytes of the answer come, the others only after the pause.
    SplitAfter(usize, Duration),
    /// The answer comes late.
    Delay(Duration),
}

/// A fault that waits for the requests it is meant for.
#[derive(Clone, Debug)]
pub struct Fault {
    pub(crate) effect: Effect,
    pub(crate) on: String,
    pub(crate) skip: u64,
    pub(crate) times: u64,
}

impl Fault {
    /// The server's error of this number, in its own words: 208, 229, 313, 1205, 1222, 4060,
    /// 18456, 40501, 40613. At login only 4060, 18456 and the 40000s make sense. 1205 also rolls
    /// the session's transaction back.
    pub fn raise(number: u32) -> Self {
        Self::of(Effect::Raise(number))
    }

    /// The connection ends in place of the answer.
    pub fn drop_connection() -> Self {
        Self::of(Effect::Drop)
    }

    /// The answer never comes.
    pub fn stall() -> Self {
        Self::of(Effect::Stall)
    }

    /// The connection ends after so many bytes of the answer.
    pub fn cut_after(bytes: usize) -> Self {
        Self::of(Effect::CutAfter(bytes))
    }

    /// The answer comes in two parts with a pause between.
    pub fn split_after(bytes: usize, pause: Duration) -> Self {
        Self::of(Effect::SplitAfter(bytes, pause))
    }

    /// The answer comes late.
    pub fn delay(by: Duration) -> Self {
        Self::of(Effect::Delay(by))
    }

    /// Only for requests with this in their text, in any case. A login's text is `LOGIN <user>`; a
    /// fault is meant for logins only if this begins with that word.
    #[must_use]
    pub fn on(self, text: &str) -> Self {
        Self { on: text.to_lowercase(), ..self }
    }

    /// Spares the first so many requests.
    #[must_use]
    pub fn skip(self, requests: u64) -> Self {
        Self { skip: requests, ..self }
    }

    /// Hits so many requests; one if this is not said.
    #[must_use]
    pub fn times(self, requests: u64) -> Self {
        Self { times: requests, ..self }
    }

    /// Hits every request until [`TdsServer::heal`](crate::TdsServer::heal).
    #[must_use]
    pub fn always(self) -> Self {
        self.times(u64::MAX)
    }

    fn of(effect: Effect) -> Self {
        Self { effect, on: String::new(), skip: 0, times: 1 }
    }
}
