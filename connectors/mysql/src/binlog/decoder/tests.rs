use proptest::prelude::*;

use super::*;
use crate::binlog::{Change, Standing};

/// A file's first event says so: sums of four bytes, or none.
const CRC32: u8 = 1;
const NO_SUMS: u8 = 0;

/// Events as the server sends them.
struct Wire {
    decoder: Decoder,
    sums: bool,
}

#[derive(Clone, Copy)]
struct Sent<'b> {
    kind: u8,
    timestamp: u32,
    log_pos: u32,
    flags: u16,
    body: &'b [u8],
}

fn sent(kind: u8, log_pos: u32, body: &[u8]) -> Sent<'_> {
    Sent { kind, timestamp: 1_700_000_000, log_pos, flags: 0, body }
}

fn bytes(sent: Sent<'_>, sums: bool) -> Vec<u8> {
    let sum = if sums { 4 } else { 0 };
    let size = u32::try_from(Header::LEN + sent.body.len() + sum).unwrap();
    let mut bytes = sent.timestamp.to_le_bytes().to_vec();
    bytes.push(sent.kind);
    bytes.extend(7_u32.to_le_bytes());
    bytes.extend(size.to_le_bytes());
    bytes.extend(sent.log_pos.to_le_bytes());
    bytes.extend(sent.flags.to_le_bytes());
    bytes.extend(sent.body);
    if sums {
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    }
    bytes
}

fn format_body(sums: u8) -> Vec<u8> {
    let mut version = [0; 50];
    version[..6].copy_from_slice(b"5.6.24");
    [&[4, 0][..], &version, &[0; 4], &[19], &[0; 40], &[sums]].concat()
}

fn rotate_body(name: &[u8]) -> Vec<u8> {
    [&4_u64.to_le_bytes()[..], name].concat()
}

impl Wire {
    fn new(family: Family, at: Option<Coordinates>) -> Self {
        Self { decoder: Decoder::new(family, at), sums: false }
    }

    /// Reading goes on at `offset` of a file with sums.
    fn reading(offset: u64) -> Self {
        let at = Coordinates::new("binlog.000007", offset);
        let mut wire = Self::new(Family::MariaDb, Some(at));
        wire.rotate(b"binlog.000007\x01\x02\x03\x04").unwrap();
        wire.format(CRC32, 0);
        wire
    }

    fn send(&mut self, event: Sent<'_>) -> Result<(u64, u64), Malformed> {
        let bytes = bytes(event, self.sums);
        let packet = self.decoder.packet_of_bytes(&bytes)?;
        let located = self.decoder.take(packet)?;
        Ok((located.begins, located.ends))
    }

    fn format(&mut self, sums: u8, log_pos: u32) {
        // Room for a sum is there in any case.
        self.sums = true;
        self.send(sent(kind::FORMAT, log_pos, &format_body(sums))).unwrap();
        self.sums = sums == CRC32;
    }

    /// A rotation that the dump thread makes up.
    fn rotate(&mut self, name: &[u8]) -> Result<(u64, u64), Malformed> {
        let body = rotate_body(name);
        let flags = Header::ARTIFICIAL;
        self.send(Sent { timestamp: 0, flags, ..sent(kind::ROTATE, 0, &body) })
    }
}

#[test]
fn the_made_up_name_of_the_first_file_is_not_believed() {
    assert_eq!(Wire::reading(99).decoder.at(), &Coordinates::new("binlog.000007", 99));
    let mut unasked = Wire::new(Family::MariaDb, None);
    unasked.rotate(b"binlog.000003\xDE\xAD\xBE\xEF").unwrap();
    assert_eq!(unasked.decoder.at(), &Coordinates::new("binlog.000003", 4));
    let mut unasked = Wire::new(Family::MySql, None);
    unasked.rotate(b"binlog.000003").unwrap();
    assert_eq!(unasked.decoder.at(), &Coordinates::new("binlog.000003", 4));
}

#[test]
fn a_file_that_was_not_closed_is_followed_by_the_next() {
    for garbage in [&b""[..], b"1234"] {
        let mut wire = Wire::reading(99);
        wire.sums = true;
        wire.rotate(&[b"binlog.000008", garbage].concat()).unwrap();
        assert_eq!(wire.decoder.at(), &Coordinates::new("binlog.000008", 4));
        assert_eq!(wire.decoder.born(), None);
        wire.format(CRC32, 250);
        assert_eq!(wire.decoder.at(), &Coordinates::new("binlog.000008", 250));
        assert_eq!(wire.decoder.born(), Some(1_700_000_000));
    }
}

