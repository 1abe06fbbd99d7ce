//! `erpbridge map init`: a first mapping and a first case for some tables.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use erpbridge_connector::{Explored, Sample, TableName};

use super::{CommandError, Live, MaybeLive, Outcome, site};
use crate::bridge::make_explorer;
use crate::document::similar;
use crate::survey::init::{Sketch, Start, columns, entities, propose};

/// So many rows are looked at to see which codes there are.
const ROWS: usize = 500;

#[derive(Debug, Args)]
pub(in crate::cli) struct Init {
    /// The directory of the mapping; its name becomes the mapping's.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// A table, as `schema.table`; may be given several times.
    #[arg(long = "table", required = true, value_name = "TABLE")]
    tables: Vec<String>,
    #[command(flatten)]
    live: MaybeLive,
    /// The columns of the table, where there is no database: "id int key, no varchar(20)".
    #[arg(
        long,
        conflicts_with = "source",
        required_unless_present = "source",
        value_name = "LIST"
    )]
    columns: Option<String>,
    /// What the rows are, as `family.entity`, where the name of the table does not say it.
    #[arg(long, value_name = "ENTITY")]
    entity: Option<String>,
}

pub(super) async fn run(command: &Init) -> Result<Outcome, CommandError> {
    let name = name_of(&command.directory)?;
    let tables = command.tables.iter().map(|table| table_name(table));
    let tables: Vec<TableName> = tables.collect::<Result<_, _>>()?;
    let sketches = match (&command.columns, command.live.live()) {
        (Some(list), _) => vec![typed_in(&tables, list)?],
        (None, Some(live)) => match sketched(&live, &tables).await? {
            Some(sketches) => sketches,
            None => return Ok(Outcome::Failed),
        },
        (None, None) => Vec::new(),
    };
    let proposed = propose(&name, &sketches, command.entity.as_deref());
    let start = proposed.map_err(|error| CommandError::new(&error, Some(&entity_hint())))?;
    write(&command.directory, &name, &start)?;
    Ok(Outcome::Done)
}

fn entity_hint() -> String {
    format!("say it with `--entity`, one of: {}", entities().join(", "))
}

fn name_of(directory: &Path) -> Result<String, CommandError> {
    let name = directory.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let fits = !name.is_empty()
        && name.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_'));
    let sentence = "the directory's name becomes the mapping's: give it letters, digits, - and _";
    if fits { Ok(name.to_owned()) } else { Err(CommandError(sentence.to_owned())) }
}

fn table_name(text: &str) -> Result<TableName, CommandError> {
    match text.split_once('.') {
        Some((schema, table)) if !schema.is_empty() && !table.is_empty() => {
            Ok(TableName::new(schema, table))
        }
        _ => Err(CommandError(format!("`{text}` does not name a table\n  write `schema.table`"))),
    }
}

fn typed_in(tables: &[TableName], list: &str) -> Result<Sketch, CommandError> {
    let [table] = tables else {
        return Err(CommandError("`--columns` describes one table: give one `--table`".to_owned()));
    };
    columns(table.clone(), list).map_err(CommandError)
}

async fn sketched(live: &Live, tables: &[TableName]) -> Result<Option<Vec<Sketch>>, CommandError> {
    let Some(connection) = site::connection(live)? else { return Ok(None) };
    let explorer = make_explorer(&connection.engine);
    let found = explorer.describe(tables).await.map_err(|error| site::told(&error))?;
    let missing = |name: &&TableName| !found.iter().any(|table| table.schema.name == **name);
    if let Some(name) = tables.iter().find(missing) {
        let names = explorer.names().await.map_err(|error| site::told(&error))?;
        let known: Vec<String> = names.iter().map(ToString::to_string).collect();
        let meant = similar(&name.to_string(), known.iter().map(String::as_str));
        let mend = meant.map_or(String::new(), |meant| format!("\n  did you mean `{meant}`?"));
        return Err(CommandError(format!("the database has no table `{name}`{mend}")));
    }
    let mut sketches = Vec::new();
    for table in found {
        let asked = Sample::any(table.schema.name.clone(), ROWS);
        let sampled = explorer.sample(&asked).await.map_err(|error| site::told(&error))?;
        sketches.push(Sketch {
            table: Explored { schema: sampled.table, ..table },
            rows: sampled.rows,
            key_assumed: false,
        });
    }
    Ok(Some(sketches))
}

/// Writes the two files; nothing that is there is written over.
fn write(directory: &Path, name: &str, start: &Start) -> Result<(), CommandError> {
    let mapping = directory.join(format!("{name}.yaml"));
    let cases = directory.join(format!("{name}.cases.yaml"));
    for file in [&mapping, &cases] {
        if file.exists() {
            let file = file.display();
            return Err(CommandError(format!("{file} is there already\n  name another directory")));
        }
    }
    fs::create_dir_all(directory)?;
    fs::write(&mapping, &start.mapping)?;
    fs::write(&cases, &start.cases)?;
    tell(&mapping, &cases, directory, start)?;
    Ok(())
}

fn tell(mapping: &Path, cases: &Path, directory: &Path, start: &Start) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "written: {} and {}", mapping.display(), cases.display())?;
    for (what, sentences) in [("guessed", &start.guesses), ("fill in", &start.open)] {
        for sentence in sentences {
            writeln!(out, "  {what}: {sentence}")?;
        }
    }
    writeln!(out, "next: erpbridge map test {}", directory.display())
}
