//! Codecs: from the text of a cell to the text of a canonical field.
//!
//! Each is a pure function of text. Where the cell already holds what is wanted, the result
//! borrows it; otherwise it is written into a scratch text that lives as long as the row, so that
//! a row costs at most one allocation. `None` means: this text is not what the codec reads. No
//! number passes through a binary one, and no text makes a codec panic.

mod charset;
mod convert;
mod date;
mod decimal;
mod duration;
mod instant;
mod number;
mod pseudonym;
mod text;
mod time_of_day;
mod zone;

pub(crate) use charset::{Charset, CodePage};
pub(crate) use convert::{divide, multiply};
pub(crate) use date::{DateFormat, date};
pub(crate) use decimal::{absolute, decimal, float, implied, negate, places};
pub(crate) use duration::{DurationUnit, duration};
pub(crate) use instant::{instant_in, is_instant, moment};
pub(crate) use number::{compare, integer, is_canonical};
pub use pseudonym::Pseudonym;
pub(crate) use text::{lower, pad, strip_zeros, upper};
pub(crate) use time_of_day::{TimeFormat, TimeOfDay, time_of_day};
pub(crate) use zone::{Gap, LocalTimeError, LocalZone, Overlap, Zone};
