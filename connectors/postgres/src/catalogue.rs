//! What is asked of the database beside the log: the facts a table's announcement leaves out,
//! where the log ends now, and how the server sees our slot.
//!
//! One session serves all of it. It is opened when it is needed and opened again when it broke;
//! that the log's end cannot be asked for a while never stops the stream.

use std::convert::Infallible;
use std::time::Duration;

use erpbridge_connector::{ColumnKind, SourceError, SourceStatus, Timestamp};
use tokio::sync::{Mutex, watch};
use tokio::time::MissedTickBehavior;

use crate::Lsn;
use crate::config::PostgresConfig;
use crate::pgoutput::Relation;
use crate::relations::{TableFacts, TypeFacts};
use crate::sql::literal;
use crate::stream::{Connection, Purpose, Row};
use crate::values;

/// How often the log's end is asked: this is how exact the watermark is.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// One in so many probes also looks at the slot.
const SLOT_EVERY: u32 = 15;

/// A session for questions.
pub struct Catalogue<'a> {
    config: &'a PostgresConfig,
    session: Mutex<Option<Connection>>,
}

/// Where the log ended at a moment: every commit up to `at` lies before `lsn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The end of the log.
    pub lsn: Lsn,
    /// The moment, by the server's clock.
    pub at: Timestamp,
}

impl<'a> Catalogue<'a> {
    /// Opens nothing yet.
    pub fn new(config: &'a PostgresConfig) -> Self {
        Self { config, session: Mutex::new(None) }
    }

    /// Everything the announcement of a table leaves out.
    pub async fn facts(&self, relation: &Relation<'_>) -> Result<TableFacts, SourceError> {
        let doing = format!("look up table `{}.{}`", relation.schema, relation.table);
        let primary_key = self.query(&primary_key_sql(relation.oid), &doing).await?;
        let primary_key = primary_key.into_iter().flatten().flatten().collect();
        if relation.columns.is_empty() {
            return Ok(TableFacts { primary_key, types: Vec::new() });
        }
        let types = self.query(&types_sql(relation), &doing).await?;
        Ok(TableFacts { primary_key, types: types.into_iter().map(type_facts).collect() })
    }

    /// Asks for the log's end and the slot for ever.
    pub async fn observe(
        &self,
        probes: &watch::Sender<Option<Probe>>,
        status: &watch::Sender<SourceStatus>,
    ) -> Infallible {
        let mut ticks = tokio::time::interval(PROBE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut well = true;
        for round in (0..SLOT_EVERY).cycle() {
            ticks.tick().await;
            let observed = self.observe_once(round == 0, probes, status).await;
            if let Err(error) = &observed
                && well
            {
                tracing::warn!(%error, "cannot ask where the log ends; the watermark stands still");
            }
            well = observed.is_ok();
        }
        unreachable!("a cycle has no end")
    }

    async fn observe_once(
        &self,
        slot: bool,
        probes: &watch::Sender<Option<Probe>>,
        status: &watch::Sender<SourceStatus>,
    ) -> Result<(), SourceError> {
        let rows = self.query(PROBE, "ask where the log ends").await?;
        probes.send_replace(rows.into_iter().next().and_then(|row| probe(&row)));
        if slot {
            let sql = format!("{SLOT}{}", literal(&self.config.slot));
            let rows = self.query(&sql, "ask how the server sees the slot").await?;
            let mut cells = rows.into_iter().flatten();
            let mut bytes = || cells.next().flatten().and_then(|text| text.parse().ok());
            let (retained, safe) = (bytes(), bytes());
            status.send_modify(|status| {
                status.retained_bytes = retained;
                status.safe_bytes = safe;
            });
        }
        Ok(())
    }

    /// The session is put back only after a whole answer, so a dropped call leaves none that
    /// still has one to read.
    async fn query(&self, sql: &str, doing: &str) -> Result<Vec<Row>, SourceError> {
        let mut session = self.session.lock().await;
        let mut connection = match session.take() {
            Some(connection) => connection,
            None => Connection::connect(self.config, Purpose::Catalogue).await?,
        };
        let rows = connection.query(sql, doing).await?;
        *session = Some(connection);
        Ok(rows)
    }
}

/// `now()` is taken before the end of the log is read, never after. A standby only knows what it
/// has replayed.
const PROBE: &str = "
    SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
                ELSE pg_catalog.pg_current_wal_flush_lsn() END,
           (extract(epoch FROM CASE WHEN pg_catalog.pg_is_in_recovery()
                THEN pg_catalog.pg_last_xact_replay_timestamp()
                ELSE pg_catalog.now() END) * 1000000)::bigint";

fn probe(row: &Row) -> Option<Probe> {
    let mut cells = row.iter().map(Option::as_deref);
    let lsn = cells.next()??.parse().ok()?;
    let at = Timestamp::from_micros(cells.next()??.parse().ok()?);
    Some(Probe { lsn, at })
}

/// Completed by the name of the slot.
const SLOT: &str = "
    SELECT pg_catalog.pg_wal_lsn_diff(
               CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
                    ELSE pg_catalog.pg_current_wal_lsn() END, restart_lsn)::bigint,
           safe_wal_size
    FROM pg_catalog.pg_replication_slots
    WHERE slot_name = ";

/// The primary key's columns in key order, without those the index merely includes.
fn primary_key_sql(oid: u32) -> String {
    format!(
        "SELECT a.attname
         FROM pg_catalog.pg_index i
         CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, place)
         JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
         WHERE i.indrelid = {oid} AND i.indisprimary AND k.place <= i.indnkeyatts
         ORDER BY k.place"
    )
}

