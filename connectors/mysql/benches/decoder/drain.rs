//! Three ways through the same log.

use std::process::Command;
use std::sync::Arc;

use erpbridge_connector::{ReplicaIdentity, SourceEvent, TableName, TableSelection};
use erpbridge_mysql::assemble::{Assembler, Known, Limits, Next, Outbox};
use erpbridge_mysql::binlog::{Decoder, Family};
use erpbridge_mysql::position::{Coordinates, FIRST_OFFSET, Identity, Places, Reached, Server};
use futures_util::StreamExt;
use mysql_async::prelude::Queryable;
use mysql_async::{BinlogStream, BinlogStreamRequest, Conn, OptsBuilder};

use super::backlog::Backlog;

const FILE: &str = "binlog.000001";

/// The database's tables, all of them.
struct All;

impl TableSelection for All {
    fn wants(&self, table: &TableName) -> bool {
        table.schema == "erp"
    }

    fn named(&self) -> Vec<TableName> {
        Vec::new()
    }
}

/// Copies the log to files, without a look into it.
pub(crate) fn with_the_servers_tool(backlog: &Backlog) {
    let folder = tempfile::tempdir().unwrap();
    let url = mysql_async::Opts::from_url(&backlog.server.url("")).unwrap();
    let done = Command::new("mariadb-binlog")
        .args(["--read-from-remote-server", "--raw", "--host=127.0.0.1"])
        .arg(format!("--port={}", backlog.server.port()))
        .arg(format!("--user={}", url.user().unwrap()))
        .arg(format!("--password={}", url.pass().unwrap()))
        .arg(format!("--result-file={}/", folder.path().display()))
        .arg("--to-last-log")
        .arg(FILE)
        .status();
    let status = done.expect("mariadb-binlog is there; tests/install.sh bench brings it");
    assert!(status.success(), "mariadb-binlog failed: {status}");
}

/// Takes the events off the wire and drops them.
pub(crate) async fn frames(backlog: &Backlog) {
    let mut stream = stream(backlog).await;
    while let Some(event) = stream.next().await {
        event.unwrap();
    }
}

/// Makes batches of them and counts their changes.
pub(crate) async fn changes(backlog: &Backlog) -> u64 {
    let start = Coordinates::new(FILE, FIRST_OFFSET);
    let mut decoder = Decoder::new(Family::MariaDb, Some(start.clone()));
    let places = Places::Streaming(Identity { server: Server::Id(1), era: 0 });
    let limits = Limits { batch_bytes: 1 << 18, window_bytes: 1 << 20, prepared_bytes: 1 << 20 };
    let reached = Reached::new(start);
    let mut assembler = Assembler::new(Arc::new(All), places, limits, reached, Known::Nothing);
    let (mut out, mut changes) = (Outbox::new(), 0);
    let mut stream = stream(backlog).await;
    while let Some(event) = stream.next().await {
        let event = event.unwrap();
        let packet = decoder.packet(&event).unwrap();
        let located = decoder.take(packet).unwrap();
        if let Next::Shape(table) = assembler.take(&located, &mut out).unwrap() {
            let shape = backlog.shapes.iter().find(|shape| shape.table == table.name.table);
            let announced =
                assembler.announce(&table, shape.unwrap(), ReplicaIdentity::Full, &mut out);
            announced.unwrap();
        }
        changes += count(&mut out);
    }
    assembler.flush(&mut out);
    changes + count(&mut out)
}

fn count(out: &mut Outbox) -> u64 {
    let changes = out.drain(..).map(|event| match event {
        SourceEvent::Changes(batch) => u64::try_from(batch.len()).unwrap(),
        _ => 0,
    });
    changes.sum()
}

/// The log up to its end.
async fn stream(backlog: &Backlog) -> BinlogStream {
    let url = mysql_async::Opts::from_url(&backlog.server.url("")).unwrap();
    let options =
        OptsBuilder::from_opts(url).prefer_socket(false).max_allowed_packet(Some(1 << 30));
    let mut client = Conn::new(options).await.unwrap();
    client.query_drop("SET @mariadb_slave_capability = 4").await.unwrap();
    let request = BinlogStreamRequest::new(7).with_filename(FILE.as_bytes()).with_non_blocking();
    client.get_binlog_stream(request.with_pos(FIRST_OFFSET)).await.unwrap()
}
