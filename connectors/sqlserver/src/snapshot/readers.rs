//! One reader takes table after table and sends its rows in batches.

use std::collections::VecDeque;
use std::sync::PoisonError;
use std::time::Instant;

use erpbridge_connector::{Pass, Phase, SourceError, SourceErrorKind, SourceStatus, TableProgress};
use tokio::sync::{Mutex, watch};

use super::Advance;
use super::chunks::{Plan, weight};
use crate::config::SqlServerConfig;
use crate::outlet::Outlet;
use crate::session::{Row, Session};

/// A table that nobody has begun to read.
struct Waiting {
    /// Its place in the status.
    shown: usize,
    /// Its place in the list of tables.
    listed: usize,
    plan: Plan,
}

impl Waiting {
    /// It has been read to its end.
    fn end(&self) -> Advance {
        Advance::Complete(self.listed, self.plan.fingerprint)
    }
}

/// A running pass: what is still to be read, and the way out.
pub(super) struct Readers<'a> {
    config: &'a SqlServerConfig,
    pass: Pass,
    status: &'a watch::Sender<SourceStatus>,
    waiting: std::sync::Mutex<VecDeque<Waiting>>,
    outlet: Mutex<Outlet>,
}

impl<'a> Readers<'a> {
    /// Readers of these tables, in this order, each with its place in the list of all.
    pub(super) fn new(
        config: &'a SqlServerConfig,
        pass: Pass,
        plans: Vec<(usize, Plan)>,
        outlet: Outlet,
        status: &'a watch::Sender<SourceStatus>,
    ) -> Self {
        let first = announce(status, pass, plans.iter().map(|(_, plan)| plan));
        let waiting = |(shown, (listed, plan))| Waiting { shown, listed, plan };
        let waiting = std::sync::Mutex::new((first..).zip(plans).map(waiting).collect());
        Self { config, pass, status, waiting, outlet: Mutex::new(outlet) }
    }

    /// One reader: takes table after table until none is left.
    pub(super) async fn read_tables(&self, session: &mut Session) -> Result<(), SourceError> {
        let pass = self.pass;
        while let Some(next) = self.next_table() {
            let (name, estimate) = (&next.plan.schema.name, next.plan.rows_estimate);
            let started = Instant::now();
            tracing::info!(table = %name, ?pass, estimate, "begin to read a table");
            let rows = if next.plan.has_chunks() {
                self.read_in_chunks(session, &next).await?
            } else {
                self.read_whole(session, &next).await?
            };
            self.progress(next.shown, |progress| progress.complete = true);
            let elapsed = started.elapsed();
            tracing::info!(table = %name, ?pass, rows, ?elapsed, "read a table");
        }
        Ok(())
    }

    fn next_table(&self) -> Option<Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn progress(&self, place: usize, change: impl FnMut(&mut TableProgress)) {
        self.status
            .send_modify(|status| status.snapshot.get_mut(place).into_iter().for_each(change));
    }

    async fn read_in_chunks(
        &self,
        session: &mut Session,
        next: &Waiting,
    ) -> Result<u64, SourceError> {
        let mut most = std::cmp::min(FIRST_CHUNK, self.config.snapshot_chunk_rows);
        let (mut total, mut behind) = (0, next.plan.behind.clone());
        loop {
            let rows = next.plan.chunk(session, behind.as_deref(), most).await?;
            let ended = rows.len() < most;
            most = self.next_chunk(&rows);
            behind = rows.last().map(|row| next.plan.key_of(row));
            let reached = match &behind {
                Some(key) if !ended => Advance::Behind(next.plan.fingerprint, key.clone()),
                _ => next.end(),
            };
            total += self.send(next, rows, reached).await?;
            if ended {
                return Ok(total);
            }
        }
    }

    /// How many rows weigh about as much as a reader may hold.
    fn next_chunk(&self, rows: &[Row]) -> usize {
        let weight: usize = rows.iter().map(weight).sum();
        let each = weight.checked_div(rows.len()).map_or(1, |each| std::cmp::max(each, 1));
        (CHUNK_BYTES / each).clamp(1, self.config.snapshot_chunk_rows)
    }

