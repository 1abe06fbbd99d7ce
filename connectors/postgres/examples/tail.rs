//! Shows the changes of a database as they are committed.
//!
//! ```text
//! cargo run --example tail -- 'postgres://user@localhost/erp?sslmode=disable' \
//!     --publication erpbridge --slot tail --position tail.position
//! ```
//!
//! The role needs REPLICATION, the publication must exist, and the slot is made at the first
//! start. With `--position` the place reached is kept in a file and the next run continues there;
//! without it a slot left over from an earlier run is refused. `--count` prints sums instead of
//! rows, `--pause` waits that many seconds before each event is taken, to watch what a slow
//! reader does to the server. Ctrl-C ends it in order. Remember to drop the slot afterwards: it
//! makes the server keep its log.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "printing is what this is for")]

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use erpbridge_connector::{
    Image, Position, Queued, RowChange, Source, SourceContext, SourceError, SourceEvent,
    SourceStatus, TableName, TableSelection, Value, queue,
};
use erpbridge_postgres::{PostgresConfig, PostgresSource, SnapshotMode};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How many bytes of rows may wait.
const QUEUE_BYTES: usize = 16 << 20;

/// Every table of the publication.
struct Everything;

impl TableSelection for Everything {
    fn wants(&self, _table: &TableName) -> bool {
        true
    }

    fn named(&self) -> Vec<TableName> {
        Vec::new()
    }
}

struct Arguments {
    config: PostgresConfig,
    position: Option<PathBuf>,
    pause: Duration,
    count: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    match tail().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_chain(error.as_ref());
            ExitCode::FAILURE
        }
    }
}

async fn tail() -> Result<(), Box<dyn Error>> {
    let arguments = read_arguments()?;
    let resume_after = match &arguments.position {
        Some(file) if file.exists() => Some(Position::new(std::fs::read_to_string(file)?)),
        _ => None,
    };
    let source = PostgresSource::new(arguments.config.clone(), Arc::new(Everything));
    let (out, mut events) = queue(QUEUE_BYTES);
    let (confirm, confirmed) = watch::channel(resume_after.clone());
    let (status, told) = watch::channel(SourceStatus::default());
    let stop = CancellationToken::new();
    let context = SourceContext { resume_after, out, confirmed, stop: stop.clone(), status };
    let showing = async {
        let mut shown = Shown::default();
        while let Some(event) = next(&mut events, arguments.pause).await {
            if let Some(position) = shown.show(&event.event, arguments.count) {
                keep(arguments.position.as_ref(), &position)?;
                confirm.send_replace(Some(position));
            }
        }
        drop(confirm);
        println!("{} rows in {} batches; {:?}", shown.rows, shown.batches, *told.borrow());
        Ok::<(), Box<dyn Error>>(())
    };
    let stopping = async {
        if tokio::signal::ctrl_c().await.is_ok() {
            stop.cancel();
        }
        std::future::pending::<()>().await;
    };
    let (followed, shown) = tokio::select! {
        both = async { tokio::join!(source.run(context), showing) } => both,
        () = stopping => return Ok(()),
    };
    shown?;
    Ok(followed?)
}

async fn next(events: &mut erpbridge_connector::Receiver, pause: Duration) -> Option<Queued> {
    tokio::time::sleep(pause).await;
    events.recv().await
}

/// Replaces the file in one step, so that a kill leaves the old place or the new one.
fn keep(file: Option<&PathBuf>, position: &Position) -> Result<(), Box<dyn Error>> {
    if let Some(file) = file {
        let next = file.with_extension("next");
        std::fs::write(&next, position.as_str())?;
        std::fs::rename(next, file)?;
    }
    Ok(())
}

#[derive(Default)]
struct Shown {
    rows: usize,
    batches: usize,
}

impl Shown {
    /// Shows an event; returns the position after it.
    fn show(&mut self, event: &SourceEvent, count: bool) -> Option<Position> {
        match event {
            SourceEvent::Changes(batch) => {
                self.rows += batch.len();
                self.batches += 1;
                if count {
                    println!("{} rows, {} bytes", batch.len(), batch.bytes());
                } else {
                    batch.changes().for_each(show_row);
                }
                batch.transactions().last().map(|last| last.resume.clone())
            }
            SourceEvent::Truncated(truncated) => {
                let names = truncated.tables.iter().map(|table| table.name.to_string());
                println!("truncate {}", names.collect::<Vec<_>>().join(", "));
                None
            }
            SourceEvent::SchemaChanged { table, .. } => {
                println!("new shape of {}", table.name);
                None
            }
            SourceEvent::Seeded => {
                println!("seeded");
                None
            }
            SourceEvent::Progress(progress) => {
                println!("-- {} as of {:.3}", progress.position, progress.as_of.as_seconds());
                Some(progress.position.clone())
            }
        }
    }
}

fn show_row(change: RowChange<'_>) {
    let transaction = change.transaction();
    let (sequence, ordinal) = (&transaction.sequence, change.ordinal());
    print!("{sequence}-{ordinal} {:?} {}", change.operation(), change.table().name);
    show_image(" was", change, change.before());
    show_image(" is", change, change.after());
    println!("{}", if transaction.complete { "" } else { " …" });
}

fn show_image(word: &str, change: RowChange<'_>, image: Option<Image<'_>>) {
    let Some(image) = image else { return };
    print!("{word}");
    for (column, value) in change.table().columns.iter().zip(image.values()) {
        match value {
            Value::Absent => {}
            Value::Null => print!(" {}=null", column.name),
            Value::Text(text) => print!(" {}={text:?}", column.name),
        }
    }
}

fn read_arguments() -> Result<Arguments, Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let url = words.next().ok_or("give the URL of a database")?;
    let mut arguments = Arguments {
        config: PostgresConfig::from_url("tail", &url)?,
        position: None,
        pause: Duration::ZERO,
        count: false,
    };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "--publication" => arguments.config.publication = value()?,
            "--slot" => arguments.config.slot = value()?,
            "--position" => arguments.position = Some(value()?.into()),
            "--pause" => arguments.pause = Duration::from_secs_f64(value()?.parse()?),
            "--count" => arguments.count = true,
            "--no-snapshot" => arguments.config.snapshot = SnapshotMode::Never,
            other => return Err(format!("unknown argument {other}").into()),
        }
    }
    Ok(arguments)
}

fn print_chain(error: &(dyn Error + 'static)) {
    eprintln!("error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because {error}");
        cause = error.source();
    }
    if let Some(hint) = error.downcast_ref::<SourceError>().and_then(SourceError::hint) {
        eprintln!("hint: {hint}");
    }
}
