//! What the checks judge, read from the server in a few queries.

use std::collections::HashMap;

use erpbridge_connector::{SourceError, TableName, TableSelection};
use tokio_postgres::Row;

use super::names::{Missing, Unfit, misnamed};
use crate::catalog::{self, Description, Published, Relation};
use crate::config::PostgresConfig;
use crate::session::Session;

/// The whole picture.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) version: u32,
    pub(super) settings: HashMap<String, String>,
    pub(super) server: Server,
    pub(super) publication: Option<Publication>,
    pub(super) slot: Option<Slot>,
    /// Wanted tables and published ones.
    pub(super) tables: Vec<Table>,
    /// Names the mappings use outright and no table bears, each with the nearest that exists.
    pub(super) missing: Missing,
    /// What bears such a name but cannot be followed: `(name, what it is)`.
    pub(super) unfit: Unfit,
    pub(super) subscribed: Vec<Subscribed>,
    pub(super) long_transactions: Vec<LongTransaction>,
    pub(super) asynchronous_commit: Vec<SettingScope>,
}

impl Facts {
    /// A setting as `pg_settings` prints it, in its own unit; empty where this version has none.
    pub(super) fn setting(&self, name: &str) -> &str {
        self.settings.get(name).map_or("", String::as_str)
    }

    /// A setting that is a number.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.setting(name).parse().ok()
    }

    /// The tables the mappings read.
    pub(super) fn wanted(&self) -> impl Iterator<Item = &Table> {
        self.tables.iter().filter(|table| table.wanted)
    }
}

/// The server and our role on it.
#[derive(Debug, Default)]
pub(super) struct Server {
    pub(super) encoding: String,
    pub(super) standby: bool,
    pub(super) replication_role: bool,
    pub(super) slots_used: i64,
    pub(super) senders_used: i64,
    /// Two statements of one session were answered by two processes, or the pinned settings are
    /// not in force.
    pub(super) pooled: bool,
}

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "the catalog's own columns")]
pub(super) struct Publication {
    pub(super) all_tables: bool,
    pub(super) insert: bool,
    pub(super) update: bool,
    pub(super) delete: bool,
    pub(super) truncate: bool,
    pub(super) via_root: bool,
}

#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) plugin: Option<String>,
    pub(super) here: bool,
    pub(super) temporary: bool,
    pub(super) active_pid: Option<i32>,
    pub(super) wal_status: Option<String>,
    /// Version 16 says whether it conflicted, version 17 why.
    pub(super) invalidated: Option<String>,
}

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent answers of the server")]
pub(super) struct Table {
    pub(super) name: TableName,
    pub(super) wanted: bool,
    /// Whether the bridge needs nothing of its old rows from the log.
    pub(super) remembered: bool,
    pub(super) unlogged: bool,
    pub(super) usage: bool,
    pub(super) select: bool,
    pub(super) row_security: bool,
    pub(super) described: Description,
    pub(super) published: Option<Published>,
}

/// A table that a subscription of this database fills.
#[derive(Debug)]
pub(super) struct Subscribed {
    pub(super) table: TableName,
    pub(super) subscription: String,
}

#[derive(Debug)]
pub(super) struct LongTransaction {
    /// `process 4711` or `prepared transaction 'x'`.
    pub(super) what: String,
    pub(super) minutes: i64,
}

/// For whom a setting was set: a role, a database, or a role in a database.
#[derive(Debug)]
pub(super) struct SettingScope {
    pub(super) role: Option<String>,
    pub(super) database: Option<String>,
}

