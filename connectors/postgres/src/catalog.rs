//! What the server knows about its tables: one function per query.
//!
//! The publication decides what the log carries, so it is the server's own view of the
//! publication that is asked, not its definition: the view has already worked out schemas,
//! partitions, column lists and row filters. Columns are listed in the order of the log.

use std::collections::HashMap;
use std::sync::Arc;

use erpbridge_connector::{
    Column, ColumnKind, Explored, ReplicaIdentity, SourceError, TableName, TableSchema,
    TableSelection,
};
use tokio_postgres::Row;

use crate::config::PostgresConfig;
use crate::session::{Session, connect};
use crate::values;

/// A table whose changes the publication puts into the log.
#[derive(Clone, Debug)]
pub struct PublishedTable {
    /// The id that rows in the log refer to.
    pub oid: u32,
    /// Its columns as the log carries them.
    pub schema: Arc<TableSchema>,
    /// How many rows the server believes it has; `None` where it was never analysed.
    pub rows_estimate: Option<u64>,
    /// Whether its rows lie in partitions that are published under its name.
    pub partitioned: bool,
    /// The publication's condition on rows, as an SQL expression with qualified names.
    pub row_filter: Option<String>,
}

/// What a type's values are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseType {
    /// The kind; `None` for arrays, composites, ranges and types this connector does not know.
    pub kind: Option<ColumnKind>,
    /// The type's own name, for messages.
    pub type_name: String,
}

/// Anything in the database that has rows.
#[derive(Clone, Debug)]
pub(crate) struct Relation {
    pub(crate) oid: u32,
    pub(crate) name: TableName,
    /// `pg_class.relkind`: `r` table, `p` partitioned table, `v` view, `m`, `f`.
    pub(crate) kind: String,
    pub(crate) unlogged: bool,
    pub(crate) partition: bool,
}

/// A line of the server's view of a publication.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    pub(crate) oid: u32,
    pub(crate) name: TableName,
    /// The published columns; empty before version 15, where all are.
    pub(crate) columns: Vec<String>,
    pub(crate) row_filter: Option<String>,
}

/// What the catalog says about one table.
#[derive(Clone, Debug)]
pub(crate) struct Description {
    pub(crate) columns: Vec<Described>,
    pub(crate) primary_key: Vec<String>,
    /// The columns an old image names where the identity is a key.
    pub(crate) identity_key: Vec<String>,
    pub(crate) identity: ReplicaIdentity,
    pub(crate) rows_estimate: Option<u64>,
    pub(crate) partitioned: bool,
}

/// One column of a table, and whether it is computed from others.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    pub(crate) column: Column,
    pub(crate) generated: bool,
    pub(crate) nullable: bool,
}

/// The tables of a publication that are asked for, described as the log describes them.
pub async fn tables(
    session: &Session,
    publication: &str,
    asked: impl Fn(&TableName) -> bool,
) -> Result<Vec<PublishedTable>, SourceError> {
    let mut published = published(session, publication).await?;
    published.retain(|table| asked(&table.name));
    let oids: Vec<u32> = published.iter().map(|table| table.oid).collect();
    let mut described = describe(session, &oids).await?;
    let version = session.version();
    let tables = published.into_iter().filter_map(|table| {
        // A table dropped between the two queries is no longer there to be read.
        let described = described.remove(&table.oid)?;
        Some(PublishedTable {
            oid: table.oid,
            rows_estimate: described.rows_estimate,
            partitioned: described.partitioned,
            schema: Arc::new(log_schema(&table, described, version)),
            row_filter: table.row_filter,
        })
    });
    Ok(tables.collect())
}

/// Every wanted table, published or not, with the columns the log will not carry marked.
pub async fn discover(
    config: &PostgresConfig,
    selection: &dyn TableSelection,
) -> Result<Vec<TableSchema>, SourceError> {
    let session = connect(config).await?;
    let wanted = |name: &TableName| selection.wants(name);
    let found = explore(&session, &config.publication, wanted).await?;
    session.close().await;
    Ok(found.into_iter().map(|found| Arc::unwrap_or_clone(found.schema)).collect())
}

