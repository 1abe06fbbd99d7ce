//! Reads the log's files of a private server as the connector would read them off the wire.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::sync::Arc;

use erpbridge_connector::{
    Image, Operation, ReplicaIdentity, SourceError, SourceEvent, TableName, TableSelection, Value,
};
use erpbridge_mysql::assemble::{Assembler, Known, Limits, Next, Outbox};
use erpbridge_mysql::binlog::{Decoder, Event, Family, Located};
use erpbridge_mysql::position::{Coordinates, FIRST_OFFSET, Identity, Places, Reached, Server};
use erpbridge_mysql::shape::{ColumnShape, TableShape};
use erpbridge_test_support::{Flavour, Mysql};
use mysql_async::Row;

pub(crate) const DATABASE: &str = "erp";

const COLUMNS: &str = "SELECT table_name, column_name, data_type, column_type, \
    character_set_name, character_octet_length, datetime_precision, is_nullable, column_key, extra \
    FROM information_schema.columns WHERE table_schema = 'erp' ORDER BY table_name, ordinal_position";

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
pub(crate) struct Row1 {
    pub(crate) table: String,
    pub(crate) operation: Operation,
    pub(crate) transaction: String,
    pub(crate) ordinal: u64,
    pub(crate) before: Option<Vec<String>>,
    pub(crate) after: Option<Vec<String>>,
}

pub(crate) struct Lab {
    pub(crate) server: Mysql,
    /// Shapes that a test pins, where the ones of now are not those of the log.
    pub(crate) pinned: BTreeMap<String, TableShape>,
    pub(crate) limits: Limits,
    /// Whether to believe the log where it names the columns, and nobody else.
    pub(crate) by_names: bool,
}

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) rows: Vec<Row1>,
    pub(crate) events: Vec<SourceEvent>,
    pub(crate) reached: Option<Reached>,
    /// How often each type of event came.
    pub(crate) kinds: HashMap<u8, usize>,
}

impl Lab {
    pub(crate) async fn start(flavour: Flavour, settings: &[(&str, &str)]) -> Self {
        let builder = settings
            .iter()
            .fold(Mysql::builder(flavour), |builder, (name, value)| builder.setting(name, value));
        let server = builder.start().await.unwrap();
        server.create_database(DATABASE).await.unwrap();
        let limits =
            Limits { batch_bytes: 1 << 20, window_bytes: 1 << 20, prepared_bytes: 1 << 20 };
        Self { server, pinned: BTreeMap::new(), limits, by_names: false }
    }

    pub(crate) async fn run(&self, sql: &str) {
        self.server.execute_in(DATABASE, sql).await.unwrap();
    }

    pub(crate) fn family(&self) -> Family {
        match self.server.flavour() {
            Flavour::MariaDb => Family::MariaDb,
            Flavour::Mysql56 => Family::MySql,
        }
    }

    pub(crate) async fn shapes(&self) -> BTreeMap<String, TableShape> {
        let rows: Vec<Row> = self.server.query(COLUMNS).await.unwrap();
        let mut shapes: BTreeMap<String, TableShape> = BTreeMap::new();
        for row in rows {
            let table: String = row.get(0).unwrap();
            let column = column(&row);
            let shape = shapes.entry(table.clone()).or_insert_with(|| TableShape {
                schema: DATABASE.to_owned(),
                table,
                columns: Vec::new(),
            });
            shape.columns.push(column);
        }
        shapes.extend(self.pinned.clone());
        shapes
    }

    /// Everything the server has logged, or the error it ends with.
    pub(crate) async fn log(&self) -> Result<Log, SourceError> {
        let start = Coordinates::new("binlog.000001", FIRST_OFFSET);
        self.log_from(Reached::new(start), Known::Nothing).await
    }

