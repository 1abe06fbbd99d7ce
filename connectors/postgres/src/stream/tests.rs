use tokio::io::AsyncWriteExt;

use super::*;

fn keepalive() -> Vec<u8> {
    [&[b'd'][..], &22u32.to_be_bytes(), b"k", &7u64.to_be_bytes(), &[0; 8], b"\x01"].concat()
}

#[tokio::test]
async fn an_event_is_handed_out_only_when_it_is_whole() {
    let (mut server, ours) = tokio::io::duplex(1024);
    let mut connection = Connection::over(ours);
    let bytes = keepalive();
    let (head, tail) = bytes.split_at(9);
    server.write_all(head).await.unwrap();
    connection.fill().await.unwrap();
    assert_eq!(connection.event().unwrap(), None);
    server.write_all(tail).await.unwrap();
    connection.fill().await.unwrap();
    let event = connection.event().unwrap().unwrap();
    assert!(
        matches!(event, Event::KeepAlive { wal_end, reply_wanted: true, .. } if wal_end.get() == 7)
    );
    assert_eq!(connection.event().unwrap(), None);
}

#[tokio::test]
async fn a_message_beyond_the_bound_is_refused_before_it_is_read() {
    let (mut server, ours) = tokio::io::duplex(1024);
    let mut connection = Connection::over(ours);
    server.write_all(&[b'd', 0x40, 0, 0, 0]).await.unwrap();
    connection.fill().await.unwrap();
    let error = connection.event().unwrap_err();
    assert_eq!(error.kind(), erpbridge_connector::SourceErrorKind::TooLarge);
    assert!(error.hint().unwrap().contains("max_row_bytes"));
}

#[tokio::test]
async fn an_error_in_the_stream_keeps_its_sqlstate() {
    let (mut server, ours) = tokio::io::duplex(1024);
    let mut connection = Connection::over(ours);
    let fields = b"SERROR\0C57P01\0Mterminating connection\0\0";
    let length = u32::try_from(fields.len() + 4).unwrap().to_be_bytes();
    server.write_all(&[&b"E"[..], &length, fields].concat()).await.unwrap();
    connection.fill().await.unwrap();
    let error = connection.event().unwrap_err();
    assert_eq!(error.to_string(), "read the log: terminating connection (SQLSTATE 57P01)");
    assert_eq!(error.kind(), erpbridge_connector::SourceErrorKind::Connection);
}

#[tokio::test]
async fn a_closed_connection_is_a_connection_error() {
    let (server, ours) = tokio::io::duplex(1024);
    let mut connection = Connection::over(ours);
    drop(server);
    let error = connection.fill().await.unwrap_err();
    assert_eq!(error.kind(), erpbridge_connector::SourceErrorKind::Connection);
}

#[tokio::test]
async fn the_end_reads_over_what_the_server_still_sends() {
    let (mut server, ours) = tokio::io::duplex(1024);
    let mut connection = Connection::over(ours);
    let bytes = keepalive();
    server.write_all(&[bytes.as_slice(), &bytes, &bytes[..7]].concat()).await.unwrap();
    connection.fill().await.unwrap();
    assert!(connection.event().unwrap().is_some());
    let saying = async move {
        server.write_all(&bytes[7..]).await.unwrap();
        let mut last_words = [0; 10];
        tokio::io::AsyncReadExt::read_exact(&mut server, &mut last_words).await.unwrap();
        assert_eq!(last_words, *b"c\0\0\0\x04X\0\0\0\x04");
    };
    let (finished, ()) = tokio::join!(connection.finish(), saying);
    finished.unwrap();
}

#[test]
fn copy_data_cut_short_is_no_event() {
    let whole = keepalive();
    for end in 5..whole.len() {
        assert_eq!(copy_data(&whole[5..end]), None);
    }
    assert!(copy_data(&whole[5..]).is_some());
}