/// The same of the tables that are asked for, with what else is known of them.
pub(crate) async fn explore(
    session: &Session,
    publication: &str,
    asked: impl Fn(&TableName) -> bool,
) -> Result<Vec<Explored>, SourceError> {
    let published = published(session, publication).await?;
    let published: HashMap<u32, Published> =
        published.into_iter().map(|table| (table.oid, table)).collect();
    let mut relations = relations(session).await?;
    relations.retain(|relation| {
        has_own_rows(relation, published.contains_key(&relation.oid)) && asked(&relation.name)
    });
    let oids: Vec<u32> = relations.iter().map(|relation| relation.oid).collect();
    let mut described = describe(session, &oids).await?;
    let version = session.version();
    let explored = relations.into_iter().filter_map(|relation| {
        let described = described.remove(&relation.oid)?;
        Some(Explored {
            nullable: described.columns.iter().map(|column| column.nullable).collect(),
            rows_estimate: described.rows_estimate,
            schema: Arc::new(full_schema(
                relation.name,
                described,
                published.get(&relation.oid),
                version,
            )),
        })
    });
    Ok(explored.collect())
}

/// Whether a mapping may name it: a table, and a partition only where it is published itself.
pub(crate) fn has_own_rows(relation: &Relation, published: bool) -> bool {
    matches!(relation.kind.as_str(), "r" | "p") && (!relation.partition || published)
}

/// Whether the log carries a column. Generated ones only since version 18, and only if asked for.
pub(crate) fn in_log(column: &Described, published: Option<&Published>, version: u32) -> bool {
    let Some(published) = published else { return !column.generated };
    let listed = published.columns.contains(&column.column.name);
    if column.generated { version >= 18 && listed } else { listed || published.columns.is_empty() }
}

fn log_schema(table: &Published, mut described: Description, version: u32) -> TableSchema {
    described.columns.retain(|column| in_log(column, Some(table), version));
    schema(table.name.clone(), described)
}

fn full_schema(
    name: TableName,
    mut described: Description,
    published: Option<&Published>,
    version: u32,
) -> TableSchema {
    for column in &mut described.columns {
        column.column.missing_in_log = !in_log(column, published, version);
    }
    schema(name, described)
}

fn schema(name: TableName, described: Description) -> TableSchema {
    let columns: Vec<Column> = described.columns.into_iter().map(|c| c.column).collect();
    let place = |key: &String| columns.iter().position(|column| column.name == *key);
    // A key of which the log lacks a column is no key there.
    let primary_key = described.primary_key.iter().map(place).collect::<Option<_>>();
    TableSchema {
        name,
        primary_key: primary_key.unwrap_or_default(),
        columns,
        identity: described.identity,
    }
}

/// <https://www.postgresql.org/docs/current/catalog-pg-class.html>
const RELATIONS: &str = "
SELECT c.oid, n.nspname, c.relname, c.relkind::text, c.relpersistence = 'u', c.relispartition
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY n.nspname, c.relname";

/// Everything in the database that has rows, system catalogs left out.
pub(crate) async fn relations(session: &Session) -> Result<Vec<Relation>, SourceError> {
    session
        .read("list the tables", RELATIONS, &[], |row| {
            Ok(Relation {
                oid: row.try_get(0)?,
                name: TableName::new(row.try_get::<_, String>(1)?, row.try_get::<_, String>(2)?),
                kind: row.try_get(3)?,
                unlogged: row.try_get(4)?,
                partition: row.try_get(5)?,
            })
        })
        .await
}

/// <https://www.postgresql.org/docs/current/view-pg-publication-tables.html>
///
/// The view gained `attnames` and `rowfilter` in version 15; by way of JSON a missing column is
/// NULL instead of an error, so one text serves all versions.
const PUBLISHED: &str = "
SELECT c.oid, p.schemaname, p.tablename,
       ARRAY(SELECT jsonb_array_elements_text(nullif(to_jsonb(p) -> 'attnames', 'null'))),
       to_jsonb(p) ->> 'rowfilter'
FROM pg_publication_tables p
JOIN pg_namespace n ON n.nspname = p.schemaname
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = p.tablename
WHERE p.pubname = $1
ORDER BY p.schemaname, p.tablename";

