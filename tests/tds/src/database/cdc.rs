//! What change data capture keeps: instances with their change tables, and commits by time.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use super::CaptureJob;
use super::table::{Cells, Key};
use crate::Lsn;
use crate::value::Value;
use crate::value::kind::{Kind, Type};
use crate::value::order::append_key;

/// Everything in the schema `cdc`, and the job that fills it.
#[derive(Clone, Debug)]
pub(crate) struct Cdc {
    pub(crate) instances: Vec<Instance>,
    pub(crate) mapping: BTreeMap<Lsn, Entry>,
    /// What the job has not read yet.
    pub(crate) pending: VecDeque<Logged>,
    pub(crate) job: CaptureJob,
    pub(crate) ddl: Vec<Ddl>,
    pub(crate) errors: Vec<CaptureError>,
    /// Minutes.
    pub(crate) retention: i64,
    /// When the job last read the log, in units of 100 ns UTC.
    pub(crate) scanned: i64,
    pub(crate) scans: i64,
    /// Counts what the job writes: a snapshot sees no more than there was.
    pub(crate) written: u64,
}

/// A row of `cdc.lsn_time_mapping`; times are UTC here.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) written: u64,
    pub(crate) begun: i64,
    pub(crate) ended: i64,
    /// Zero for an idle entry.
    pub(crate) transaction: Vec<u8>,
    pub(crate) begin_lsn: Lsn,
}

/// Something in the log.
#[derive(Clone, Debug)]
pub(crate) enum Logged {
    Commit(Committed),
    Ddl { table: i32, command: String, lsn: Lsn, at: i64, retyped: bool },
}

/// A committed transaction, as the log has it.
#[derive(Clone, Debug)]
pub(crate) struct Committed {
    pub(crate) lsn: Lsn,
    pub(crate) begin_lsn: Lsn,
    pub(crate) begun: i64,
    pub(crate) ended: i64,
    pub(crate) number: u64,
    pub(crate) changes: Vec<RowLogged>,
}

/// One row change; which images there are makes the operation.
#[derive(Clone, Debug)]
pub(crate) struct RowLogged {
    pub(crate) table: i32,
    pub(crate) seqval: Lsn,
    pub(crate) command: i32,
    pub(crate) before: Option<Cells>,
    pub(crate) after: Option<Cells>,
    /// The ids of the columns the images have.
    pub(crate) layout: Arc<[i32]>,
}

/// A row of `cdc.ddl_history`.
#[derive(Clone, Debug)]
pub(crate) struct Ddl {
    pub(crate) source: i32,
    pub(crate) object: i32,
    pub(crate) retyped: bool,
    pub(crate) command: String,
    pub(crate) lsn: Lsn,
    pub(crate) at: i64,
}

/// A row of `sys.dm_cdc_errors`.
#[derive(Clone, Debug)]
pub(crate) struct CaptureError {
    pub(crate) at: i64,
    pub(crate) number: i32,
    pub(crate) message: String,
}

/// A capture instance with its change table.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    pub(crate) name: String,
    /// The captured table.
    pub(crate) source: i32,
    /// The change table.
    pub(crate) object: i32,
    pub(crate) columns: Vec<Captured>,
    /// Names of the key columns, in key order.
    pub(crate) key: Vec<String>,
    pub(crate) role: Option<String>,
    /// The low-water mark; at first where it was enabled.
    pub(crate) start_lsn: Lsn,
    pub(crate) created: i64,
    pub(crate) has_command_id: bool,
    pub(crate) rows: BTreeMap<Key, (u64, Cells)>,
    /// What the rows being written count as.
    pub(crate) writing: u64,
    /// Tells rows apart that are the same in every part of the order.
    serial: i64,
}

/// A captured column.
#[derive(Clone, Debug)]
pub(crate) struct Captured {
    pub(crate) id: i32,
    pub(crate) name: String,
    pub(crate) of: Type,
    pub(crate) computed: bool,
    /// Counts from 1; its bit of the update mask.
    pub(crate) ordinal: i32,
}

/// Where the parts of the order are in a row of a change table.
const START_LSN: usize = 0;
const SEQVAL: usize = 2;
const OPERATION: usize = 3;
/// How many columns stand before the captured ones.
pub(crate) const BEFORE: usize = 5;

impl Cdc {
    pub(crate) fn new(now: i64) -> Self {
        Self {
            instances: Vec::new(),
            mapping: BTreeMap::new(),
            pending: VecDeque::new(),
            job: CaptureJob::Running,
            ddl: Vec::new(),
            errors: Vec::new(),
            retention: 4320,
            scanned: now,
            scans: 0,
            written: 0,
        }
    }

    pub(crate) fn instance(&self, name: &str) -> Option<&Instance> {
        self.instances.iter().find(|instance| instance.name.eq_ignore_ascii_case(name))
    }

    pub(crate) fn instance_mut(&mut self, name: &str) -> Option<&mut Instance> {
        self.instances.iter_mut().find(|instance| instance.name.eq_ignore_ascii_case(name))
    }
}

impl Instance {
    pub(crate) fn new(name: &str, (source, object): (i32, i32), start_lsn: Lsn, now: i64) -> Self {
        Self {
            name: name.to_owned(),
            source,
            object,
            columns: Vec::new(),
            key: Vec::new(),
            role: None,
            start_lsn,
            created: now,
            has_command_id: true,
            rows: BTreeMap::new(),
            writing: 0,
            serial: 0,
        }
    }

