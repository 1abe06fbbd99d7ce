//! What capture has written: commits and changes, one function per query.
//!
//! The tables of the schema `cdc` are read directly. The server's own functions would refuse a
//! range that was cleaned away, with an error; the tables give what is left of it without a word.
//! So whoever reads changes must look at the low-water marks as well, and *after* reading
//! ([`low_water_marks`]).

use std::collections::HashMap;

use erpbridge_connector::{SourceError, Timestamp};

use crate::catalog::{Instance, Shape, begin, not_enabled, senseless};
use crate::position::Lsn;
use crate::session::{Parameter, Row, Session};
use crate::sql;

/// An entry of `cdc.lsn_time_mapping`: a captured transaction, or that there was none for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The place of the commit.
    pub lsn: Lsn,
    /// The place where the transaction began.
    pub begin: Lsn,
    /// When it was committed, in microseconds of the server's local time.
    pub local: i64,
    /// The same in UTC, by the difference there is now: the server does not say what it was then.
    pub at: Timestamp,
    /// The transaction's own id; all zeros where there was none.
    pub transaction: Vec<u8>,
}

impl Commit {
    /// The transaction's id for people.
    pub fn id(&self) -> String {
        let digits = self.transaction.iter().map(|byte| format!("{byte:02x}"));
        std::iter::once("0x".to_owned()).chain(digits).collect()
    }
}

/// <https://learn.microsoft.com/en-us/sql/relational-databases/system-tables/cdc-lsn-time-mapping-transact-sql>
const COMMITS: &str = "
SELECT TOP (@P1) m.start_lsn, m.tran_begin_lsn, CAST(m.tran_end_time AS datetime2(3)), m.tran_id,
       SYSDATETIMEOFFSET()
FROM cdc.lsn_time_mapping AS m
WHERE m.start_lsn > @P2
ORDER BY m.start_lsn";

/// The next entries after a place, in commit order.
pub async fn commits(
    session: &mut Session,
    after: Lsn,
    most: usize,
) -> Result<Vec<Commit>, SourceError> {
    let doing = "read the captured commits";
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let asked = [Parameter::Integer(most), Parameter::Bytes(after.as_bytes())];
    let rows = session.patient_rows(doing, COMMITS, &asked).await.map_err(not_enabled)?;
    rows.iter().map(|row| commit(row).ok_or_else(|| senseless(doing))).collect()
}

/// <https://learn.microsoft.com/en-us/sql/relational-databases/system-tables/cdc-lsn-time-mapping-transact-sql>
///
/// An aggregate would do as well, but compatible servers have none for binary values.
const NEWEST: &str = "
SELECT TOP (1) m.start_lsn, m.tran_begin_lsn, CAST(m.tran_end_time AS datetime2(3)), m.tran_id,
       SYSDATETIMEOFFSET()
FROM cdc.lsn_time_mapping AS m
ORDER BY m.start_lsn DESC";

/// The newest entry, and the server's time now; none before capture has begun.
pub async fn newest(session: &mut Session) -> Result<Option<(Commit, Timestamp)>, SourceError> {
    let doing = "look for the newest captured commit";
    let row = session.row(doing, NEWEST, &[]).await.map_err(not_enabled)?;
    let Some(row) = row else { return Ok(None) };
    let now = row.cell(4).micros().map(Timestamp::from_micros);
    commit(&row).zip(now).map(Some).ok_or_else(|| senseless(doing))
}

fn commit(row: &Row) -> Option<Commit> {
    let lsn = row.bytes(0).and_then(Lsn::from_bytes)?;
    let local = row.cell(2).micros().unwrap_or_default();
    let ahead = row.cell(4).minutes_ahead()?;
    Some(Commit {
        lsn,
        begin: row.bytes(1).and_then(Lsn::from_bytes).unwrap_or(Lsn::ZERO),
        local,
        at: Timestamp::from_micros(local - i64::from(ahead) * 60_000_000),
        transaction: row.bytes(3).unwrap_or_default().to_vec(),
    })
}

/// <https://learn.microsoft.com/en-us/sql/relational-databases/system-tables/cdc-change-tables-transact-sql>
const LOW_WATER_MARKS: &str = "SELECT ct.object_id, ct.start_lsn FROM cdc.change_tables AS ct";

/// Where the changes of each instance begin now, by the change table's object id; without those
/// of which it is not known yet.
pub async fn low_water_marks(session: &mut Session) -> Result<HashMap<i64, Lsn>, SourceError> {
    let doing = "read the low-water marks";
    let rows = session.patient_rows(doing, LOW_WATER_MARKS, &[]).await?;
    let mark = |row: &Row| Some((row.integer(0)?, begin(row.bytes(1))?));
    Ok(rows.iter().filter_map(mark).collect())
}

