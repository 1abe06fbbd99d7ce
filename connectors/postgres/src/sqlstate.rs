//! What the server's five-character error codes mean for the bridge.
//!
//! Only what is known to pass by itself may be retried. So the table names the codes that do, and
//! everything it does not name stops the source with the server's own words.

use erpbridge_connector::{SourceError, SourceErrorKind};

/// The kind of an error by its [SQLSTATE](https://www.postgresql.org/docs/current/errcodes-appendix.html).
///
/// `55000` is what a walsender says of a slot that was invalidated, and also of a server without
/// logical decoding; the start-up check rules out the second, so it is read as the first.
pub fn kind_of_sqlstate(code: &str) -> SourceErrorKind {
    match code {
        // Shutdown, crash of another backend, start-up; idle timeout. 57P04 (database dropped)
        // is not among them: that one never passes.
        "57P01" | "57P02" | "57P03" | "57P05" => SourceErrorKind::Connection,
        // Too many connections; the slot is held by another session; a lock; a statement that an
        // administrator cancelled; conflict with recovery, deadlock; memory or disk exhausted.
        "53300" | "55006" | "55P03" | "57014" | "40001" | "40P01" | "53000" | "53100" | "53200" => {
            SourceErrorKind::Busy
        }
        "42501" => SourceErrorKind::Privilege,
        "42703" => SourceErrorKind::Schema,
        // Of its class this one is about a setting, not about data.
        "22023" => SourceErrorKind::Setup,
        // The slot was invalidated; the log segment is gone.
        "55000" | "58P01" => SourceErrorKind::PositionLost,
        // A row beyond one gigabyte cannot be sent.
        "54000" => SourceErrorKind::TooLarge,
        _ => kind_of_class(code),
    }
}

/// Whether the server lets nobody in because it is going down, or coming up again.
pub fn is_shutting_down(error: &SourceError) -> bool {
    error.kind() == SourceErrorKind::Connection && error.to_string().ends_with("(SQLSTATE 57P03)")
}

/// The first two characters of a code are its class.
fn kind_of_class(code: &str) -> SourceErrorKind {
    match code.get(..2) {
        Some("08") => SourceErrorKind::Connection,
        Some("28") => SourceErrorKind::Authentication,
        Some("22") => SourceErrorKind::Decode,
        _ => SourceErrorKind::Setup,
    }
}

#[cfg(test)]
mod tests {
    use erpbridge_connector::Remedy;

    use super::*;

    #[test]
    fn every_code_the_server_is_known_to_send_has_its_kind() {
        let table = [
            ("08000", SourceErrorKind::Connection),
            ("08006", SourceErrorKind::Connection),
            ("08P01", SourceErrorKind::Connection),
            ("57P01", SourceErrorKind::Connection),
            ("57P02", SourceErrorKind::Connection),
            ("57P03", SourceErrorKind::Connection),
            ("57P04", SourceErrorKind::Setup),
            ("53300", SourceErrorKind::Busy),
            ("53400", SourceErrorKind::Setup),
            ("55006", SourceErrorKind::Busy),
            ("40001", SourceErrorKind::Busy),
            ("28000", SourceErrorKind::Authentication),
            ("28P01", SourceErrorKind::Authentication),
            ("3D000", SourceErrorKind::Setup),
            ("42501", SourceErrorKind::Privilege),
            ("42704", SourceErrorKind::Setup),
            ("42P01", SourceErrorKind::Setup),
            ("42703", SourceErrorKind::Schema),
            ("55000", SourceErrorKind::PositionLost),
            ("58P01", SourceErrorKind::PositionLost),
            ("22P02", SourceErrorKind::Decode),
            ("22021", SourceErrorKind::Decode),
            ("22023", SourceErrorKind::Setup),
            ("54000", SourceErrorKind::TooLarge),
            ("XX000", SourceErrorKind::Setup),
            ("", SourceErrorKind::Setup),
            ("ä", SourceErrorKind::Setup),
        ];
        for (code, kind) in table {
            assert_eq!(kind_of_sqlstate(code), kind, "{code}");
        }
    }

    #[test]
    fn a_code_nobody_knows_is_not_retried() {
        assert_eq!(kind_of_sqlstate("ZZ999").remedy(), Remedy::Stop);
    }
}