/// For each announced column how its type is spelled and what it rests on: a domain is followed
/// down to a type that is none. The types come from the announcement, because the column may be
/// gone by now; a type may be, too.
fn types_sql(relation: &Relation<'_>) -> String {
    let columns: Vec<String> = relation
        .columns
        .iter()
        .enumerate()
        .map(|(place, column)| format!("({place},{}::oid,{})", column.type_oid, column.type_modifier))
        .collect();
    format!(
        "WITH RECURSIVE announced(place, type, modifier) AS (VALUES {}),
              base(place, type) AS (
                  SELECT place, type FROM announced
                  UNION ALL
                  SELECT b.place, t.typbasetype
                  FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.type
                  WHERE t.typtype = 'd')
         SELECT pg_catalog.format_type(a.type, a.modifier), t.oid, t.typtype
         FROM announced a
         LEFT JOIN (base b JOIN pg_catalog.pg_type t ON t.oid = b.type AND t.typtype <> 'd')
              ON b.place = a.place
         ORDER BY a.place",
        columns.join(",")
    )
}

/// An enum is its label; what is neither ours nor an enum is the database's own text.
fn type_facts(row: Row) -> TypeFacts {
    let mut cells = row.into_iter();
    let mut cell = || cells.next().flatten().unwrap_or_default();
    let (name, base, category) = (cell(), cell(), cell());
    let kind = match category.as_str() {
        "e" => ColumnKind::Text,
        _ => base.parse().ok().and_then(values::kind).unwrap_or(ColumnKind::Other),
    };
    TypeFacts { kind, name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> Row {
        cells.iter().map(|&cell| Some(cell.to_owned())).collect()
    }

    #[test]
    fn an_enum_is_text_and_a_domain_what_it_rests_on() {
        assert_eq!(type_facts(row(&["erp.status", "16400", "e"])).kind, ColumnKind::Text);
        assert_eq!(type_facts(row(&["erp.quantity", "1700", "b"])).kind, ColumnKind::Decimal);
        assert_eq!(type_facts(row(&["integer[]", "1007", "b"])).kind, ColumnKind::Other);
        assert_eq!(type_facts(vec![Some("???".to_owned()), None, None]).kind, ColumnKind::Other);
    }

    #[test]
    fn a_probe_without_an_end_of_the_log_is_none() {
        let expected = Probe { lsn: Lsn::new(0x10), at: Timestamp::from_micros(5) };
        assert_eq!(probe(&row(&["0/10", "5"])), Some(expected));
        assert_eq!(probe(&vec![None, Some("5".to_owned())]), None);
        assert_eq!(probe(&Row::new()), None);
    }
}