/// <https://learn.microsoft.com/en-us/sql/relational-databases/system-tables/cdc-ddl-history-transact-sql>
const NEWEST_DDL: &str = "
SELECT TOP (1) d.ddl_lsn FROM cdc.ddl_history AS d ORDER BY d.ddl_lsn DESC";

/// The place of the newest change of a captured table's shape.
pub async fn newest_ddl(session: &mut Session) -> Result<Option<Lsn>, SourceError> {
    let doing = "look for changes of shape";
    let row = session.row(doing, NEWEST_DDL, &[]).await?;
    Ok(row.and_then(|row| row.bytes(0).and_then(Lsn::from_bytes)))
}

/// <https://learn.microsoft.com/en-us/sql/relational-databases/system-tables/cdc-ddl-history-transact-sql>
const DDL_SINCE: &str = "
SELECT TOP (@P1) d.source_object_id, d.ddl_command
FROM cdc.ddl_history AS d
WHERE d.ddl_lsn > @P2
ORDER BY d.ddl_lsn";

/// So many changes of shape are told at once.
const MOST_DDL: i64 = 100;

/// The changes of shape behind a place: of which table, and the statement that made them.
pub async fn ddl_since(
    session: &mut Session,
    after: Lsn,
) -> Result<Vec<(i64, String)>, SourceError> {
    let asked = [Parameter::Integer(MOST_DDL), Parameter::Bytes(after.as_bytes())];
    let rows = session.patient_rows("read the changes of shape", DDL_SINCE, &asked).await?;
    Ok(rows.iter().filter_map(|row| Some((row.integer(0)?, row.string(1)))).collect())
}

/// From behind one place up to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Nothing of this place or before it.
    pub after: Lsn,
    /// Nothing behind this place.
    pub up_to: Lsn,
}

/// So many change tables are asked about in one statement.
const TABLES_AT_ONCE: usize = 100;

/// Which of these instances have changes in the range, as places in the list. One statement for
/// many tables costs the server an index look-up each.
pub async fn changed(
    session: &mut Session,
    instances: &[&Instance],
    range: Range,
) -> Result<Vec<usize>, SourceError> {
    let mut changed = Vec::new();
    for (part, instances) in instances.chunks(TABLES_AT_ONCE).enumerate() {
        let bounds =
            [Parameter::Bytes(range.after.as_bytes()), Parameter::Bytes(range.up_to.as_bytes())];
        let rows = session.patient_rows("look for changes", &any_sql(instances), &bounds).await?;
        let places = rows.iter().filter_map(|row| usize::try_from(row.integer(0)?).ok());
        changed.extend(places.map(|place| part * TABLES_AT_ONCE + place));
    }
    changed.sort_unstable();
    Ok(changed)
}

fn any_sql(instances: &[&Instance]) -> String {
    let asked = instances.iter().enumerate().map(|(place, instance)| {
        let table = sql::change_table(&instance.name);
        format!(
            "SELECT {place} AS place WHERE EXISTS (SELECT 1 FROM {table} AS c \
             WHERE c.[__$start_lsn] > @P1 AND c.[__$start_lsn] <= @P2)"
        )
    });
    asked.collect::<Vec<_>>().join(" UNION ALL ")
}

/// A row of a change table.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Where in the order of its table.
    pub place: ChangePlace,
    /// Which columns an update changed.
    pub mask: Vec<u8>,
    row: Row,
}

/// The order of a change table: its index, which tells each row from every other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangePlace {
    /// The commit.
    pub lsn: Lsn,
    /// The place of the command in the transaction; 0 where the server does not tell it.
    pub command: i64,
    /// The place of the log record.
    pub record: Lsn,
    /// 1 delete, 2 insert, 3 before an update, 4 after it.
    pub operation: i64,
}

/// The columns before those of the table.
const OWN_COLUMNS: usize = 5;

impl Change {
    /// Puts one together.
    pub fn new(place: ChangePlace, mask: Vec<u8>, cells: Vec<crate::cell::Cell>) -> Self {
        let own = std::iter::repeat_n(crate::cell::Cell::Null, OWN_COLUMNS);
        Self { place, mask, row: Row::from(own.chain(cells).collect::<Vec<_>>()) }
    }

    /// The cells of the table's columns.
    pub fn cells(&self) -> &[crate::cell::Cell] {
        self.row.cells_from(OWN_COLUMNS)
    }

    /// About how many bytes it takes.
    pub fn weight(&self) -> usize {
        self.row.weight()
    }

