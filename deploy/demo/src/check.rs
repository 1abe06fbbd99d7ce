//! The independent check: what the database committed against what the stream holds.
//!
//! It asks the ERP's audit journal, written by triggers in the same transactions, and the stream.
//! It never asks the bridge.

use std::fmt;
use std::time::Duration;

use async_nats::jetstream;
use erpbridge_test_support::oracle::{
    NetChange, Verdict, compare, journal, net_changes, stored_events,
};
use erpbridge_test_support::{Failure, Result, read_stream, wait_until};
use serde_json::Value;

use crate::database::{Client, Error, Sql};
use crate::erp::TABLES;
use crate::expect::expected_events;

/// How long the bridge may take to catch up once nobody works any more.
const DRAIN_DEADLINE: Duration = Duration::from_mins(1);

/// The last change of a run: harmless, and its event can be told from all others.
const MARKER: Sql = Sql::of_both(
    "UPDATE legacy.spma SET sunm = concat('SUPPLIER 0040 / ', sutk), sutk = sutk + 1 \
     WHERE suco = '01' AND susu = 'S0040'",
);
/// The marker's transaction, as the log names it: before its commit there, after it here.
const NAMED: &str = "SELECT (pg_current_xact_id()::text::numeric % 4294967296)::bigint::text";
const NAMED_MARIADB: &str = "SELECT @@last_gtid";
/// The subject of the marker's event.
const MARKER_SUBJECT: &str = "erp.legacy.demo1._.masterdata.supplier.upserted";

/// Makes the database write its journal from now on.
pub async fn begin(client: &mut Client) -> Result<()> {
    match client {
        Client::Postgres(client) => client
            .batch_execute(&journal::audit_sql(&TABLES))
            .await
            .map_err(|error| Failure::caused("cannot set up the audit journal", &error)),
        Client::MariaDb(client) => journal::mariadb::audit(client, &TABLES).await,
    }
}

/// Everything the journal holds, folded.
pub async fn changes(client: &mut Client) -> Result<Vec<NetChange>> {
    let rows = match client {
        Client::Postgres(client) => journal::read(client, 0).await?,
        Client::MariaDb(client) => journal::mariadb::read(client, 0).await?,
    };
    Ok(net_changes(&rows))
}

/// Commits the last change, and says as what.
async fn mark(client: &mut Client) -> std::result::Result<String, Error> {
    let mut work = client.begin().await?;
    work.execute(MARKER, &[]).await?;
    let named = work.postgres_text(NAMED).await?;
    work.commit().await?;
    let named = match named {
        Some(named) => Some(named),
        None => client.text(NAMED_MARIADB).await?,
    };
    client.committed().await?;
    Ok(named.unwrap_or_default())
}

/// Waits until everything committed so far has had its chance to arrive: a last change is
/// committed, and since a source's events come in commit order, nothing before it can come after
/// its event. False if it does not arrive in time; then something is wrong, and the check tells.
pub async fn drain(erp: &mut Client, nats: &async_nats::Client, stream: &str) -> Result<bool> {
    let marked = mark(erp).await;
    let transaction =
        marked.map_err(|error| Failure::caused("cannot commit the last change", &error))?;
    let context = jetstream::new(nats.clone());
    let arrived = async || {
        let Ok(stream) = context.get_stream(stream).await else { return false };
        let last = stream.get_last_raw_message_by_subject(MARKER_SUBJECT).await;
        let data = last.ok().and_then(|last| serde_json::from_slice::<Value>(&last.payload).ok());
        let found = data.as_ref().and_then(|data| data.pointer("/source/transaction"));
        found.and_then(Value::as_str) == Some(transaction.as_str())
    };
    Ok(wait_until("the last change arrives", DRAIN_DEADLINE, arrived).await.is_ok())
}

/// What the check found.
#[derive(Debug)]
pub struct Outcome {
    /// Net row changes that mean something to the business.
    changes: usize,
    /// Net row changes that mean nothing: saves without an edit, counters.
    meaningless: usize,
    /// Events made from the snapshot.
    snapshot: usize,
    verdict: Verdict,
}

impl Outcome {
    /// Whether nothing is missing, double, unexpected or out of order.
    pub fn is_clean(&self) -> bool {
        self.verdict.is_clean()
    }

    /// The last line of the demo.
    pub fn last_line(&self) -> String {
        let Self { changes, verdict, .. } = self;
        let (stored, missing) = (verdict.stored, verdict.missing.len());
        let duplicates = verdict.duplicates.len();
        format!(
            "demo: {changes} business changes committed, {stored} events stored, \
             {missing} missing, {duplicates} duplicates"
        )
    }
}

/// What stands above the last line: the whole verdict, findings by name.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { snapshot, meaningless, verdict, .. } = self;
        writeln!(f, "check: {snapshot} more events tell what was there before the simulation")?;
        writeln!(f, "check: {meaningless} row changes mean nothing and gave no event")?;
        write!(f, "check: {verdict}")
    }
}

/// Reads both sides whole and compares them.
pub async fn conclude(
    erp: &mut Client,
    nats: &async_nats::Client,
    stream: &str,
) -> Result<Outcome> {
    let changes = changes(erp).await?;
    let expected_events = |change: &NetChange| expected_events(change, erp.source());
    let events = stored_events(&read_stream(nats, stream).await?)?;
    let meaningless = changes.iter().filter(|change| expected_events(change).is_empty()).count();
    Ok(Outcome {
        changes: changes.len() - meaningless,
        meaningless,
        snapshot: events.iter().filter(|event| event.snapshot).count(),
        verdict: compare(&changes, &events, expected_events),
    })
}
