//! What has been sent of the tables, and the position that says so.
//!
//! A table counts from the batch with its last rows on, a part of it from the batch with the last
//! rows of its chunk on. Batches enter the queue one after the other, so when the bridge has stored
//! a batch, it has stored every row that its position says has been read.

use erpbridge_connector::Position;

use crate::position::{Identity, Lsn, Places, Witness};
use crate::read_so_far::ReadSoFar;

/// Counts tables, and how far they have been read.
pub(crate) enum Tally {
    /// Nobody asks which: all rows carry the same position.
    Fixed(Position),
    /// Those of a snapshot at this place of this log.
    Counted(Lsn, Witness, Identity, ReadSoFar),
}

/// How far one table has been read with a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Advance {
    /// Nobody can say: rows of the same chunk follow.
    Within,
    /// Up to this key, of the table with this fingerprint.
    Behind(u64, Vec<String>),
    /// To its end: the table at this place of the list, with this fingerprint.
    Complete(usize, u64),
}

impl Tally {
    pub(crate) const fn fixed(position: Position) -> Self {
        Self::Fixed(position)
    }

    /// Goes on where an earlier start came to.
    pub(super) fn counted(at: Lsn, witness: Witness, identity: Identity, read: ReadSoFar) -> Self {
        Self::Counted(at, witness, identity, read)
    }

    /// Whether the table at this place of the list need not be read.
    pub(super) fn has_read(&self, place: usize) -> bool {
        self.read().and_then(|read| read.tables.as_ref()).is_some_and(|done| done.contains(place))
    }

    /// The key behind which a table is still to be read, if it has been begun.
    pub(super) fn behind(&self, table: u64) -> Option<&[String]> {
        self.read()?.parts.behind(table)
    }

    const fn read(&self) -> Option<&ReadSoFar> {
        match self {
            Self::Fixed(_) => None,
            Self::Counted(_, _, _, read) => Some(read),
        }
    }

    /// A table has been read so far.
    pub(crate) fn advance(&mut self, advance: Advance) {
        let Self::Counted(_, _, _, read) = self else { return };
        match advance {
            Advance::Within => {}
            Advance::Behind(table, key) => read.parts.reach(table, key),
            Advance::Complete(place, table) => {
                read.parts.complete(table);
                if let Some(done) = &mut read.tables {
                    done.insert(place);
                }
            }
        }
    }

    /// Where to resume.
    pub(crate) fn position(&self) -> Position {
        match self {
            Self::Fixed(position) => position.clone(),
            Self::Counted(at, witness, identity, read) => {
                Places::Unfinished(*identity, read.clone()).at(*at, *witness).to_position()
            }
        }
    }
}