#[test]
fn places_are_kept_where_events_leave_them_out() {
    let mut wire = Wire::reading(1000);
    assert_eq!(wire.send(sent(kind::INTVAR, 1032, &[0; 9])), Ok((1000, 1032)));
    // MariaDB 11 says nothing inside transactions.
    assert_eq!(wire.send(sent(kind::INTVAR, 0, &[0; 9])), Ok((1032, 1064)));
    // Events that the server left out before this one are no part of it.
    assert_eq!(wire.send(sent(kind::XID, 1131, &[0; 8])), Ok((1100, 1131)));
    assert_eq!(wire.send(sent(kind::HEARTBEAT, 1200, b"binlog.000007")), Ok((1200, 1200)));
}

#[test]
fn a_file_beyond_4_gib_is_counted_on() {
    let mut wire = Wire::reading(0xFFFF_FFF0);
    let end = 0x1_0000_000F_u64;
    assert_eq!(wire.send(sent(kind::XID, 0x0F, &[0; 8])), Ok((0xFFFF_FFF0, end)));
    assert_eq!(wire.send(sent(kind::XID, 0x2E, &[0; 8])), Ok((end, end + 31)));
    let back = wire.send(sent(kind::XID, 0x1000_0000 - 1, &[0; 8]));
    assert!(back.is_ok());
    let back = wire.send(sent(kind::XID, 0x10, &[0; 8]));
    assert!(matches!(back, Err(Malformed::Place { .. })), "{back:?}");
}

#[test]
fn a_damaged_event_is_refused() {
    let mut bytes = bytes(sent(kind::XID, 1131, &[0; 8]), true);
    bytes[20] ^= 1;
    let wire = Wire::reading(1000);
    let refused = wire.decoder.packet_of_bytes(&bytes);
    assert!(matches!(refused, Err(Malformed::Checksum { .. })), "{refused:?}");
    assert!(wire.decoder.packet_of_bytes(&bytes[..30]).is_err());
}

#[test]
fn a_log_without_sums_is_read() {
    let mut wire = Wire::new(Family::MySql, Some(Coordinates::new("binlog.000001", 4)));
    wire.rotate(b"binlog.000001").unwrap();
    wire.format(NO_SUMS, 120);
    assert_eq!(wire.send(sent(kind::XID, 147, &[0; 8])), Ok((120, 147)));
}

#[test]
fn an_unknown_event_is_passed_over_only_if_the_log_says_so() {
    let mut wire = Wire::reading(1000);
    assert_eq!(wire.send(sent(99, 0, &[])), Err(Malformed::Unknown(99)));
    let allowed = Sent { flags: Header::IGNORABLE, ..sent(99, 0, &[]) };
    assert!(wire.send(allowed).is_ok());
}

fn payload(size: u16) -> Vec<u8> {
    let size = size.to_le_bytes();
    [&[3, 3, 0xFC, size[0], size[1]][..], &[2, 1, 0], &[1, 1, 5], &[0], &[0; 5]].concat()
}

#[test]
fn a_compressed_transaction_must_come_in_its_whole_length() {
    let mut wire = Wire::reading(1000);
    let inner = sent(kind::XID, 0, &[0; 8]);
    wire.send(sent(kind::TRANSACTION_PAYLOAD, 1100, &payload(54))).unwrap();
    wire.sums = false;
    assert_eq!(wire.send(inner), Ok((1100, 1100)));
    assert_eq!(wire.send(inner), Ok((1100, 1100)));
    wire.sums = true;
    assert_eq!(wire.send(sent(kind::XID, 1131, &[0; 8])), Ok((1100, 1131)));

    wire.send(sent(kind::TRANSACTION_PAYLOAD, 1200, &payload(54))).unwrap();
    wire.sums = false;
    wire.send(inner).unwrap();
    let short = wire.send(sent(kind::GTID, 1300, &[0; 25]));
    assert_eq!(short, Err(Malformed::Payload { expected: 54, found: 71 }));
}

#[test]
fn rows_of_a_compressed_event_that_does_not_inflate_are_refused() {
    let mut wire = Wire::reading(1000);
    let body = [&[1, 0, 0, 0, 0, 0, 0, 0, 1, 1][..], &[0x81, 5, 1, 2, 3]].concat();
    let refused = wire.send(sent(kind::WRITE_ROWS_COMPRESSED_V1, 0, &body));
    assert_eq!(refused, Err(Malformed::Compression));
}

