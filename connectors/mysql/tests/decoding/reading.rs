//! Reads the files of a log, with or without the transport's framing.

use std::collections::{BTreeMap, HashMap};
use std::io::Cursor;
use std::sync::Arc;

use erpbridge_connector::{
    Image, Operation, ReplicaIdentity, SourceError, SourceEvent, TableName, TableSelection, Value,
};
use erpbridge_mysql::assemble::{Assembler, Known, Limits, Next, Outbox};
use erpbridge_mysql::binlog::{Decoder, Event, Family, Located};
use erpbridge_mysql::position::{Coordinates, FIRST_OFFSET, Identity, Places, Reached, Server};
use erpbridge_mysql::shape::TableShape;
use mysql_common::binlog::EventStreamReader;
use mysql_common::binlog::consts::{BinlogVersion, EventType};
use mysql_common::binlog::events::TransactionPayloadEvent;

pub(crate) const DATABASE: &str = "erp";

/// Wants every table of the test's database but those whose names begin with `scratch`.
struct Wants;

impl TableSelection for Wants {
    fn wants(&self, table: &TableName) -> bool {
        table.schema == DATABASE && !table.table.starts_with("scratch")
    }

    fn named(&self) -> Vec<TableName> {
        vec![TableName::new(DATABASE, "item")]
    }
}

/// One change as a test compares it; `~` is null and `?` absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) table: String,
    pub(crate) operation: Operation,
    pub(crate) transaction: String,
    pub(crate) ordinal: u64,
    pub(crate) before: Option<Vec<String>>,
    pub(crate) after: Option<Vec<String>>,
}

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) rows: Vec<Told>,
    pub(crate) events: Vec<SourceEvent>,
    pub(crate) reached: Option<Reached>,
    /// How often each type of event came.
    pub(crate) kinds: HashMap<u8, usize>,
}

/// How a log is read.
pub(crate) struct Reading {
    pub(crate) family: Family,
    pub(crate) limits: Limits,
    /// Whether to believe the log where it names the columns, and nobody else.
    pub(crate) by_names: bool,
    /// The tables as they are now.
    pub(crate) shapes: BTreeMap<String, TableShape>,
}

impl Reading {
    pub(crate) const LIMITS: Limits =
        Limits { batch_bytes: 1 << 20, window_bytes: 1 << 20, prepared_bytes: 1 << 20 };

    /// Files one after the other, from the place that was reached.
    pub(crate) fn files(
        &self,
        files: &[(String, Vec<u8>)],
        reached: Reached,
        known: Known,
    ) -> Result<Log, SourceError> {
        let from = reached.read_from().clone();
        let mut run = Run::new(self, reached, known);
        for (file, bytes) in files {
            if *file != run.decoder.at().file {
                // A server that died wrote no rotation; the dump thread would make one up.
                let at = Coordinates::new(file.clone(), FIRST_OFFSET);
                run.decoder = Decoder::new(self.family, Some(at));
            }
            run.file(bytes, &from)?;
        }
        Ok(run.end())
    }

    /// One whole file, framed by the transport, which also inflates what is in it.
    pub(crate) fn framed(&self, name: &str, bytes: &[u8]) -> Result<Log, SourceError> {
        let reached = Reached::new(Coordinates::new(name, FIRST_OFFSET));
        let mut run = Run::new(self, reached, Known::Nothing);
        let mut frames = EventStreamReader::new(BinlogVersion::Version4);
        let mut rest = Cursor::new(&bytes[4..]);
        while let Some(event) = frames.read(&mut rest).unwrap() {
            run.frame(&event)?;
            if event.header().event_type_raw() == EventType::TRANSACTION_PAYLOAD_EVENT as u8 {
                let payload = event.read_event::<TransactionPayloadEvent<'_>>().unwrap();
                let mut inner = Cursor::new(payload.danger_decompress());
                while let Some(event) = frames.read_decompressed(&mut inner).unwrap() {
                    run.frame(&event)?;
                }
            }
        }
        Ok(run.end())
    }
}

