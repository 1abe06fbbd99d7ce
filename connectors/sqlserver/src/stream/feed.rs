//! The changes of one instance in one range, page by page, with the halves of updates together.

use std::collections::VecDeque;

use erpbridge_connector::{SourceError, SourceErrorKind};

use crate::change_tables::{Change, ChangePlace, Range, changes};
use crate::position::Lsn;
use crate::relations::Captured;
use crate::sequence::{Ordinals, distance};
use crate::session::Session;

/// The rows of the first page, whose weight nobody knows yet.
const FIRST_PAGE: usize = 200;
/// The rows of any page at most.
const LARGEST_PAGE: usize = 10_000;

const DELETE: i64 = 1;
const INSERT: i64 = 2;
const BEFORE: i64 = 3;
const AFTER: i64 = 4;

/// A row change with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The commit.
    pub lsn: Lsn,
    /// Its place in the transaction.
    pub ordinal: u64,
    /// What happened.
    pub images: Images,
}

/// What happened to a row, and how it was and is.
#[derive(Clone, Debug, PartialEq)]
pub enum Images {
    /// It is new.
    Insert(Change),
    /// It was, where that is told, and is.
    Update(Option<Change>, Change),
    /// It was.
    Delete(Change),
}

/// One instance in one range.
pub struct Feed {
    captured: Captured,
    range: Range,
    buffer: VecDeque<Change>,
    /// The last change read from the server.
    behind: Option<ChangePlace>,
    ended: bool,
    page_bytes: usize,
    page_rows: usize,
    ordinals: Ordinals,
    next: Option<Entry>,
}

impl Feed {
    /// Nothing is read yet.
    pub fn new(captured: Captured, range: Range) -> Self {
        Self {
            captured,
            range,
            buffer: VecDeque::new(),
            behind: None,
            ended: false,
            page_bytes: 1 << 20,
            page_rows: FIRST_PAGE,
            ordinals: Ordinals::default(),
            next: None,
        }
    }

    /// The instance.
    pub fn captured(&self) -> &Captured {
        &self.captured
    }

    /// The range.
    #[cfg(test)]
    pub(super) fn range(&self) -> Range {
        self.range
    }

    /// Takes these as if they were part of a page.
    #[cfg(test)]
    pub(super) fn push(&mut self, changes: Vec<Change>) {
        self.buffer.extend(changes);
    }

    /// Its changes are whole as long as they begin here or earlier.
    pub fn floor(&self) -> Lsn {
        self.range.after.next()
    }

    /// About how much a page shall weigh.
    pub fn page_of(&mut self, bytes: usize) {
        self.page_bytes = bytes;
    }

    /// Whether more must be read before the next entry is known.
    pub fn wants_page(&self) -> bool {
        let half = self.buffer.front().is_some_and(|change| change.place.operation == BEFORE);
        !self.ended && self.buffer.len() < 1 + usize::from(half)
    }

    /// Reads pages until an entry is whole.
    pub async fn fill(&mut self, session: &mut Session) -> Result<(), SourceError> {
        while self.wants_page() {
            let Captured { instance, shape, .. } = &self.captured;
            let most = self.page_rows;
            let page = changes(session, (instance, shape), self.range, self.behind, most).await?;
            self.take_page(page, most);
        }
        Ok(())
    }

    fn take_page(&mut self, page: Vec<Change>, most: usize) {
        self.ended = page.len() < most;
        self.behind = page.last().map(|change| change.place).or(self.behind);
        let weight: usize = page.iter().map(Change::weight).sum();
        if !page.is_empty() {
            let each = std::cmp::max(weight / page.len(), 1);
            self.page_rows = (self.page_bytes / each).clamp(1, LARGEST_PAGE);
        }
        self.buffer.extend(page);
    }

    /// Makes the next entry of what is buffered and says where it stands; `begin` knows where
    /// transactions began.
    pub fn prepare(
        &mut self,
        begin: impl Fn(Lsn) -> Lsn,
    ) -> Result<Option<(Lsn, u64)>, SourceError> {
        let Some(first) = self.buffer.pop_front() else { return Ok(None) };
        let ChangePlace { lsn, record, operation, .. } = first.place;
        let images = match operation {
            DELETE => Images::Delete(first),
            INSERT => Images::Insert(first),
            AFTER => Images::Update(None, first),
            BEFORE => match self.buffer.pop_front() {
                Some(after) if belong_together(&first, &after) => {
                    Images::Update(Some(first), after)
                }
                _ => return Err(self.disorder("the second half of an update is missing")),
            },
            _ => return Err(self.disorder("an operation that does not exist")),
        };
        let ordinal = self.ordinals.next(lsn, distance(begin(lsn), record));
        self.next = Some(Entry { lsn, ordinal, images });
        Ok(Some((lsn, ordinal)))
    }

    /// Hands over the entry that was prepared.
    pub fn take(&mut self) -> Option<Entry> {
        self.next.take()
    }

    fn disorder(&self, what: &str) -> SourceError {
        let message = format!(
            "the changes of instance `{}` are out of order: {what}",
            self.captured.instance.name
        );
        SourceError::new(SourceErrorKind::Decode, message)
    }
}

fn belong_together(before: &Change, after: &Change) -> bool {
    let (one, other) = (before.place, after.place);
    other.operation == AFTER && (one.lsn, one.record) == (other.lsn, other.record)
}