    pub(crate) async fn log_from(
        &self,
        reached: Reached,
        known: Known,
    ) -> Result<Log, SourceError> {
        let identity = Identity { server: Server::Id(1), era: 0 };
        let from = reached.read_from().clone();
        let places = Places::Streaming(identity);
        let mut assembler = Assembler::new(Arc::new(Wants), places, self.limits, reached, known);
        let mut decoder = Decoder::new(self.family(), Some(from.clone()));
        let shapes = self.shapes().await;
        let (mut log, mut out) = (Log::default(), Outbox::new());
        for (file, bytes) in self.files(&from) {
            if file != decoder.at().file {
                // A server that died wrote no rotation; the dump thread would make one up.
                decoder = Decoder::new(self.family(), Some(Coordinates::new(file, FIRST_OFFSET)));
            }
            read_file(&bytes, &from, &mut decoder, |located| {
                *log.kinds.entry(located.header.kind).or_default() += 1;
                self.step(&mut assembler, located, &shapes, &mut out)
            })?;
        }
        assembler.flush(&mut out);
        log.reached = Some(assembler.reached().clone());
        log.rows = out.iter().flat_map(rows_of).collect();
        log.events = out.into();
        Ok(log)
    }

    fn step(
        &self,
        assembler: &mut Assembler,
        located: &Located<'_>,
        shapes: &BTreeMap<String, TableShape>,
        out: &mut Outbox,
    ) -> Result<(), SourceError> {
        match assembler.take(located, out)? {
            Next::On | Next::Changed(_) => Ok(()),
            Next::Shape(announcement) => {
                let (map, columns) = (announcement.map(), announcement.columns().unwrap());
                let known = shapes.get(&announcement.name.table);
                let shape = if self.by_names {
                    TableShape::named(&map, &columns, None)
                } else {
                    TableShape::named(&map, &columns, known)
                };
                let shape = shape.or_else(|| known.cloned()).unwrap();
                assembler.announce(&announcement, &shape, ReplicaIdentity::Full, out)
            }
            Next::Truncated(tables) => {
                let schema = |name: &TableName| shapes[&name.table].schema(ReplicaIdentity::Full);
                let tables = tables.iter().map(|name| Arc::new(schema(name))).collect();
                assembler.truncate(tables, located, out)
            }
        }
    }

    fn files(&self, from: &Coordinates) -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<_> = fs::read_dir(self.server.data())
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| {
                let name = entry.file_name().into_string().unwrap();
                name.starts_with("binlog.0") && name >= from.file
            })
            .map(|entry| {
                (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
            })
            .collect();
        files.sort();
        files
    }
}

/// The packets of a file from a place on; its first event comes in any case, as on the wire.
fn read_file(
    bytes: &[u8],
    from: &Coordinates,
    decoder: &mut Decoder,
    mut take: impl FnMut(&Located<'_>) -> Result<(), SourceError>,
) -> Result<(), SourceError> {
    let mut at = 4;
    while at < bytes.len() {
        let size = u32::from_le_bytes(bytes[at + 9..at + 13].try_into().unwrap());
        let end = at + usize::try_from(size).unwrap();
        let before =
            decoder.at().file == from.file && u64::try_from(at).unwrap() < from.offset && at > 4;
        if !before {
            let packet = decoder.packet_of_bytes(&bytes[at..end]).unwrap();
            let located = decoder.take(packet).unwrap();
            if !matches!(located.event, Event::Rotate) && at > 4 {
                let place = u64::try_from(at).unwrap();
                assert_eq!((located.begins, located.ends), (place, u64::try_from(end).unwrap()));
            }
            take(&located)?;
        }
        at = end;
    }
    Ok(())
}

fn column(row: &Row) -> ColumnShape {
    let text = |place: usize| row.get::<String, _>(place).unwrap();
    ColumnShape {
        name: text(1),
        data_type: text(2),
        column_type: text(3),
        character_set: row.get::<Option<String>, _>(4).unwrap(),
        octet_length: row.get::<Option<u64>, _>(5).unwrap(),
        datetime_precision: row.get::<Option<u8>, _>(6).unwrap(),
        nullable: text(7) == "YES",
        key: (text(8) == "PRI").then_some(1),
        generated: text(9).contains("GENERATED"),
    }
}

fn rows_of(event: &SourceEvent) -> Vec<Row1> {
    let SourceEvent::Changes(batch) = event else { return Vec::new() };
    batch
        .changes()
        .map(|change| Row1 {
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