    /// The name of its change table.
    pub(crate) fn change_table(&self) -> String {
        format!("{}_CT", self.name)
    }

    /// The columns of its change table.
    pub(crate) fn change_columns(&self) -> Vec<(String, Type)> {
        let mask = Kind::VarBinary(Some(128));
        let before = [
            ("__$start_lsn", Kind::Binary(10)),
            ("__$end_lsn", Kind::Binary(10)),
            ("__$seqval", Kind::Binary(10)),
            ("__$operation", Kind::Int),
            ("__$update_mask", mask),
        ];
        let before = before.into_iter().map(|(name, kind)| (name.to_owned(), kind.into()));
        let captured = self.columns.iter().map(|column| (column.name.clone(), column.of));
        let command = [("__$command_id".to_owned(), Kind::Int.into())];
        let command = command.into_iter().filter(|_| self.has_command_id);
        before.chain(captured).chain(command).collect()
    }

    /// The places of the columns by which a change table is sorted.
    pub(crate) fn order(&self) -> Vec<usize> {
        let command = BEFORE + self.columns.len();
        if self.has_command_id {
            vec![START_LSN, command, SEQVAL, OPERATION]
        } else {
            vec![START_LSN, SEQVAL, OPERATION]
        }
    }

    /// Adds a row, cells in the order of [`Self::change_columns`].
    pub(crate) fn push(&mut self, cells: Vec<Value>) {
        let mut key = Vec::with_capacity(96);
        for cell in self.order().iter().filter_map(|place| cells.get(*place)) {
            // The order is of numbers and bytes, which no type makes sort otherwise.
            append_key(&mut key, cell, Kind::Int.into());
        }
        self.serial += 1;
        append_key(&mut key, &Value::Int(self.serial), Kind::BigInt.into());
        self.rows.insert(key.into(), (self.writing, cells.into()));
    }

    /// At most `limit` rows within the bounds, as a snapshot sees them, in order or backwards.
    pub(crate) fn scan(
        &self,
        written: u64,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
        (limit, backwards): (usize, bool),
    ) -> Vec<(Key, Cells)> {
        let rows = self.rows.range::<[u8], _>(bounds).filter(|(_, (at, _))| *at <= written);
        let rows = rows.map(|(key, (_, cells))| (key.clone(), Cells::clone(cells)));
        if backwards { rows.rev().take(limit).collect() } else { rows.take(limit).collect() }
    }

    /// A column was given another type: the change table follows.
    pub(crate) fn retype(&mut self, id: i32, of: Type, convert: impl Fn(&Value) -> Value) {
        let Some(place) = self.columns.iter().position(|column| column.id == id) else { return };
        if let Some(column) = self.columns.get_mut(place) {
            column.of = of;
        }
        for (_, row) in self.rows.values_mut() {
            let mut cells = row.to_vec();
            if let Some(cell) = cells.get_mut(BEFORE + place) {
                *cell = convert(cell);
            }
            *row = cells.into();
        }
    }

    /// Forgets what is older, and says so by the low-water mark.
    pub(crate) fn clean_up(&mut self, before: Lsn) {
        if before <= self.start_lsn {
            return;
        }
        self.start_lsn = before;
        let old = |cells: &Cells| matches!(cells.get(START_LSN), Some(Value::Bytes(lsn)) if lsn.as_ref() < before.as_bytes());
        self.rows.retain(|_, (_, cells)| !old(cells));
    }

    /// The update mask with the bits of some columns: bit 0 of the last byte is ordinal 1.
    pub(crate) fn mask(&self, changed: impl Fn(&Captured) -> bool) -> Vec<u8> {
        let highest = self.columns.iter().map(|column| column.ordinal).max().unwrap_or(1);
        let place = |ordinal: i32| usize::try_from(ordinal - 1).unwrap_or(0);
        let length = place(highest) / 8 + 1;
        let mut mask = vec![0_u8; length];
        for column in self.columns.iter().filter(|column| changed(column)) {
            let bit = place(column.ordinal);
            if let Some(byte) = mask.get_mut(length - 1 - bit / 8) {
                *byte |= 1 << (bit % 8);
            }
        }
        mask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_update_mask_counts_from_its_last_byte() {
        let mut instance = Instance::new("dbo_T", (1, 2), Lsn::ZERO, 0);
        instance.columns = (1..=9)
            .map(|ordinal| Captured {
                id: ordinal,
                name: format!("c{ordinal}"),
                of: Kind::Int.into(),
                computed: false,
                ordinal,
            })
            .collect();
        assert_eq!(instance.mask(|_| true), [0x01, 0xff]);
        assert_eq!(instance.mask(|column| column.ordinal == 9), [0x01, 0x00]);
        assert_eq!(instance.mask(|column| column.ordinal == 2), [0x00, 0x02]);
    }

    #[test]
    fn cleaning_up_never_moves_the_low_water_mark_back() {
        let mut instance = Instance::new("dbo_T", (1, 2), Lsn::new(1, 2, 3), 0);
        instance.clean_up(Lsn::new(1, 2, 2));
        assert_eq!(instance.start_lsn, Lsn::new(1, 2, 3));
    }
}
