//! What a code table can give, against what its field may have.

use super::codes::CodeTable;
use super::names::one_of;
use crate::canonical::Form;
use crate::document::{Findings, Place};

/// One of these states.
pub(super) fn one_state(states: &[String]) -> Form {
    Form::OneOf(states.iter().map(|state| state.as_str().into()).collect())
}

/// Every value a code table can give must be one the field may have.
pub(super) fn check_targets(table: &CodeTable, form: &Form, used: &Place, findings: &mut Findings) {
    for (value, place) in table.targets().filter(|(value, _)| !form.admits(value)) {
        let problem = format!("`{value}` is not {}", form.describe());
        let states: Vec<&str> = match form {
            Form::OneOf(states) => states.iter().map(|state| &**state).collect(),
            _ => Vec::new(),
        };
        let mend = match states.as_slice() {
            [] => {
                let meant = form.meant(value).map(|meant| format!("did you mean `{meant}`? "));
                let (name, line) = (&table.name, used.line);
                format!(
                    "{}code table `{name}` is used for it on line {line}",
                    meant.unwrap_or_default()
                )
            }
            states => one_of(states, value),
        };
        findings.error(place, problem, mend);
    }
    if table.passes() && matches!(form, Form::OneOf(_)) {
        let problem =
            format!("code table `{}` passes unknown codes, which fit no state", table.name);
        findings.error(used, problem, "give its `\"*\"` a state, or `dead_letter`");
    }
}
