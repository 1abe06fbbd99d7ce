//! Codecs: from the text of a cell to the text of a canonical field.
//!
//! Each is a pure function of text. Where the cell already holds what is wanted, the result
//! borrows it; otherwise it is written into a scratch text that lives as long as the row, so that
//! a row costs at most one allocation. `None` means: this text is not what the codec reads.

mod date;
mod decimal;
mod instant;
mod number;

pub(crate) use date::{DateFormat, date};
pub(crate) use decimal::{decimal, float, implied};
pub(crate) use instant::{Zone, instant};
pub(crate) use number::integer;
