//! What people see: announcements, a readable sample of the events, and a count per second.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{IsTerminal, Write, stdout};
use std::sync::{Mutex, PoisonError};

use crate::event_line::EventLine;

/// How many events are shown in a second, and how many of them of one kind; the others are
/// counted.
const SHOWN: usize = 10;
const SHOWN_OF_A_KIND: usize = 2;
/// How many kinds of event the count names.
const NAMED: usize = 4;

/// Under the subject.
const INDENT: &str = "                         ";

const DIM: &str = "2";
const BOLD: &str = "1";
const GREEN: &str = "32";
const CYAN: &str = "36";
const RED: &str = "1;31";

/// The terminal, or a file. Lines of several tasks do not mix.
#[derive(Debug)]
pub struct Screen {
    colours: bool,
    second: Mutex<Second>,
}

/// What arrived since the last count.
#[derive(Debug, Default)]
struct Second {
    kinds: BTreeMap<String, usize>,
    lags: Vec<i64>,
    shown: usize,
    snapshot: usize,
}

impl Default for Screen {
    fn default() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { colours: wanted && stdout().is_terminal(), second: Mutex::default() }
    }
}

impl Screen {
    /// A plain line.
    pub fn say(&self, text: impl Display) {
        Self::put(&text.to_string());
    }

    /// A line nobody shall miss.
    pub fn announce(&self, text: impl Display) {
        Self::put("");
        Self::put(&self.paint(RED, &format!("==== {text}")));
        Self::put("");
    }

    /// An event: shown if this second has room, counted in any case.
    pub(crate) fn event(&self, line: &EventLine) {
        if self.second().admit(line) {
            Self::put(&self.columns(line));
        }
    }

    /// An event about what was there before the bridge came.
    pub(crate) fn snapshot(&self) {
        self.second().snapshot += 1;
    }

    /// The end of a second: what was not shown is told in one line.
    pub(crate) fn tick(&self) {
        let second = std::mem::take(&mut *self.second());
        if second.snapshot > 0 {
            let text = format!("{INDENT}{} events tell what was there before", second.snapshot);
            Self::put(&self.paint(DIM, &text));
        }
        if second.lags.len() > second.shown {
            Self::put(&self.paint(DIM, &second.count()));
        }
    }

    fn columns(&self, line: &EventLine) -> String {
        let EventLine { time, lag, subject, entity, summary } = line;
        let (time, lag) = (self.paint(DIM, time), self.paint(GREEN, &format!("{lag:>6} ms")));
        let subject = self.paint(CYAN, &format!("{subject:<69}"));
        let entity = self.paint(BOLD, &format!("{entity:<14}"));
        format!("{time} {lag}  {subject} {entity} {summary}").trim_end().to_owned()
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colours { format!("\u{1b}[{colour}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn second(&self) -> std::sync::MutexGuard<'_, Second> {
        self.second.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(text: &str) {
        // A reader that went away (`| head`) is no reason to fail.
        drop(writeln!(stdout().lock(), "{text}"));
    }
}

impl Second {
    /// Counts an event; true if it shall be shown.
    fn admit(&mut self, line: &EventLine) -> bool {
        let of_its_kind = self.kinds.entry(line.kind().to_owned()).or_default();
        *of_its_kind += 1;
        self.lags.push(line.lag);
        let shown = *of_its_kind <= SHOWN_OF_A_KIND && self.shown < SHOWN;
        self.shown += usize::from(shown);
        shown
    }

    /// `… and 201 more events: 90 purchaseorderline.added, …; lag median 4 ms, longest 12 ms`
    fn count(mut self) -> String {
        self.lags.sort_unstable();
        let median = self.lags.get(self.lags.len() / 2).copied().unwrap_or_default();
        let longest = self.lags.last().copied().unwrap_or_default();
        let more = self.lags.len().saturating_sub(self.shown);
        let mut kinds: Vec<(String, usize)> = self.kinds.into_iter().collect();
        kinds.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let named: Vec<String> =
            kinds.iter().take(NAMED).map(|(kind, count)| format!("{count} {kind}")).collect();
        let rest = if kinds.len() > NAMED { ", …" } else { "" };
        format!(
            "{INDENT}… and {more} more; in this second {}{rest}; \
             lag median {median} ms, longest {longest} ms",
            named.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(lag: i64) -> EventLine {
        EventLine {
            time: "10:12:44.125".to_owned(),
            lag,
            subject: "erp.legacy.demo1.p10.procurement.purchaseorder.released".to_owned(),
            entity: "PO450001".to_owned(),
            summary: "draft → released".to_owned(),
        }
    }

    #[test]
    fn without_a_terminal_a_line_is_plain_text_in_columns() {
        let screen = Screen { colours: false, second: Mutex::default() };
        let text = screen.columns(&line(12));
        assert!(text.starts_with("10:12:44.125     12 ms  erp.legacy.demo1.p10."), "{text}");
        assert!(text.ends_with(" PO450001       draft → released"), "{text}");
    }

    #[test]
    fn a_busy_second_shows_a_few_of_a_kind_and_counts_the_rest_with_its_lag() {
        let mut second = Second::default();
        let shown = (1..=101).rev().filter(|lag| second.admit(&line(*lag))).count();
        assert_eq!(shown, SHOWN_OF_A_KIND);
        let text = second.count();
        assert!(text.contains("99 more; in this second 101 purchaseorder.released;"), "{text}");
        assert!(text.ends_with("lag median 51 ms, longest 101 ms"), "{text}");
    }
}