struct Run<'a> {
    reading: &'a Reading,
    decoder: Decoder,
    assembler: Assembler,
    log: Log,
    out: Outbox,
}

impl<'a> Run<'a> {
    fn new(reading: &'a Reading, reached: Reached, known: Known) -> Self {
        let places = Places::Streaming(Identity { server: Server::Id(1), era: 0 });
        let decoder = Decoder::new(reading.family, Some(reached.read_from().clone()));
        let assembler = Assembler::new(Arc::new(Wants), places, reading.limits, reached, known);
        Self { reading, decoder, assembler, log: Log::default(), out: Outbox::new() }
    }

    /// The packets of a file from a place on; its first event comes in any case, as on the wire.
    fn file(&mut self, bytes: &[u8], from: &Coordinates) -> Result<(), SourceError> {
        let mut at = 4;
        while at < bytes.len() {
            let size = u32::from_le_bytes(bytes[at + 9..at + 13].try_into().unwrap());
            let end = at + usize::try_from(size).unwrap();
            let place = u64::try_from(at).unwrap();
            let before = self.decoder.at().file == from.file && place < from.offset && at > 4;
            if !before {
                let packet = self.decoder.packet_of_bytes(&bytes[at..end]).unwrap();
                let located = self.decoder.take(packet).unwrap();
                if !matches!(located.event, Event::Rotate) && at > 4 {
                    let ends = u64::try_from(end).unwrap();
                    assert_eq!((located.begins, located.ends), (place, ends));
                }
                step(self.reading, &mut self.assembler, &located, &mut self.log, &mut self.out)?;
            }
            at = end;
        }
        Ok(())
    }

    fn frame(&mut self, event: &mysql_common::binlog::events::Event) -> Result<(), SourceError> {
        let packet = self.decoder.packet(event).unwrap();
        let located = self.decoder.take(packet).unwrap();
        step(self.reading, &mut self.assembler, &located, &mut self.log, &mut self.out)
    }

    fn end(mut self) -> Log {
        self.assembler.flush(&mut self.out);
        self.log.reached = Some(self.assembler.reached().clone());
        self.log.rows = self.out.iter().flat_map(rows_of).collect();
        self.log.events = self.out.into();
        self.log
    }
}

fn step(
    reading: &Reading,
    assembler: &mut Assembler,
    located: &Located<'_>,
    log: &mut Log,
    out: &mut Outbox,
) -> Result<(), SourceError> {
    *log.kinds.entry(located.header.kind).or_default() += 1;
    match assembler.take(located, out)? {
        Next::On | Next::Changed(_) => Ok(()),
        Next::Shape(announcement) => {
            let (map, columns) = (announcement.map(), announcement.columns().unwrap());
            let known = reading.shapes.get(&announcement.name.table);
            let trusted = known.filter(|_| !reading.by_names);
            let shape = TableShape::named(&map, &columns, trusted);
            let shape = shape.or_else(|| known.cloned()).unwrap();
            assembler.announce(&announcement, &shape, ReplicaIdentity::Full, out)
        }
        Next::Truncated(tables) => {
            let schema =
                |name: &TableName| reading.shapes[&name.table].schema(ReplicaIdentity::Full);
            let tables = tables.iter().map(|name| Arc::new(schema(name))).collect();
            assembler.truncate(tables, located, out)
        }
    }
}

fn rows_of(event: &SourceEvent) -> Vec<Told> {
    let SourceEvent::Changes(batch) = event else { return Vec::new() };
    batch
        .changes()
        .map(|change| Told {
            table: change.table().name.table.clone(),
            operation: change.operation(),
            transaction: change.transaction().id.to_string(),
            ordinal: change.ordinal(),
            before: change.before().map(texts),
            after: change.after().map(texts),
        })
        .collect()
}

fn texts(image: Image<'_>) -> Vec<String> {
    let text = |value| match value {
        Value::Absent => "?".to_owned(),
        Value::Null => "~".to_owned(),
        Value::Text(text) => text.to_owned(),
    };
    image.values().map(text).collect()
}
