//! The canonical event model: what downstream services rely on (see `docs/events.md`).
//!
//! [`catalog()`] tells which events exist, read from the JSON Schemas under `mappings/events`.
//! [`write_event`] puts one event into an [`EventBatch`], a single block of bytes, without an
//! allocation of its own. [`subject`] makes subjects, the envelope makes header values.

mod asyncapi;
mod batch;
mod catalog;
mod codes;
mod currencies;
mod envelope;
mod event;
mod fields;
mod form;
mod json;
mod schema;
pub mod subject;
#[cfg(test)]
mod tests;
mod units;

pub use asyncapi::asyncapi;
pub use batch::{EventBatch, EventBuilder, FrozenBatch, Mark, Message, Settled, header};
pub use catalog::{Axis, Catalog, EventDef, FieldDef, FieldKind, catalog};
pub use currencies::{is_currency, minor_units};
pub use envelope::{Precision, instant, parse_sequence};
pub use event::{EventFacts, EventTemplate, LATE, Late, REKEYED, Transition, write_event};
pub use fields::{FieldWriter, ListWriter};
pub use form::Form;
pub use units::{is_unit, usual_unit};
