//! What an event's schema asks for of a mapping. Checking it here keeps an event that would break
//! the contract from being made at all.

use crate::canonical::EventDef;
pub(in crate::mapping) use crate::canonical::Form;

/// The form the schema asks of a text field.
pub(super) fn form(event: &EventDef, field: &str) -> Form {
    event.field(field).map_or(Form::Any, |def| def.form.clone())
}

/// Whether the event must say how things are now, so that it cannot be told of a deleted row.
pub(super) fn needs_after(event: &EventDef) -> bool {
    event.needs_after
}
