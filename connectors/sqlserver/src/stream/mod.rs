//! A window of the log: the changes of some whole transactions, from many change tables in one
//! order.
//!
//! ```text
//! change table ── pages ──▶ Feed ─┐
//! change table ── pages ──▶ Feed ─┼─ by (commit, ordinal) ──▶ Entry, Entry, …
//! change table ── pages ──▶ Feed ─┘
//! ```
//!
//! A window covers whole transactions, so its two ends are commits. Inside, each table is read in
//! pages by the whole of its index, and a page may end anywhere; of a transaction with a million
//! rows no more is held than a page of each table. No answer is under way between two pages, so a
//! bridge that does not take more keeps nothing busy at the server.
//!
//! **After every round of pages the low-water marks are read**, never before: a cleanup that ran
//! while a page was read would otherwise take rows of it away unseen.

mod feed;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use erpbridge_connector::{SourceError, SourceErrorKind};

use crate::catalog::Instance;
use crate::change_tables::{Commit, Range, changed, low_water_marks};
use crate::position::Lsn;
use crate::relations::{BEGIN_ANEW, Captured, Followed};
use crate::session::Session;

pub use feed::{Entry, Feed, Images};

/// The pages of all tables together weigh about this much.
const PAGES_BYTES: usize = 16 << 20;

/// With so few tables each is simply read; with more the server is first asked which have changed.
const FEW: usize = 4;

/// Where an instance must begin, at the latest.
struct Floor {
    id: i64,
    name: String,
    lsn: Lsn,
}

/// The changes between two commits.
pub struct Window {
    commits: Vec<Commit>,
    feeds: Vec<Feed>,
    /// What must still be there when a page has been read, also of the instances that have no
    /// change here: they might have none because it is gone.
    floors: Vec<Floor>,
    /// The next entry of each feed that has one.
    heads: BinaryHeap<Reverse<(Lsn, u64, usize)>>,
}

impl Window {
    /// Opens the window over these commits, of which there is at least one, behind `after`.
    pub async fn open(
        session: &mut Session,
        tables: &[Followed],
        after: Lsn,
        commits: Vec<Commit>,
    ) -> Result<Self, SourceError> {
        let up_to = commits.last().map_or(after, |last| last.lsn);
        let range = Range { after, up_to };
        let feeds: Vec<Feed> = tables.iter().flat_map(|table| parts(table, range)).collect();
        let floors = feeds.iter().map(floor).collect();
        let feeds = only_changed(session, feeds, range).await?;
        let mut window = Self { commits, feeds, floors, heads: BinaryHeap::new() };
        window.fill_all(session).await?;
        Ok(window)
    }

    /// Where it ends.
    pub fn end(&self) -> Option<&Commit> {
        self.commits.last()
    }

    /// The next row change with what it belongs to; none at the end of the window.
    pub async fn next(
        &mut self,
        session: &mut Session,
    ) -> Result<Option<(&Commit, &Captured, Entry)>, SourceError> {
        let Some(Reverse((_, _, place))) = self.heads.pop() else { return Ok(None) };
        let Some(feed) = self.feeds.get_mut(place) else { return Ok(None) };
        let entry = feed.take();
        if feed.wants_page() {
            feed.fill(session).await?;
            self.nothing_was_cleaned_up(session).await?;
        }
        self.advance(place)?;
        let Some(entry) = entry else { return Ok(None) };
        let captured = self.feeds.get(place).map(Feed::captured);
        Ok(commit_of(&self.commits, entry.lsn).zip(captured).map(|(commit, c)| (commit, c, entry)))
    }

    async fn fill_all(&mut self, session: &mut Session) -> Result<(), SourceError> {
        let page = PAGES_BYTES / std::cmp::max(self.feeds.len(), 1);
        for feed in &mut self.feeds {
            feed.page_of(page);
            feed.fill(session).await?;
        }
        if !self.floors.is_empty() {
            self.nothing_was_cleaned_up(session).await?;
        }
        (0..self.feeds.len()).try_for_each(|place| self.advance(place))
    }

    /// Puts the feed's next entry among the heads.
    fn advance(&mut self, place: usize) -> Result<(), SourceError> {
        let Some(feed) = self.feeds.get_mut(place) else { return Ok(()) };
        let begin = |lsn| commit_of(&self.commits, lsn).map_or(Lsn::ZERO, |commit| commit.begin);
        if let Some((lsn, ordinal)) = feed.prepare(begin)? {
            self.heads.push(Reverse((lsn, ordinal, place)));
        }
        Ok(())
    }

    async fn nothing_was_cleaned_up(&self, session: &mut Session) -> Result<(), SourceError> {
        let marks = low_water_marks(session).await?;
        self.floors.iter().try_for_each(|floor| {
            let mark = marks.get(&floor.id).copied();
            if mark.is_some_and(|mark| mark <= floor.lsn) { Ok(()) } else { Err(lost(&floor.name)) }
        })
    }
}

/// The entry of a commit. A change without one, which should not be, takes the time of the next.
fn commit_of(commits: &[Commit], lsn: Lsn) -> Option<&Commit> {
    commits.get(commits.partition_point(|commit| commit.lsn < lsn)).or(commits.last())
}

/// What each instance of a table has to give to the range: the younger one from its begin on, the
/// older one before that.
fn parts(table: &Followed, range: Range) -> Vec<Feed> {
    let mut up_to = range.up_to;
    let mut feeds = Vec::new();
    for captured in table.instances.iter().rev() {
        let start = captured.start;
        if start > up_to {
            continue;
        }
        let after = std::cmp::max(range.after, start.previous());
        feeds.push(Feed::new(captured.clone(), Range { after, up_to }));
        if after == range.after {
            break;
        }
        up_to = after;
    }
    feeds.reverse();
    feeds
}

async fn only_changed(
    session: &mut Session,
    feeds: Vec<Feed>,
    range: Range,
) -> Result<Vec<Feed>, SourceError> {
    if feeds.len() <= FEW {
        return Ok(feeds);
    }
    let instances: Vec<_> = feeds.iter().map(|feed| &feed.captured().instance).collect();
    let changed = changed(session, &instances, range).await?;
    let feeds = feeds.into_iter().enumerate();
    Ok(feeds.filter(|(place, _)| changed.binary_search(place).is_ok()).map(|(_, f)| f).collect())
}

fn floor(feed: &Feed) -> Floor {
    let Instance { id, name, .. } = &feed.captured().instance;
    Floor { id: *id, name: name.clone(), lsn: feed.floor() }
}

fn lost(instance: &str) -> SourceError {
    let message =
        format!("the changes of instance `{instance}` were cleaned up while they were being read");
    SourceError::new(SourceErrorKind::PositionLost, message).with_hint(BEGIN_ANEW)
}

#[cfg(test)]
mod tests;