/// The event that these bytes hold.
fn read<T>(kind: u8, body: &[u8], look: impl FnOnce(&Event<'_>) -> T) -> T {
    let mut decoder = Decoder::new(Family::MySql, None);
    let bytes = bytes(sent(kind, 0, body), false);
    let packet = decoder.packet_of_bytes(&bytes).unwrap();
    look(&decoder.take(packet).unwrap().event)
}

#[test]
fn identifiers_are_read_as_every_version_writes_them() {
    let gtid = |kind, body: &[u8]| {
        read(kind, body, |event| match event {
            Event::Start(start) => {
                (start.gtid.as_ref().map(ToString::to_string), start.committed_at_micros)
            }
            other => panic!("{other:?}"),
        })
    };
    let uuid: Vec<u8> = (0x10..0x20).collect();
    let name = "10111213-1415-1617-1819-1a1b1c1d1e1f";
    let old = [&[1][..], &uuid, &9_u64.to_le_bytes()].concat();
    assert_eq!(gtid(kind::GTID, &old), (Some(format!("{name}:9")), None));
    assert_eq!(gtid(kind::ANONYMOUS_GTID, &old), (None, None));
    let micros = 1_700_000_000_123_456_u64;
    let at = &micros.to_le_bytes()[..7];
    let new = [&old[..], &[2], &[0; 16], at].concat();
    assert_eq!(gtid(kind::GTID, &new).1, Some(1_700_000_000_123_456));
    // A transaction from elsewhere has another time behind it.
    let elsewhere = (micros | 1 << 55).to_le_bytes();
    let new = [&old[..], &[2], &[0; 16], &elsewhere[..7], at].concat();
    assert_eq!(gtid(kind::GTID, &new).1, Some(1_700_000_000_123_456));
    // Fields: flags, uuid, number 9, tag `erp`; each small number is doubled.
    let uuid: Vec<u8> = uuid.iter().map(|byte| byte << 1).collect();
    let tagged = [&[4, 60, 0, 0, 2, 2][..], &uuid, &[4, 36, 6, 6], b"erp"].concat();
    assert_eq!(gtid(kind::GTID_TAGGED, &tagged).0, Some(format!("{name}:erp:9")));
}

#[test]
fn sets_of_identifiers_are_read_with_and_without_tags() {
    let set = |body: &[u8]| {
        read(kind::PREVIOUS_GTIDS, body, |event| match event {
            Event::Before(set) => set.to_string(),
            other => panic!("{other:?}"),
        })
    };
    let uuid: Vec<u8> = (0x10..0x20).collect();
    let interval = [&1_u64.to_le_bytes()[..], &1_u64.to_le_bytes(), &6_u64.to_le_bytes()].concat();
    let plain = [&1_u64.to_le_bytes()[..], &uuid, &interval].concat();
    assert_eq!(set(&plain), "10111213-1415-1617-1819-1a1b1c1d1e1f:1-5");
    let tagged = [&[1, 1, 0, 0, 0, 0, 0, 1][..], &uuid, &[6], b"erp", &interval].concat();
    assert_eq!(set(&tagged), "10111213-1415-1617-1819-1a1b1c1d1e1f:erp:1-5");
}

#[test]
fn a_prepared_transaction_is_named() {
    let body = [&5_u64.to_le_bytes()[..], &[0; 4], &[64], &[1, 0, 0, 0, 2, 1], b"x2b"].concat();
    read(kind::MARIADB_GTID, &body, |event| {
        let Event::Start(start) = event else { panic!("{event:?}") };
        let Standing::Prepared(xid) = &start.standing else { panic!("{start:?}") };
        assert_eq!((xid.format, &*xid.global, &*xid.branch), (1, &b"x2"[..], &b"b"[..]));
    });
}

#[test]
fn rows_of_the_second_version_may_say_more_before_them() {
    let body = [&[9, 0, 0, 0, 0, 0, 1, 0][..], &[5, 0, 1, 2, 3], &[2, 3], b"rows"].concat();
    read(kind::WRITE_ROWS, &body, |event| {
        let Event::Rows(rows) = event else { panic!("{event:?}") };
        assert_eq!((rows.table_id, rows.change, rows.columns), (9, Change::Insert, 2));
        assert_eq!((rows.present, rows.rows), (&[3][..], &b"rows"[..]));
    });
}

proptest! {
    #[test]
    fn no_event_makes_the_decoder_panic(
        kind: u8, body in prop::collection::vec(any::<u8>(), 0..80), log_pos: u32, flags: u16,
    ) {
        let event = Sent { flags, ..sent(kind, log_pos, &body) };
        let bytes = bytes(event, false);
        let mut decoder = Decoder::new(Family::MySql, Some(Coordinates::new("binlog.000001", 4)));
        if let Ok(packet) = decoder.packet_of_bytes(&bytes)
            && let Ok(located) = decoder.take(packet)
            && let Event::TableMap(map) = &located.event
        {
            prop_assert!(map.columns().is_err() || map.fingerprint().is_ok());
        }
    }
}
