//! What a rule can see of a row at one moment: the row itself, and the rows looked up from it.

use erpbridge_connector::Value;
use smallvec::SmallVec;

use super::desk::Desk;
use crate::mapping::bind::Origin;
use crate::mapping::kept::KeptRow;
use crate::mapping::net::NetImage;

/// A row at one moment.
#[derive(Clone, Copy)]
pub(in crate::mapping) struct Sight<'v> {
    /// The row itself.
    pub row: Ground<'v>,
    /// The rows looked up from it, by slot.
    pub looked: &'v [Looked],
    /// Whose it is, once that is known.
    pub company: Option<&'v str>,
    /// Where texts are put together.
    pub desk: &'v Desk,
}

/// Where the row's own cells come from.
#[derive(Clone, Copy)]
pub(in crate::mapping) enum Ground<'v> {
    /// The log.
    Net(&'v NetImage<'v>),
    /// Memory, with so many cells.
    Kept(&'v KeptRow, usize),
}

/// What became of a lookup.
#[derive(Clone, Debug, Default)]
pub(in crate::mapping) enum Looked {
    /// Nobody asked yet, or the log does not say where it leads.
    #[default]
    Unasked,
    /// It leads nowhere.
    Nowhere,
    /// The row.
    Row(KeptRow),
}

/// The lookups of a row; few rows have more than eight.
pub(in crate::mapping) type LookedRows = SmallVec<[Looked; 8]>;

impl<'v> Sight<'v> {
    /// The cell as it is stored.
    pub(in crate::mapping) fn raw(&self, origin: Origin) -> Value<'v> {
        match origin {
            Origin::Own(place) => match self.row {
                Ground::Net(image) => image.get(place),
                Ground::Kept(row, count) => row.get(place, count),
            },
            Origin::Looked { slot, place, count } => match self.looked.get(slot) {
                Some(Looked::Row(row)) => row.get(place, count),
                Some(Looked::Nowhere) => Value::Null,
                Some(Looked::Unasked) | None => Value::Absent,
            },
        }
    }
}