pub(super) async fn read(
    session: &Session,
    config: &PostgresConfig,
    selection: &dyn TableSelection,
) -> Result<Facts, SourceError> {
    let relations = catalog::relations(session).await?;
    let (missing, unfit) = misnamed(&relations, selection);
    Ok(Facts {
        version: session.version(),
        settings: settings(session).await?,
        server: server(session).await?,
        publication: publication(session, &config.publication).await?,
        slot: slot(session, &config.slot).await?,
        tables: tables(session, config, selection, relations).await?,
        missing,
        unfit,
        subscribed: subscribed(session).await?,
        long_transactions: long_transactions(session, OLD).await?,
        asynchronous_commit: asynchronous_commit(session).await?,
    })
}

/// <https://www.postgresql.org/docs/current/view-pg-settings.html>
///
/// What was set for a role or a database is not the server's setting; [`ASYNCHRONOUS_COMMIT`]
/// looks for those.
const SETTINGS: &str = "
SELECT name, setting FROM pg_settings
WHERE name IN ('wal_level', 'max_replication_slots', 'max_wal_senders', 'wal_sender_timeout',
               'max_slot_wal_keep_size', 'synchronous_commit', 'idle_replication_slot_timeout')
  AND source NOT IN ('database', 'user', 'database user')";

async fn settings(session: &Session) -> Result<HashMap<String, String>, SourceError> {
    session
        .read("read the server's settings", SETTINGS, &[], |row| {
            Ok((row.try_get(0)?, row.try_get(1)?))
        })
        .await
}

/// On Amazon RDS the attribute cannot be given; membership in `rds_replication` stands for it.
const SERVER: &str = "
SELECT current_setting('server_encoding'), pg_is_in_recovery(),
       EXISTS (SELECT FROM pg_roles r
               WHERE (r.rolname = current_user AND (r.rolreplication OR r.rolsuper))
                  OR (r.rolname = 'rds_replication'
                      AND pg_has_role(current_user, r.oid, 'MEMBER'))),
       (SELECT count(*) FROM pg_replication_slots),
       (SELECT count(*) FROM pg_stat_replication),
       pg_backend_pid(),
       current_setting('TimeZone') = 'UTC' AND current_setting('IntervalStyle') = 'iso_8601'";

async fn server(session: &Session) -> Result<Server, SourceError> {
    let doing = "ask the server about itself";
    let mut process = 0;
    let server = |row: &Row| {
        process = row.try_get(5)?;
        Ok(Server {
            encoding: row.try_get(0)?,
            standby: row.try_get(1)?,
            replication_role: row.try_get(2)?,
            slots_used: row.try_get(3)?,
            senders_used: row.try_get(4)?,
            pooled: !row.try_get::<_, bool>(6)?,
        })
    };
    let answers: Vec<Server> = session.read(doing, SERVER, &[], server).await?;
    // Outside a transaction a pooler may hand each statement to another server process.
    let again: Vec<i32> =
        session.read(doing, "SELECT pg_backend_pid()", &[], |row| row.try_get(0)).await?;
    let mut server = answers.into_iter().next().unwrap_or_default();
    server.pooled |= again != [process];
    Ok(server)
}

/// <https://www.postgresql.org/docs/current/catalog-pg-publication.html>
const PUBLICATION: &str = "
SELECT puballtables, pubinsert, pubupdate, pubdelete, pubtruncate, pubviaroot
FROM pg_publication WHERE pubname = $1";

async fn publication(session: &Session, name: &str) -> Result<Option<Publication>, SourceError> {
    let doing = format!("look up publication `{name}`");
    let publication = |row: &Row| {
        Ok(Publication {
            all_tables: row.try_get(0)?,
            insert: row.try_get(1)?,
            update: row.try_get(2)?,
            delete: row.try_get(3)?,
            truncate: row.try_get(4)?,
            via_root: row.try_get(5)?,
        })
    };
    let found: Vec<Publication> = session.read(&doing, PUBLICATION, &[&name], publication).await?;
    Ok(found.into_iter().next())
}

