//! Writing a file of cases: tables and rows as `read` reads them.

use erpbridge_connector::{ReplicaIdentity, TableSchema};

use super::read::{IDENTITIES, KINDS};
use super::update::scalar;

/// The entry of a table under `tables:`.
pub fn table(schema: &TableSchema, out: &mut Vec<String>) {
    let kind = |column: &erpbridge_connector::Column| {
        let named = KINDS.iter().find(|(_, kind)| *kind == column.kind);
        format!("{}: {}", scalar(&column.name), named.map_or("other", |(name, _)| name))
    };
    let columns: Vec<String> = schema.columns.iter().map(kind).collect();
    let key = schema.primary_key.iter().filter_map(|place| schema.columns.get(*place));
    let key: Vec<String> = key.map(|column| scalar(&column.name)).collect();
    out.push(format!("  {}:", scalar(&schema.name.to_string())));
    wrapped("    columns: ", &columns, out);
    out.push(format!("    key: [{}]", key.join(", ")));
    if schema.identity != ReplicaIdentity::Full {
        let word = IDENTITIES.iter().find(|(_, identity)| *identity == schema.identity);
        out.push(format!("    identity: {}", word.map_or("key", |(word, _)| word)));
    }
}

/// The name of a table or column, in quotes where YAML needs them.
pub fn name(text: &str) -> String {
    scalar(text)
}

/// A row after `head`, which is what stands before its brace; NULLs are left out.
pub fn row(head: &str, schema: &TableSchema, row: &[Option<String>], out: &mut Vec<String>) {
    let cells = schema.columns.iter().zip(row).filter_map(|(column, cell)| {
        Some(format!("{}: {}", scalar(&column.name), quoted(cell.as_deref()?)))
    });
    wrapped(head, &cells.collect::<Vec<_>>(), out);
}

/// Digits stay digits to the eye; a text that YAML would take for something else is quoted.
fn quoted(text: &str) -> String {
    let number = text.strip_prefix('-').unwrap_or(text);
    let zeros = number.len() > 1 && number.starts_with('0') && !number.starts_with("0.");
    if zeros || text.is_empty() { format!("\"{text}\"") } else { scalar(text) }
}

/// `{ a: 1, b: 2 }` over as many lines as it takes.
fn wrapped(head: &str, entries: &[String], out: &mut Vec<String>) {
    const WIDTH: usize = 100;
    let indent = " ".repeat(head.chars().count() + 2);
    let mut line = format!("{head}{{ ");
    for (place, entry) in entries.iter().enumerate() {
        let last = place + 1 == entries.len();
        if line.chars().count() + entry.chars().count() + 3 > WIDTH && line.trim() != "{" {
            out.push(line.trim_end().to_owned());
            line.clone_from(&indent);
        }
        line.push_str(entry);
        line.push_str(if last { " " } else { ", " });
    }
    out.push(format!("{line}}}"));
}
