//! What the bridge's confirmations are good for here.
//!
//! SQL Server keeps changes by the clock and asks nobody, so there is nothing to acknowledge to
//! it. But a confirmed position tells an operator when the older of two capture instances of a
//! table may be dropped: not when we have read past it, because a bridge that is killed then reads
//! its last part again, but when everything before the younger one's begin is durable.

use std::collections::HashSet;

use erpbridge_connector::Position;
use tokio::sync::watch;

use crate::position::{LogPosition, Lsn};
use crate::relations::Followed;
use crate::sql::literal;

/// Tells once per instance.
#[derive(Debug, Default)]
pub struct Feedback {
    told: HashSet<i64>,
}

impl Feedback {
    /// Says which instances may be dropped by what is confirmed.
    pub fn tell(&mut self, confirmed: &watch::Receiver<Option<Position>>, tables: &[Followed]) {
        let Some(confirmed) = confirmed.borrow().as_ref().and_then(place) else { return };
        for (table, pair) in tables
            .iter()
            .flat_map(|table| table.instances.windows(2).map(move |pair| (table, pair)))
        {
            let [older, younger] = pair else { continue };
            let drained = younger.start <= confirmed.next();
            if drained && self.told.insert(older.instance.id) {
                tracing::info!(
                    table = %table.name,
                    instance = older.instance.name,
                    run = disable_instance(&older.instance),
                    "the older capture instance is drained and may be dropped"
                );
            }
        }
    }
}

fn place(position: &Position) -> Option<Lsn> {
    Some(LogPosition::read(position)?.place.lsn())
}

/// The statement that drops a capture instance.
pub fn disable_instance(instance: &crate::catalog::Instance) -> String {
    let (schema, table) = match &instance.table {
        Some(name) => (name.schema.as_str(), name.table.as_str()),
        None => ("", ""),
    };
    format!(
        "EXEC sys.sp_cdc_disable_table @source_schema = {}, @source_name = {}, \
         @capture_instance = {}",
        literal(schema),
        literal(table),
        literal(&instance.name)
    )
}
