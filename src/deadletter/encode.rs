//! A dead letter as a message: subject, headers, body. The format is final: `docs/dead-letters.md`.
//!
//! The same dead letter always gives the same subject, and two different ones never share one:
//! that is what lets the server refuse to store it twice. So escaping is injective, and nothing
//! here depends on the time of day.

use std::fmt::Write as _;

use serde::Serialize;

use super::DeadLetter;
use crate::canonical::header;

/// Header with the class of the failure.
pub const REASON: &str = "Erp-Reason";
/// Header with the id the event would have had.
pub const ID: &str = "Erp-Id";
/// Header with the table.
pub const TABLE: &str = "Erp-Table";
/// Header with the rule.
pub const RULE: &str = "Erp-Rule";
/// Header with the commit order of the transaction.
pub const SEQUENCE: &str = "Erp-Sequence";
/// Header with the ordinal of the change.
pub const ORDINAL: &str = "Erp-Ordinal";

/// Room for what the transport adds to the headers.
const TRANSPORT_BYTES: usize = 128;

/// A dead letter, ready to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// `erpbridge.<source>.deadletter.<table>.<id>`.
    pub subject: String,
    /// Its main fields, to be read without parsing the body.
    pub headers: Vec<(&'static str, String)>,
    /// A JSON document.
    pub body: Vec<u8>,
}

/// The subjects of a source's dead letters.
pub fn subjects(source: &str) -> String {
    format!("erpbridge.{source}.deadletter.>")
}

#[derive(Serialize)]
struct Body<'a> {
    id: &'a str,
    source: &'a str,
    table: &'a str,
    rule: Option<&'a str>,
    reason: &'static str,
    detail: &'a str,
    sequence: &'a str,
    ordinal: u64,
    position: &'a str,
    row: Option<&'a serde_json::Value>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    row_omitted: bool,
}

impl DeadLetter {
    /// The message for this dead letter of `source`. The row goes only if the whole message then
    /// stays within `max_bytes`.
    pub fn encode(&self, source: &str, max_bytes: usize) -> Encoded {
        let headers = self.headers();
        let lines = headers.iter().map(|(name, value)| name.len() + value.len() + 4);
        let left = max_bytes.saturating_sub(lines.sum::<usize>() + TRANSPORT_BYTES);
        let whole = self.body(source, Some(&self.row));
        let body = if whole.len() > left { self.body(source, None) } else { whole };
        Encoded { subject: self.subject(source), headers, body }
    }

    fn subject(&self, source: &str) -> String {
        let (table, id) = (token(&self.table), token(&self.id));
        format!("erpbridge.{source}.deadletter.{table}.{id}")
    }

    fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            (ID, printable(&self.id)),
            (REASON, self.reason.as_str().to_owned()),
            (TABLE, printable(&self.table)),
            (SEQUENCE, printable(self.sequence.as_str())),
            (ORDINAL, self.ordinal.to_string()),
            (header::POSITION, printable(self.position.as_str())),
        ];
        headers.extend(self.rule.as_deref().map(|rule| (RULE, printable(rule))));
        headers
    }

    fn body(&self, source: &str, row: Option<&serde_json::Value>) -> Vec<u8> {
        let body = Body {
            id: &self.id,
            source,
            table: &self.table,
            rule: self.rule.as_deref(),
            reason: self.reason.as_str(),
            detail: &self.detail,
            sequence: self.sequence.as_str(),
            ordinal: self.ordinal,
            position: self.position.as_str(),
            row,
            row_omitted: row.is_none(),
        };
        serde_json::to_vec(&body).expect("a struct of text, numbers and JSON is JSON")
    }
}

/// Text as one subject token: what is not a letter, digit, `_`, `-` or `:` becomes `%XX`.
fn token(text: &str) -> String {
    escape(text, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b':'))
}

/// Text as a header value: printable ASCII, the rest and `%` as `%XX`.
fn printable(text: &str) -> String {
    escape(text, |byte| matches!(byte, b' '..=b'~') && byte != b'%')
}

fn escape(text: &str, plain: impl Fn(u8) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if plain(byte) {
            escaped.push(char::from(byte));
        } else {
            write!(escaped, "%{byte:02X}").expect("writing to a string");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use erpbridge_connector::{Position, Sequence};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::deadletter::Reason;

    fn letter() -> DeadLetter {
        DeadLetter {
            id: "erp1:0A:7:stock.moved".to_owned(),
            table: "public.stock_move".to_owned(),
            rule: Some("stock.moved".to_owned()),
            reason: Reason::UnknownCode,
            detail: "column \"state\": the code is not in the table".to_owned(),
            sequence: Sequence::new("0A"),
            ordinal: 7,
            position: Position::new("0/16B3748"),
            row: json!({"operation": "insert", "before": null, "after": {"state": "x"}}),
        }
    }

    #[test]
    fn a_dead_letter_has_the_documented_form() {
        let encoded = letter().encode("erp1", 10_000);
        assert_eq!(
            encoded.subject,
            "erpbridge.erp1.deadletter.public%2Estock_move.erp1:0A:7:stock%2Emoved"
        );
        let expected = r#"{"id":"erp1:0A:7:stock.moved","source":"erp1","table":"public.stock_move","rule":"stock.moved","reason":"unknown_code","detail":"column \"state\": the code is not in the table","sequence":"0A","ordinal":7,"position":"0/16B3748","row":{"after":{"state":"x"},"before":null,"operation":"insert"}}"#;
        assert_eq!(String::from_utf8(encoded.body).unwrap(), expected);
        assert!(encoded.headers.contains(&(REASON, "unknown_code".to_owned())));
        assert!(encoded.headers.contains(&(RULE, "stock.moved".to_owned())));
    }

    #[test]
    fn a_row_that_does_not_fit_is_left_out_and_that_is_said() {
        let encoded = letter().encode("erp1", 500);
        let body: serde_json::Value = serde_json::from_slice(&encoded.body).unwrap();
        assert_eq!(body["row"], json!(null));
        assert_eq!(body["row_omitted"], json!(true));
    }

    proptest! {
        #[test]
        fn two_ids_never_share_a_subject(one in ".{0,12}", other in ".{0,12}") {
            prop_assert_eq!(token(&one) == token(&other), one == other);
            let valid = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'.' | b'*' | b'>');
            prop_assert!(token(&one).bytes().all(valid));
        }
    }
}