/// What a publication publishes; nothing if there is no such publication.
pub(crate) async fn published(
    session: &Session,
    publication: &str,
) -> Result<Vec<Published>, SourceError> {
    let doing = format!("list the tables of publication `{publication}`");
    session
        .read(&doing, PUBLISHED, &[&publication], |row| {
            Ok(Published {
                oid: row.try_get(0)?,
                name: TableName::new(row.try_get::<_, String>(1)?, row.try_get::<_, String>(2)?),
                columns: row.try_get(3)?,
                row_filter: row.try_get(4)?,
            })
        })
        .await
}

/// Describes tables by their ids; a table that is gone is left out.
pub(crate) async fn describe(
    session: &Session,
    oids: &[u32],
) -> Result<HashMap<u32, Description>, SourceError> {
    let mut described = summaries(session, oids).await?;
    let columns = columns(session, oids).await?;
    let type_oids: Vec<u32> = columns.iter().map(|column| column.type_oid).collect();
    let types = base_types(session, &type_oids).await?;
    for ColumnRow { table, type_oid, described: mut column } in columns {
        if let Some(kind) = types.get(&type_oid).and_then(|base| base.kind) {
            column.column.kind = kind;
        }
        if let Some(table) = described.get_mut(&table) {
            table.columns.push(column);
        }
    }
    Ok(described)
}

/// Key, identity and size. A deferrable primary key identifies nothing: it may be violated for a
/// while, so the server does not take it. Where a partitioned table is published under its own
/// name, its partitions still log by *their* identity, so the weakest of them counts:
/// <https://www.postgresql.org/docs/current/sql-altertable.html> (`REPLICA IDENTITY`).
const SUMMARIES: &str = "
WITH key AS (
  SELECT i.indrelid, i.indisprimary, i.indisreplident,
         array_agg(a.attname::text ORDER BY k.place) AS names
  FROM pg_index i
  CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
  WHERE i.indrelid = ANY ($1) AND k.place <= i.indnkeyatts
  GROUP BY i.indexrelid
)
SELECT t.oid, t.relkind = 'p',
       (SELECT names FROM key WHERE indrelid = t.oid AND indisprimary),
       (SELECT names FROM key WHERE indrelid = t.oid
        AND CASE t.relreplident WHEN 'i' THEN indisreplident ELSE indisprimary END),
       leaves.identity, leaves.rows
FROM pg_class t
CROSS JOIN LATERAL (
  SELECT min(CASE c.relreplident
             WHEN 'f' THEN 2
             WHEN 'd' THEN EXISTS (SELECT FROM pg_index i
                                   WHERE i.indrelid = c.oid AND i.indisprimary
                                     AND i.indimmediate)::int
             WHEN 'i' THEN EXISTS (SELECT FROM pg_index i
                                   WHERE i.indrelid = c.oid AND i.indisreplident)::int
             ELSE 0 END) AS identity,
         CASE WHEN min(c.reltuples) >= 0 THEN sum(c.reltuples)::bigint END AS rows
  FROM pg_class c
  WHERE c.oid IN (SELECT t.oid WHERE t.relkind <> 'p'
                  UNION ALL
                  SELECT l.relid FROM pg_partition_tree(t.oid) l
                  WHERE t.relkind = 'p' AND l.isleaf)
) leaves
WHERE t.oid = ANY ($1)";

async fn summaries(
    session: &Session,
    oids: &[u32],
) -> Result<HashMap<u32, Description>, SourceError> {
    session
        .read("describe the tables", SUMMARIES, &[&oids], |row| {
            let partitioned = row.try_get(1)?;
            let primary_key: Vec<String> = row.try_get::<_, Option<_>>(2)?.unwrap_or_default();
            let identity_key = row.try_get::<_, Option<_>>(3)?.unwrap_or_default();
            // A partitioned table without partitions logs nothing; it stands as its key stands.
            let identity =
                row.try_get::<_, Option<i32>>(4)?.unwrap_or(i32::from(!primary_key.is_empty()));
            let rows: Option<i64> = row.try_get(5)?;
            Ok((
                row.try_get(0)?,
                Description {
                    columns: Vec::new(),
                    primary_key,
                    identity_key,
                    identity: replica_identity(identity),
                    rows_estimate: rows.and_then(|rows| u64::try_from(rows).ok()),
                    partitioned,
                },
            ))
        })
        .await
}

