//! Looking at a live database for whoever writes a mapping: does it fit, what would come of it, a
//! case of it to send to somebody else, and a first mapping to begin with.
//!
//! ```text
//! explorer (read only) → Site: tables, samples, the rows they look up → check | preview | record
//! ```
//!
//! Nothing is published, stored or confirmed here, and the log is not touched. Rows go the way of
//! production, remembered, folded and mapped by the same code, so that what is shown is what will
//! be. They are of now, each question for itself, so a row that is deleted meanwhile may be missed;
//! in production they are of one transaction.

mod asked;
mod batch;
mod check;
pub mod init;
mod mask;
mod preview;
mod record;
mod site;

pub use check::check;
pub use preview::{As, Preview, preview};
pub use record::{Masked, Recording, Shown, record};
pub use site::Site;
