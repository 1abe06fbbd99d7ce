use std::sync::Arc;
use std::time::Duration;

use erpbridge_connector::{Receiver, SourceStatus, TableName, TableSelection, Timestamp, queue};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::PostgresConfig;
use crate::assemble::Limits;
use crate::position::{Identity, Lsn};

const IDENTITY: Identity = Identity { system: 7, timeline: 1, database: 5 };

struct Nothing;

impl TableSelection for Nothing {
    fn wants(&self, _table: &TableName) -> bool {
        false
    }

    fn named(&self) -> Vec<TableName> {
        Vec::new()
    }
}

/// The server's and the bridge's ends.
struct Ends {
    server: DuplexStream,
    events: Receiver,
    confirm: watch::Sender<Option<Position>>,
    stop: CancellationToken,
}

/// Runs a follower at 0/10 with a queue for one event against what `play` does.
async fn follow<P: Future<Output = ()>>(play: impl FnOnce(Ends) -> P) -> Result<(), SourceError> {
    follow_until(None, play).await.map(drop)
}

/// The same, no further than to a place.
async fn follow_until<P: Future<Output = ()>>(
    until: Option<Lsn>,
    play: impl FnOnce(Ends) -> P,
) -> Result<Ended, SourceError> {
    let (server, ours) = tokio::io::duplex(1 << 16);
    let (out, events) = queue(1);
    let (confirm, confirmed) = watch::channel(None);
    let (status, _told) = watch::channel(SourceStatus::default());
    let (probe, probes) = watch::channel(None);
    probe.send_replace(Some(Probe { lsn: Lsn::new(0x10), at: Timestamp::from_micros(5) }));
    let config = PostgresConfig::from_url("north", "postgres://reader@localhost/erp").unwrap();
    let observer = Observer::new(&config);
    let after = Lsn::new(0x10);
    let limits = Limits { batch_bytes: 1 << 10, window_bytes: 1 << 10 };
    let patience = Some(Duration::from_secs(6));
    let follower = Follower {
        connection: Connection::over(ours),
        assembler: Assembler::new(Arc::new(Nothing), Places::Streaming(IDENTITY), limits, after),
        feedback: Feedback::new(after, after, Timestamp::default(), patience),
        places: Places::Streaming(IDENTITY),
        until,
        observer: &observer,
        probes,
    };
    let stop = CancellationToken::new();
    let context = SourceContext { resume_after: None, out, confirmed, stop: stop.clone(), status };
    let ends = Ends { server, events, confirm, stop };
    tokio::join!(follower.run(context), play(ends)).0
}

async fn keepalive(server: &mut DuplexStream, wal_end: u64, reply_wanted: bool) {
    let body = [&b"k"[..], &wal_end.to_be_bytes(), &[0; 8], &[u8::from(reply_wanted)]].concat();
    let message = [&b"d"[..], &22u32.to_be_bytes(), &body].concat();
    server.write_all(&message).await.unwrap();
}

/// A transaction begins that was committed at this place.
async fn begin(server: &mut DuplexStream, final_lsn: u64) {
    let body = [&b"w"[..], &[0; 24], b"B", &final_lsn.to_be_bytes(), &[0; 12]].concat();
    let length = u32::try_from(body.len() + 4).unwrap();
    server.write_all(&[&b"d"[..], &length.to_be_bytes(), &body].concat()).await.unwrap();
}

/// The next message of ours: `Some(confirmed)` for a status, `None` for the end of the stream.
async fn said(server: &mut DuplexStream) -> Option<u64> {
    let tag = server.read_u8().await.unwrap();
    let length = server.read_u32().await.unwrap();
    let mut body = vec![0; usize::try_from(length).unwrap() - 4];
    server.read_exact(&mut body).await.unwrap();
    match tag {
        b'd' => Some(u64::from_be_bytes(body[9..17].try_into().unwrap())),
        b'c' => None,
        tag => panic!("unexpected message {tag}"),
    }
}

async fn progress(events: &mut Receiver) -> Position {
    let queued = events.recv().await.unwrap();
    let SourceEvent::Progress(progress) = &queued.event else { panic!("not a progress") };
    progress.position.clone()
}