    /// Whether the update changed the column with this place in the mask, from 1. The last byte
    /// holds the first eight columns.
    pub fn changed(&self, ordinal: usize) -> bool {
        let place = ordinal.saturating_sub(1);
        let byte = self.mask.iter().rev().nth(place / 8);
        byte.is_some_and(|byte| byte & (1 << (place % 8)) != 0)
    }
}

/// The next changes of an instance in the order of its table, behind the last one read.
pub async fn changes(
    session: &mut Session,
    (instance, shape): (&Instance, &Shape),
    range: Range,
    behind: Option<ChangePlace>,
    most: usize,
) -> Result<Vec<Change>, SourceError> {
    let doing = format!("read the changes of instance `{}`", instance.name);
    let most = Parameter::Integer(i64::try_from(most).unwrap_or(i64::MAX));
    let up_to = Parameter::Bytes(range.up_to.as_bytes());
    let rows = if let Some(last) = &behind {
        let asked = [
            most,
            Parameter::Bytes(last.lsn.as_bytes()),
            up_to,
            Parameter::Bytes(last.record.as_bytes()),
            Parameter::Integer(last.operation),
            Parameter::Integer(last.command),
        ];
        let asked = asked.get(..if instance.ordered { 6 } else { 5 }).unwrap_or_default();
        session.patient_rows(&doing, &changes_sql(instance, shape, true), asked).await?
    } else {
        let asked = [most, Parameter::Bytes(range.after.as_bytes()), up_to];
        session.patient_rows(&doing, &changes_sql(instance, shape, false), &asked).await?
    };
    rows.into_iter().map(|row| change(row).ok_or_else(|| senseless(&doing))).collect()
}

fn change(row: Row) -> Option<Change> {
    let place = ChangePlace {
        lsn: row.bytes(0).and_then(Lsn::from_bytes)?,
        command: row.integer(1)?,
        record: row.bytes(2).and_then(Lsn::from_bytes)?,
        operation: row.integer(3)?,
    };
    let mask = row.bytes(4).unwrap_or_default().to_vec();
    Some(Change { place, mask, row })
}

/// Both the order and the place to go on from are the whole index of the change table: a page may
/// end anywhere, inside a transaction and between the two halves of an update.
fn changes_sql(instance: &Instance, shape: &Shape, behind: bool) -> String {
    let columns: String =
        shape.columns.iter().flat_map(|column| [", ", column.selected.as_str()]).collect();
    let command = if instance.ordered { "[__$command_id]" } else { "0" };
    let order = if instance.ordered { "[__$command_id], " } else { "" };
    // The first half says nothing new. It is there for the server, which looks for the begin of a
    // range in the index by it, and by an OR may not.
    let from = if behind {
        format!("[__$start_lsn] >= @P2 AND ({})", behind_sql(instance.ordered))
    } else {
        "[__$start_lsn] > @P2".to_owned()
    };
    format!(
        "SELECT TOP (@P1) [__$start_lsn], {command}, [__$seqval], [__$operation], \
         [__$update_mask]{columns} FROM {table} WHERE {from} AND [__$start_lsn] <= @P3 \
         ORDER BY [__$start_lsn], {order}[__$seqval], [__$operation]",
        table = sql::change_table(&instance.name)
    )
}

fn behind_sql(ordered: bool) -> String {
    let record = "([__$seqval] > @P4 OR ([__$seqval] = @P4 AND [__$operation] > @P5))";
    let command = if ordered {
        format!("([__$command_id] > @P6 OR ([__$command_id] = @P6 AND {record}))")
    } else {
        record.to_owned()
    };
    format!("[__$start_lsn] > @P2 OR ([__$start_lsn] = @P2 AND {command})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_counts_from_its_last_byte() {
        let place = ChangePlace { lsn: Lsn::ZERO, command: 1, record: Lsn::ZERO, operation: 4 };
        let change = Change::new(place, vec![0b0000_0001, 0b0000_0100], Vec::new());
        let changed: Vec<usize> = (1..=20).filter(|place| change.changed(*place)).collect();
        assert_eq!(changed, [3, 9]);
    }

    #[test]
    fn a_page_goes_on_by_the_very_order_it_is_read_in() {
        assert_eq!(
            behind_sql(true),
            "[__$start_lsn] > @P2 OR ([__$start_lsn] = @P2 AND ([__$command_id] > @P6 OR \
             ([__$command_id] = @P6 AND ([__$seqval] > @P4 OR ([__$seqval] = @P4 AND \
             [__$operation] > @P5)))))"
        );
        assert!(!behind_sql(false).contains("command"));
    }
}