    /// A table without a key to read it by is read by one statement.
    async fn read_whole(&self, session: &mut Session, next: &Waiting) -> Result<u64, SourceError> {
        let doing = format!("read table `{}`", next.plan.schema.name);
        let sql = next.plan.whole();
        let mut answer = session.ask(&doing, &sql, &[]).await?;
        let (mut total, mut rows, mut bytes) = (0, Vec::new(), 0);
        while let Some(row) = answer.next().await? {
            bytes += weight(&row);
            rows.push(row);
            if bytes >= self.config.batch_bytes {
                bytes = 0;
                total += self.send(next, std::mem::take(&mut rows), Advance::Within).await?;
            }
        }
        Ok(total + self.send(next, rows, next.end()).await?)
    }

    /// Sends rows in batches and says how many they were. With the last ones comes how far the
    /// table has been read by then.
    async fn send(
        &self,
        next: &Waiting,
        rows: Vec<Row>,
        reached: Advance,
    ) -> Result<u64, SourceError> {
        let Waiting { shown, plan, .. } = next;
        rows.iter().try_for_each(|row| self.bound(row, plan))?;
        let mut parts = in_batches(rows, self.config.batch_bytes).into_iter().peekable();
        let mut total = 0;
        while let Some(part) = parts.next() {
            let last = parts.peek().is_none();
            let advance = if last { reached.clone() } else { Advance::Within };
            let mut outlet = self.outlet.lock().await;
            let sent = outlet.send(&plan.schema, part, advance).await?;
            self.progress(*shown, |progress| progress.rows += sent);
            total += sent;
        }
        Ok(total)
    }

    fn bound(&self, row: &Row, plan: &Plan) -> Result<(), SourceError> {
        let (weight, limit) = (row.weight(), self.config.max_row_bytes);
        if weight <= limit {
            return Ok(());
        }
        let name = &plan.schema.name;
        let message = format!("a row of table `{name}` has {weight} bytes, the limit is {limit}");
        Err(SourceError::new(SourceErrorKind::TooLarge, message).with_hint(
            "raise max_row_bytes, or leave the large column out of the capture instance",
        ))
    }
}

/// The rows of the first chunk, whose weight nobody knows yet.
const FIRST_CHUNK: usize = 500;
/// What a chunk weighs at most, about.
const CHUNK_BYTES: usize = 4 << 20;

/// Rows in parts of about this weight; one part without rows if there are none.
fn in_batches(rows: Vec<Row>, bytes: usize) -> Vec<Vec<Row>> {
    let (mut parts, mut pending) = (vec![Vec::new()], 0);
    for row in rows {
        let own = weight(&row);
        if pending > 0 && pending + own > bytes {
            parts.push(Vec::new());
            pending = 0;
        }
        pending += own;
        if let Some(part) = parts.last_mut() {
            part.push(row);
        }
    }
    parts
}

/// Shows the tables of this pass behind those of the other, and says where the first one stands.
fn announce<'t>(
    status: &watch::Sender<SourceStatus>,
    pass: Pass,
    plans: impl Iterator<Item = &'t Plan>,
) -> usize {
    let mut first = 0;
    status.send_modify(|status| {
        status.phase = Phase::Snapshot;
        status.snapshot.retain(|table| table.pass != pass);
        first = status.snapshot.len();
        status.snapshot.extend(plans.map(|plan| TableProgress {
            table: plan.schema.name.clone(),
            pass,
            rows: 0,
            estimate: plan.rows_estimate,
            complete: false,
        }));
    });
    first
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::Cell;

    #[test]
    fn rows_are_parted_by_weight_and_none_is_lost() {
        let row = |length: usize| Row::from(vec![Cell::Text("x".repeat(length))]);
        let parts = |lengths: &[usize], bytes| -> Vec<usize> {
            let rows = lengths.iter().map(|length| row(*length)).collect();
            in_batches(rows, bytes).iter().map(Vec::len).collect()
        };
        assert_eq!(parts(&[], 300), [0]);
        assert_eq!(parts(&[28; 7], 300), [3, 3, 1]);
        assert_eq!(parts(&[1000, 10, 10], 300), [1, 2]);
    }
}