/// <https://www.postgresql.org/docs/current/view-pg-replication-slots.html>
///
/// By way of JSON a column that this version lacks is NULL: `conflicting` came with 16,
/// `invalidation_reason` with 17.
const SLOT: &str = "
SELECT s.plugin::text, s.slot_type = 'logical' AND s.database = current_database(),
       s.temporary, s.active_pid, s.wal_status,
       coalesce(to_jsonb(s) ->> 'invalidation_reason',
                CASE WHEN to_jsonb(s) ->> 'conflicting' = 'true' THEN 'conflicting' END)
FROM pg_replication_slots s WHERE s.slot_name = $1";

async fn slot(session: &Session, name: &str) -> Result<Option<Slot>, SourceError> {
    let doing = format!("look up slot `{name}`");
    let slot = |row: &Row| {
        Ok(Slot {
            plugin: row.try_get(0)?,
            here: row.try_get::<_, Option<bool>>(1)?.unwrap_or(false),
            temporary: row.try_get(2)?,
            active_pid: row.try_get(3)?,
            wal_status: row.try_get(4)?,
            invalidated: row.try_get(5)?,
        })
    };
    let found: Vec<Slot> = session.read(&doing, SLOT, &[&name], slot).await?;
    Ok(found.into_iter().next())
}

async fn tables(
    session: &Session,
    config: &PostgresConfig,
    selection: &dyn TableSelection,
    relations: Vec<Relation>,
) -> Result<Vec<Table>, SourceError> {
    let published = catalog::published(session, &config.publication).await?;
    let mut published: HashMap<u32, Published> =
        published.into_iter().map(|table| (table.oid, table)).collect();
    let wanted = |relation: &Relation| {
        matches!(relation.kind.as_str(), "r" | "p")
            && !relation.partition
            && selection.wants(&relation.name)
    };
    let relevant: Vec<Relation> = relations
        .into_iter()
        .filter(|relation| wanted(relation) || published.contains_key(&relation.oid))
        .collect();
    let oids: Vec<u32> = relevant.iter().map(|relation| relation.oid).collect();
    let mut described = catalog::describe(session, &oids).await?;
    let rights = rights(session, &oids).await?;
    let table = |relation: Relation| {
        let described = described.remove(&relation.oid)?;
        let rights = rights.get(&relation.oid)?;
        Some(Table {
            wanted: selection.wants(&relation.name),
            remembered: selection.remembers(&relation.name),
            name: relation.name,
            unlogged: relation.unlogged,
            usage: rights.usage,
            select: rights.select,
            row_security: rights.row_security,
            described,
            published: published.remove(&relation.oid),
        })
    };
    Ok(relevant.into_iter().filter_map(table).collect())
}

struct Rights {
    usage: bool,
    select: bool,
    row_security: bool,
}

/// <https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-ACCESS>
///
/// A right on the table is a right on each column; the other way round it may be given by column.
const RIGHTS: &str = "
SELECT c.oid, has_schema_privilege(c.relnamespace, 'USAGE'),
       NOT EXISTS (SELECT FROM pg_attribute a
                   WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                     AND NOT has_column_privilege(c.oid, a.attnum, 'SELECT')),
       row_security_active(c.oid)
FROM pg_class c WHERE c.oid = ANY ($1)";

async fn rights(session: &Session, oids: &[u32]) -> Result<HashMap<u32, Rights>, SourceError> {
    session
        .read("ask for our rights on the tables", RIGHTS, &[&oids], |row| {
            let rights = Rights {
                usage: row.try_get(1)?,
                select: row.try_get(2)?,
                row_security: row.try_get(3)?,
            };
            Ok((row.try_get(0)?, rights))
        })
        .await
}

/// <https://www.postgresql.org/docs/current/catalog-pg-subscription-rel.html>
const SUBSCRIBED: &str = "
SELECT n.nspname, c.relname, s.subname
FROM pg_subscription s
JOIN pg_database d ON d.oid = s.subdbid AND d.datname = current_database()
JOIN pg_subscription_rel r ON r.srsubid = s.oid
JOIN pg_class c ON c.oid = r.srrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
ORDER BY s.subname, n.nspname, c.relname";

