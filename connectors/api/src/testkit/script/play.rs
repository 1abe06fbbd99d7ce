//! One run of a script.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Change, ScriptSource, Step};
use crate::{
    BatchBuilder, Phase, Position, Progress, Sender, SourceContext, SourceError, SourceErrorKind,
    SourceEvent, TableSchema, Transaction, Truncated,
};

impl ScriptSource {
    pub(super) async fn play(&self, context: SourceContext) -> Result<(), SourceError> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        let SourceContext { resume_after, out, confirmed, stop, status } = context;
        let number = number_of(resume_after.as_ref());
        let mut run =
            Playing { source: self, out, confirmed, stop, after: number, begun: 0, sent: number };
        status.send_modify(|status| status.phase = Phase::Streaming);
        match run.steps().await {
            Err(End::Failed(error)) => Err(error),
            Ok(()) | Err(End::Stopped) => {
                run.settle().await;
                Ok(())
            }
        }
    }
}

/// Why a run ends before its script.
enum End {
    Stopped,
    Failed(SourceError),
}

/// One run of a script.
struct Playing<'s> {
    source: &'s ScriptSource,
    out: Sender,
    confirmed: watch::Receiver<Option<Position>>,
    stop: CancellationToken,
    /// The transaction it resumes after.
    after: u64,
    /// The last transaction of the script that was looked at.
    begun: u64,
    /// The last transaction that was sent whole, now or before.
    sent: u64,
}

impl Playing<'_> {
    async fn steps(&mut self) -> Result<(), End> {
        self.seed().await?;
        for step in &self.source.steps {
            self.step(step).await?;
        }
        self.progress().await?;
        // The script is over; like an idle database, it waits to be stopped.
        self.stopped_or(std::future::pending()).await
    }

    /// Sends what there is to remember, one table in a batch.
    async fn seed(&mut self) -> Result<(), End> {
        let source = self.source;
        let asked = source.seeds.iter().filter(|seeds| source.asked.seeds(&seeds.table.name));
        let mut any = false;
        for seeds in asked {
            let mut batch = BatchBuilder::new();
            batch.begin(Transaction { complete: true, seed: true, ..Self::at(self.after) });
            for (row, ordinal) in seeds.rows.iter().zip(1..) {
                row.write(&mut batch, ordinal);
            }
            any = true;
            self.send(SourceEvent::Changes(batch.finish())).await?;
        }
        if any { self.send(SourceEvent::Seeded).await } else { Ok(()) }
    }

    async fn step(&mut self, step: &Step) -> Result<(), End> {
        match step {
            Step::Transaction { changes, window, snapshot } => {
                self.transaction(changes, *window, *snapshot).await
            }
            Step::Truncate(tables) => self.truncate(tables).await,
            Step::Schema { table, previous } => {
                let (table, previous) = (Arc::clone(table), previous.clone());
                self.send(SourceEvent::SchemaChanged { table, previous }).await
            }
            Step::Progress => self.progress().await,
            Step::Wait(gate) => {
                let mut open = gate.0.subscribe();
                self.stopped_or(async { drop(open.wait_for(|open| *open).await) }).await
            }
            Step::Fail { kind, message, struck } if !struck.swap(true, Ordering::SeqCst) => {
                Err(End::Failed(SourceError::new(*kind, message)))
            }
            Step::Fail { .. } => Ok(()),
        }
    }

    async fn transaction(
        &mut self,
        changes: &[Change],
        window: usize,
        snapshot: bool,
    ) -> Result<(), End> {
        if !self.begin() {
            return Ok(());
        }
        let windows = changes.chunks(std::cmp::max(window, 1));
        let last = windows.len().saturating_sub(1);
        let mut ordinal = 0;
        for (place, window) in windows.enumerate() {
            let mut batch = BatchBuilder::new();
            batch.begin(self.open(snapshot));
            for change in window {
                ordinal += 1;
                change.write(&mut batch, ordinal);
            }
            if place == last {
                batch.complete(ScriptSource::position(self.begun));
            }
            self.send(SourceEvent::Changes(batch.finish())).await?;
        }
        self.sent = self.begun;
        Ok(())
    }

    async fn truncate(&mut self, tables: &[Arc<TableSchema>]) -> Result<(), End> {
        if !self.begin() {
            return Ok(());
        }
        let resume = ScriptSource::position(self.begun);
        let transaction = Transaction { complete: true, resume, ..self.open(false) };
        let truncated = Truncated { tables: tables.to_vec(), transaction, ordinal: 1 };
        self.send(SourceEvent::Truncated(truncated)).await?;
        self.sent = self.begun;
        Ok(())
    }

    /// Goes to the next transaction of the script; whether it is still to be sent.
    fn begin(&mut self) -> bool {
        self.begun += 1;
        self.begun > self.after
    }

    /// The transaction just begun, not complete: to resume after the one before.
    fn open(&self, snapshot: bool) -> Transaction {
        let resume = ScriptSource::position(self.begun.saturating_sub(1));
        Transaction { resume, snapshot, ..Self::at(self.begun) }
    }

    /// Something with the place of this transaction.
    fn at(number: u64) -> Transaction {
        Transaction {
            id: number.to_string().into(),
            sequence: ScriptSource::sequence(number),
            committed_at: ScriptSource::committed_at(number),
            resume: ScriptSource::position(number),
            complete: false,
            snapshot: false,
            seed: false,
        }
    }

    async fn progress(&mut self) -> Result<(), End> {
        let as_of = ScriptSource::committed_at(self.sent);
        let position = ScriptSource::position(self.sent);
        self.send(SourceEvent::Progress(Progress { position, as_of })).await
    }

    async fn send(&mut self, event: SourceEvent) -> Result<(), End> {
        let out = self.out.clone();
        let mut sent = Ok(());
        self.stopped_or(async { sent = out.send(event).await }).await?;
        sent.map_err(|_| End::Failed(closed()))
    }

    /// Waits for `work`, passing on confirmations meanwhile, unless it is stopped. A stop drops
    /// the work: an event not sent yet comes again after the resume position.
    async fn stopped_or(&mut self, work: impl Future<Output = ()>) -> Result<(), End> {
        let mut work = std::pin::pin!(work);
        let mut confirming = true;
        loop {
            self.source.acknowledge(self.confirmed.borrow_and_update().clone());
            tokio::select! {
                biased;
                () = self.stop.cancelled(), if !self.source.ignores_stop => {
                    return Err(End::Stopped);
                }
                () = &mut work => return Ok(()),
                // Only the newest confirmation counts, and it stays in the channel.
                changed = self.confirmed.changed(), if confirming => confirming = changed.is_ok(),
            }
        }
    }

    /// Drops the queue and passes on the confirmation of what was sent, or what there is of it
    /// when the confirming side goes.
    async fn settle(self) {
        let Self { source, out, mut confirmed, sent, .. } = self;
        drop(out);
        let all = |position: &Option<Position>| number_of(position.as_ref()) >= sent;
        drop(confirmed.wait_for(all).await);
        let newest = confirmed.borrow().clone();
        source.acknowledge(newest);
    }
}

fn number_of(position: Option<&Position>) -> u64 {
    position.map_or(0, |position| position.as_str().parse().expect("a position of a script"))
}

fn closed() -> SourceError {
    SourceError::new(SourceErrorKind::Closed, "cannot send: the queue to the bridge is closed")
}