/// Receives progress until it stands at `lsn`.
async fn progress_to(events: &mut Receiver, lsn: &str) -> Position {
    loop {
        let position = progress(events).await;
        if position.as_str().starts_with(lsn) {
            return position;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_place_is_told_and_acknowledged_only_once_it_is_confirmed() {
    let followed = follow(|mut ends| async move {
        keepalive(&mut ends.server, 0x50, false).await;
        let position = progress_to(&mut ends.events, "0/50;").await;
        for _ in 0..3 {
            assert_eq!(said(&mut ends.server).await, Some(0x10));
        }
        ends.confirm.send_replace(Some(position));
        while said(&mut ends.server).await != Some(0x50) {}
        ends.stop.cancel();
        while said(&mut ends.server).await.is_some() {}
    });
    followed.await.unwrap();
}

/// Nothing that was told is confirmed, and nothing beyond the place is told.
#[tokio::test(start_paused = true)]
async fn a_stretch_ends_at_its_place_without_waiting_for_confirmations() {
    for commits in [false, true] {
        let followed = follow_until(Some(Lsn::new(0x50)), |mut ends| async move {
            keepalive(&mut ends.server, 0x40, false).await;
            progress_to(&mut ends.events, "0/40;").await;
            if commits {
                begin(&mut ends.server, 0x58).await;
            } else {
                keepalive(&mut ends.server, 0x60, false).await;
            }
            while let Some(queued) = ends.events.recv().await {
                let SourceEvent::Progress(progress) = &queued.event else { panic!("progress") };
                assert!(progress.position.as_str().starts_with("0/50;"), "{progress:?}");
            }
            while said(&mut ends.server).await.is_some() {}
        });
        assert_eq!(followed.await.unwrap(), Ended::Reached);
    }
}

#[tokio::test(start_paused = true)]
async fn the_server_is_answered_while_the_queue_is_full() {
    let followed = follow(|mut ends| async move {
        // One event fills the queue; the next one waits for ever.
        for place in 0x50..0x60 {
            keepalive(&mut ends.server, place, true).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let blocked = tokio::time::Instant::now();
        let mut answers = 0;
        while blocked.elapsed() < Duration::from_mins(1) {
            assert_eq!(said(&mut ends.server).await, Some(0x10));
            answers += 1;
        }
        assert!(
            answers >= 30,
            "{answers} answers in a minute to a server of six seconds' patience"
        );
        ends.stop.cancel();
        drop((ends.confirm, ends.events));
        while said(&mut ends.server).await.is_some() {}
    });
    followed.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn at_the_stop_the_last_confirmation_is_waited_for_and_passed_on() {
    let followed = follow(|mut ends| async move {
        keepalive(&mut ends.server, 0x50, false).await;
        let position = progress_to(&mut ends.events, "0/50;").await;
        ends.stop.cancel();
        assert!(ends.events.recv().await.is_none(), "the queue is closed first");
        tokio::time::sleep(Duration::from_secs(3)).await;
        ends.confirm.send_replace(Some(position));
        let mut last = None;
        while let Some(confirmed) = said(&mut ends.server).await {
            last = Some(confirmed);
        }
        assert_eq!(last, Some(0x50));
    });
    followed.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_stop_does_not_wait_for_a_confirmation_that_never_comes() {
    let started = tokio::time::Instant::now();
    let followed = follow(|mut ends| async move {
        keepalive(&mut ends.server, 0x50, false).await;
        progress_to(&mut ends.events, "0/50;").await;
        ends.stop.cancel();
        while said(&mut ends.server).await.is_some() {}
    });
    followed.await.unwrap();
    assert!(started.elapsed() < erpbridge_connector::STOP_DEADLINE + Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_given_up() {
    let followed = follow(|mut ends| async move {
        // It reads what it is told and never answers.
        let mut ignored = vec![0; 1 << 10];
        while ends.server.read(&mut ignored).await.is_ok_and(|read| read > 0) {
            while ends.events.try_recv().is_some() {}
        }
    });
    assert_eq!(followed.await.unwrap_err().kind(), SourceErrorKind::Connection);
}

#[tokio::test(start_paused = true)]
async fn a_queue_taken_away_ends_the_source() {
    let followed = follow(|mut ends| async move {
        drop(ends.events);
        keepalive(&mut ends.server, 0x50, false).await;
        let mut ignored = vec![0; 1 << 10];
        while ends.server.read(&mut ignored).await.is_ok_and(|read| read > 0) {}
    });
    assert_eq!(followed.await.unwrap_err().kind(), SourceErrorKind::Closed);
}