async fn subscribed(session: &Session) -> Result<Vec<Subscribed>, SourceError> {
    session
        .read("look for tables that subscriptions fill", SUBSCRIBED, &[], |row| {
            let name = TableName::new(row.try_get::<_, String>(0)?, row.try_get::<_, String>(1)?);
            Ok(Subscribed { table: name, subscription: row.try_get(2)? })
        })
        .await
}

/// A transaction open for so many seconds is told.
const OLD: f64 = 600.0;

/// <https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-ACTIVITY-VIEW>
///
/// Creating a slot waits for every transaction that is open at that moment; an open one also
/// keeps the log from being released. Without membership in `pg_read_all_stats` other roles'
/// sessions show no start, and only prepared transactions are seen.
const LONG_TRANSACTIONS: &str = "
SELECT what, (extract(epoch FROM now() - started) / 60)::bigint FROM (
  SELECT 'process ' || pid AS what, xact_start AS started FROM pg_stat_activity
  WHERE datname = current_database() AND backend_xid IS NOT NULL
  UNION ALL
  SELECT 'prepared transaction ' || quote_literal(gid), prepared FROM pg_prepared_xacts
  WHERE database = current_database()
) t
WHERE started <= now() - make_interval(secs => $1) ORDER BY started LIMIT 5";

async fn long_transactions(
    session: &Session,
    seconds: f64,
) -> Result<Vec<LongTransaction>, SourceError> {
    session
        .read("look for old open transactions", LONG_TRANSACTIONS, &[&seconds], |row| {
            Ok(LongTransaction { what: row.try_get(0)?, minutes: row.try_get(1)? })
        })
        .await
}

/// <https://www.postgresql.org/docs/current/catalog-pg-db-role-setting.html>
const ASYNCHRONOUS_COMMIT: &str = "
SELECT r.rolname, d.datname
FROM pg_db_role_setting s
LEFT JOIN pg_roles r ON r.oid = s.setrole
LEFT JOIN pg_database d ON d.oid = s.setdatabase
WHERE 'synchronous_commit=off' = ANY (s.setconfig)
  AND (s.setdatabase = 0 OR d.datname = current_database())";

async fn asynchronous_commit(session: &Session) -> Result<Vec<SettingScope>, SourceError> {
    session
        .read("read settings of roles", ASYNCHRONOUS_COMMIT, &[], |row| {
            Ok(SettingScope { role: row.try_get(0)?, database: row.try_get(1)? })
        })
        .await
}

#[cfg(test)]
mod tests {
    use erpbridge_test_support::Postgres;

    use super::*;
    use crate::session::connect;

    #[tokio::test]
    async fn open_and_prepared_transactions_are_told_once_they_are_old() {
        let builder = Postgres::builder().setting("max_prepared_transactions", "5");
        let postgres = builder.start().await.unwrap();
        postgres.execute("CREATE TABLE t (a int)").await.unwrap();
        let open = postgres.client().await.unwrap();
        open.batch_execute("BEGIN; INSERT INTO t VALUES (1)").await.unwrap();
        let process: i32 = open.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
        let prepared = "BEGIN; INSERT INTO t VALUES (2); PREPARE TRANSACTION 'it''s forgotten'";
        postgres.execute(prepared).await.unwrap();

        let url = postgres.url("postgres");
        let session = connect(&PostgresConfig::from_url("north", &url).unwrap()).await.unwrap();
        let told = long_transactions(&session, 0.0).await.unwrap();
        let what: Vec<&str> = told.iter().map(|open| open.what.as_str()).collect();
        let forgotten = "prepared transaction 'it''s forgotten'";
        assert_eq!(what, [format!("process {process}").as_str(), forgotten]);
        assert!(long_transactions(&session, OLD).await.unwrap().is_empty(), "they are young");
    }
}
