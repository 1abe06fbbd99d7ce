//! Which tables have been sent, and the position that says so.
//!
//! A table counts from the batch with its last rows on. Batches enter the queue one after the
//! other, so when the bridge has stored a batch, it has stored every row of the tables its
//! position names.

use erpbridge_connector::{Position, TablesDone};

use crate::position::{Identity, LogPosition, Reached};

/// Counts tables.
pub(crate) enum Tally {
    /// Nobody asks which: all rows carry the same position.
    Fixed(Position),
    /// Those of a snapshot at this place of this log.
    Counted(Reached, Identity, TablesDone),
}

impl Tally {
    pub(crate) const fn fixed(position: Position) -> Self {
        Self::Fixed(position)
    }

    /// Goes on where an earlier start came to, if that was about the same list of tables.
    pub(super) fn counted(
        at: Reached,
        identity: Identity,
        none: TablesDone,
        before: Option<&TablesDone>,
    ) -> Self {
        let known = before.filter(|before| before.same_list(&none));
        if known.is_none() && before.is_some() {
            tracing::warn!(
                "the tables to read are not those of the last start; reading all of them"
            );
        }
        Self::Counted(at, identity, known.cloned().unwrap_or(none))
    }

    /// Whether the table at this place of the list need not be read.
    pub(super) fn has_read(&self, place: usize) -> bool {
        matches!(self, Self::Counted(_, _, done) if done.contains(place))
    }

    /// The table at this place of the list has been read to its end.
    pub(crate) fn complete(&mut self, place: usize) {
        if let Self::Counted(_, _, done) = self {
            done.insert(place);
        }
    }

    /// Where to resume.
    pub(crate) fn position(&self) -> Position {
        match self {
            Self::Fixed(position) => position.clone(),
            Self::Counted(at, identity, done) => {
                LogPosition::snapshot(Some(at.clone()), Some(done.clone()), *identity).to_position()
            }
        }
    }
}
