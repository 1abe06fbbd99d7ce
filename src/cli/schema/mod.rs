//! `erpbridge schema`: prints what the bridge promises, for editors and code generators.

mod config;
mod mapping;

use std::io::Write;

use clap::Subcommand;
use serde_json::Value;

use super::{CommandError, Outcome};
use crate::canonical::{asyncapi, catalog};
use crate::document::similar;

#[derive(Debug, Subcommand)]
pub(super) enum SchemaCommand {
    /// The JSON Schemas of the events: all as an array, or the one of an entity or event.
    Events {
        /// `procurement.purchaseorder`, or `procurement.purchaseorder.released`.
        name: Option<String>,
    },
    /// The events as an `AsyncAPI` 3.0 document.
    Asyncapi,
    /// The JSON Schema of the configuration file.
    Config,
    /// The JSON Schema of mapping files and overlays, for completion in an editor.
    Mapping,
    /// The JSON Schema of files of cases.
    Cases,
}

pub(super) fn run(command: &SchemaCommand) -> Result<Outcome, CommandError> {
    let text = match command {
        SchemaCommand::Events { name: None } => all_events(),
        SchemaCommand::Events { name: Some(name) } => one_event(name)?.to_owned(),
        SchemaCommand::Asyncapi => pretty(&asyncapi()),
        SchemaCommand::Config => pretty(&config::schema()),
        SchemaCommand::Mapping => pretty(&mapping::mapping()),
        SchemaCommand::Cases => pretty(&mapping::cases()),
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(Outcome::Done)
}

/// The schemas as they are released, to the byte: what was reviewed is what is printed.
fn all_events() -> String {
    let texts: Vec<&str> = catalog().schema_files().map(|(_, text)| text.trim_end()).collect();
    format!("[\n{}\n]\n", texts.join(",\n"))
}

fn one_event(name: &str) -> Result<&'static str, CommandError> {
    let of_event = catalog().schema_text(name);
    let of_entity = || catalog().schema_files().find(|(file, _)| entity(file) == name);
    of_event.or_else(|| Some(of_entity()?.1)).ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> CommandError {
    let entities = catalog().schema_files().map(|(file, _)| entity(file));
    let known = catalog().names().chain(entities);
    let mend = match similar(name, known) {
        Some(meant) => format!("did you mean \"{meant}\"?"),
        None => "docs/events.md lists them".to_owned(),
    };
    CommandError(format!("there is no event or entity \"{name}\"\n  {mend}"))
}

fn entity(file: &str) -> &str {
    file.split(".v1.").next().unwrap_or(file)
}

fn pretty(document: &Value) -> String {
    format!("{document:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_events_are_one_json_array_of_the_schemas() {
        let all: Vec<Value> = serde_json::from_str(&all_events()).unwrap();
        assert_eq!(all.len(), catalog().schema_files().count());
    }

    #[test]
    fn a_schema_is_found_by_event_and_by_entity() {
        let by_event = one_event("procurement.purchaseorder.released").unwrap();
        assert_eq!(by_event, one_event("procurement.purchaseorder").unwrap());
    }

    #[test]
    fn a_name_that_is_almost_right_gets_a_suggestion() {
        let error = one_event("procurement.purchaseorder.relased").unwrap_err().to_string();
        assert!(error.contains("did you mean \"procurement.purchaseorder.released\"?"), "{error}");
    }
}