fn replica_identity(rank: i32) -> ReplicaIdentity {
    match rank {
        2 => ReplicaIdentity::Full,
        1 => ReplicaIdentity::Key,
        _ => ReplicaIdentity::Nothing,
    }
}

struct ColumnRow {
    table: u32,
    type_oid: u32,
    described: Described,
}

/// <https://www.postgresql.org/docs/current/catalog-pg-attribute.html>
const COLUMNS: &str = "
SELECT attrelid, attname, atttypid, format_type(atttypid, atttypmod), attgenerated <> '',
       NOT attnotnull
FROM pg_attribute
WHERE attrelid = ANY ($1) AND attnum > 0 AND NOT attisdropped
ORDER BY attrelid, attnum";

async fn columns(session: &Session, oids: &[u32]) -> Result<Vec<ColumnRow>, SourceError> {
    session
        .read("list the columns", COLUMNS, &[&oids], |row| {
            let column = Column {
                name: row.try_get(1)?,
                kind: ColumnKind::Other,
                type_name: row.try_get(3)?,
                missing_in_log: false,
            };
            let described =
                Described { column, generated: row.try_get(4)?, nullable: row.try_get(5)? };
            Ok(ColumnRow { table: row.try_get(0)?, type_oid: row.try_get(2)?, described })
        })
        .await
}

/// <https://www.postgresql.org/docs/current/catalog-pg-index.html>
///
/// Beyond `indnkeyatts` an index holds columns that are only carried along.
const PRIMARY_KEY: &str = "
SELECT a.attname
FROM pg_index i
CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
WHERE i.indrelid = $1 AND i.indisprimary AND k.place <= i.indnkeyatts
ORDER BY k.place";

/// The columns of a table's primary key, in key order; none without one.
///
/// The log cannot be asked: under `REPLICA IDENTITY FULL` it flags every column as key.
pub async fn primary_key(session: &Session, oid: u32) -> Result<Vec<String>, SourceError> {
    let doing = format!("read the primary key of table {oid}");
    session.read(&doing, PRIMARY_KEY, &[&oid], |row| row.try_get(0)).await
}

/// <https://www.postgresql.org/docs/current/catalog-pg-class.html>
const SHOWN: &str = "SELECT 1 FROM pg_class WHERE oid = $1";

/// Whether the catalogue shows this table to us.
pub(crate) async fn is_shown(session: &Session, oid: u32) -> Result<bool, SourceError> {
    let doing = format!("look for table {oid}");
    let found: Vec<i32> = session.read(&doing, SHOWN, &[&oid], |row| row.try_get(0)).await?;
    Ok(!found.is_empty())
}

/// <https://www.postgresql.org/docs/current/catalog-pg-type.html>
///
/// A domain stands for its base type, through any number of domains.
const BASE_TYPES: &str = "
WITH RECURSIVE base AS (
  SELECT t.oid AS asked, t.oid, t.typtype, t.typbasetype, t.typcategory
  FROM pg_type t WHERE t.oid = ANY ($1)
  UNION
  SELECT b.asked, t.oid, t.typtype, t.typbasetype, t.typcategory
  FROM base b JOIN pg_type t ON t.oid = b.typbasetype WHERE b.typtype = 'd'
)
SELECT asked, oid, format_type(asked, NULL),
       typtype = 'e' OR (typtype = 'b' AND typcategory = 'S')
FROM base WHERE typtype <> 'd'";

/// What the values of types are: domains as their base types, enums and the text types of
/// extensions as text, everything composed as nothing this connector takes apart.
pub async fn base_types(
    session: &Session,
    oids: &[u32],
) -> Result<HashMap<u32, BaseType>, SourceError> {
    let base_type = |row: &Row| {
        let text = row.try_get::<_, bool>(3)?.then_some(ColumnKind::Text);
        let kind = values::kind(row.try_get(1)?).or(text);
        Ok((row.try_get(0)?, BaseType { kind, type_name: row.try_get(2)? }))
    };
    session.read("look up the types", BASE_TYPES, &[&oids], base_type).await
}
