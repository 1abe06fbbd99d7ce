//! Tokens: what answers are made of.

use super::types::{put_collation, put_type, put_value, units};
use crate::engine::Transition;
use crate::problem::{Raised, Result};
use crate::value::Value;
use crate::value::collation::Collation;
use crate::value::kind::Type;

const COLUMNS: u8 = 0x81;
const RETURN_STATUS: u8 = 0x79;
const ERROR: u8 = 0xaa;
const LOGIN_ACK: u8 = 0xad;
const ROW: u8 = 0xd1;
const CHANGE: u8 = 0xe3;
/// The end of a batch's statement, of a call, and of a statement in a call.
const DONE: u8 = 0xfd;
const DONE_CALL: u8 = 0xfe;
const DONE_IN_CALL: u8 = 0xff;

const MORE: u16 = 0x01;
const FAILED: u16 = 0x02;
const COUNT: u16 = 0x10;
const ATTENTION: u16 = 0x20;

/// TDS 7.4
const VERSION: u32 = 0x7400_0004;

fn short_text(out: &mut Vec<u8>, text: &str) {
    let text: String = text.chars().take(120).collect();
    out.push(u8::try_from(text.encode_utf16().count()).unwrap_or(0));
    out.extend(units(&text));
}

fn text(out: &mut Vec<u8>, text: &str) {
    let text: String = text.chars().take(4_000).collect();
    out.extend(u16::try_from(text.encode_utf16().count()).unwrap_or(0).to_le_bytes());
    out.extend(units(&text));
}

/// A token with its length before what it holds.
fn sized(out: &mut Vec<u8>, token: u8, body: &[u8]) {
    out.push(token);
    out.extend(u16::try_from(body.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend(body);
}

/// The server lets the client in.
pub(crate) fn welcome(database: &str, packet_size: usize, version: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut change = vec![1];
    short_text(&mut change, database);
    short_text(&mut change, "master");
    sized(&mut out, CHANGE, &change);
    let mut collation = vec![7, 5];
    put_collation(&mut collation, Collation::DEFAULT);
    collation.push(0);
    sized(&mut out, CHANGE, &collation);
    let mut ack = vec![1];
    ack.extend(VERSION.to_be_bytes());
    short_text(&mut ack, "Microsoft SQL Server");
    let mut parts = version.split('.').map(|part| part.parse::<u16>().unwrap_or(0));
    let mut part = || parts.next().unwrap_or(0);
    let (major, minor, build) = (part(), part(), part());
    let byte = |n: u16| u8::try_from(n).unwrap_or(0);
    ack.extend([byte(major), byte(minor)]);
    ack.extend(build.to_be_bytes());
    sized(&mut out, LOGIN_ACK, &ack);
    let mut size = vec![4];
    short_text(&mut size, &packet_size.to_string());
    short_text(&mut size, &super::packet::FIRST_SIZE.to_string());
    sized(&mut out, CHANGE, &size);
    done(&mut out, DONE, 0, 0);
    out
}

/// The shape of a result.
pub(crate) fn columns(out: &mut Vec<u8>, columns: &[(String, Type)]) -> Result<()> {
    out.push(COLUMNS);
    out.extend(u16::try_from(columns.len()).unwrap_or(0).to_le_bytes());
    for (name, of) in columns {
        // A user type of none, and a cell that may be NULL.
        out.extend(0_u32.to_le_bytes());
        out.extend(1_u16.to_le_bytes());
        put_type(out, *of)?;
        short_text(out, name);
    }
    Ok(())
}

/// One row.
pub(crate) fn row(out: &mut Vec<u8>, values: &[Value], columns: &[(String, Type)]) -> Result<()> {
    out.push(ROW);
    for (value, (_, of)) in values.iter().zip(columns) {
        put_value(out, value, *of)?;
    }
    Ok(())
}

fn done(out: &mut Vec<u8>, token: u8, status: u16, rows: u64) {
    out.push(token);
    out.extend(status.to_le_bytes());
    out.extend(0xc1_u16.to_le_bytes());
    out.extend(rows.to_le_bytes());
}

/// A statement is done, and another token follows.
pub(crate) fn statement_done(out: &mut Vec<u8>, call: bool, rows: Option<u64>) {
    let status = MORE | rows.map_or(0, |_| COUNT);
    done(out, if call { DONE_IN_CALL } else { DONE }, status, rows.unwrap_or(0));
}

/// Everything is done.
pub(crate) fn all_done(out: &mut Vec<u8>, call: bool, failed: bool) {
    let status = if failed { FAILED } else { 0 };
    if call {
        out.push(RETURN_STATUS);
        out.extend(i32::from(failed).to_le_bytes());
    }
    done(out, if call { DONE_CALL } else { DONE }, status, 0);
}

/// The client's attention was seen.
pub(crate) fn attention_done(out: &mut Vec<u8>) {
    done(out, DONE, ATTENTION, 0);
}

/// An error.
pub(crate) fn error(out: &mut Vec<u8>, raised: &Raised, server: &str) {
    let mut body = raised.number.to_le_bytes().to_vec();
    body.extend([raised.state, raised.severity]);
    text(&mut body, &raised.message);
    short_text(&mut body, server);
    short_text(&mut body, "");
    body.extend(1_u32.to_le_bytes());
    sized(out, ERROR, &body);
}

/// A transaction began or ended.
pub(crate) fn transition(out: &mut Vec<u8>, transition: Transition) {
    let mut body = Vec::new();
    match transition {
        Transition::Begun(number) => {
            body.extend([8, 8]);
            body.extend(number.to_le_bytes());
            body.push(0);
        }
        Transition::Committed => body.extend([9, 0, 0]),
        Transition::RolledBack => body.extend([10, 0, 0]),
    }
    sized(out, CHANGE, &body);
}
