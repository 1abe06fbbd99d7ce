//! What the server's error numbers mean for the bridge.
//!
//! Messages come in the server's language, so only the number counts. Only what is known to pass
//! by itself may be retried: the table names those numbers, and everything it does not name stops
//! the source with the server's own words.

use erpbridge_connector::SourceErrorKind;

/// The object does not exist, or may not be seen: <https://learn.microsoft.com/en-us/sql/relational-databases/errors-events/database-engine-events-and-errors>
pub const INVALID_OBJECT: u32 = 208;
/// A lock was not to be had within `LOCK_TIMEOUT`.
pub const LOCK_TIMEOUT: u32 = 1222;
/// This session was chosen to end a deadlock.
pub const DEADLOCK: u32 = 1205;

/// The kind of an error by its number.
pub fn kind_of_number(number: u32) -> SourceErrorKind {
    match number {
        // The connection is gone; the server is shutting down or paused; the session was killed.
        233 | 596 | 6005 | 6104 | 10_053 | 10_054 | 10_060 | 17_142
        // The database is recovering; the replica changes its role or is not to be read just now.
        | 921 | 922 | 927 | 952 | 976 | 978 | 982 | 983 | 988
        // The same in the cloud.
        | 4221 | 40_143 | 40_197 | 40_540 | 40_613 | 42_108 | 42_109 => SourceErrorKind::Connection,
        // Deadlock, locks, memory, versions of rows, the scheduler; throttling in the cloud.
        DEADLOCK | LOCK_TIMEOUT | 701 | 1204 | 1221 | 3960 | 3966 | 3967 | 8628 | 8645 | 8651
        | 17_809 | 10_928 | 10_929 | 40_501 | 40_549 | 40_550 | 49_918 | 49_919 | 49_920 => {
            SourceErrorKind::Busy
        }
        // Login failed, disabled, locked out, expired; no default database.
        18_452 | 18_456 | 18_470 | 18_486 | 18_487 | 18_488 | 4064 | 40_532 => {
            SourceErrorKind::Authentication
        }
        229 | 230 | 262 | 297 | 300 | 371 | 378 | 916 | 15_247 | 22_904 => {
            SourceErrorKind::Privilege
        }
        // A range of changes that the server no longer has; told in words about arguments.
        313 => SourceErrorKind::PositionLost,
        207 => SourceErrorKind::Schema,
        241 | 242 | 245 | 517 | 8114 | 8115 | 8152 | 9402 | 9420 => SourceErrorKind::Decode,
        _ => SourceErrorKind::Setup,
    }
}

/// Whether an error is about one statement that lost against others and may be tried again at
/// once.
pub fn is_contention(number: u32) -> bool {
    matches!(number, DEADLOCK | LOCK_TIMEOUT)
}

#[cfg(test)]
mod tests {
    use erpbridge_connector::Remedy;

    use super::*;

    #[test]
    fn every_number_the_server_is_known_to_send_has_its_kind() {
        let table = [
            (207, SourceErrorKind::Schema),
            (208, SourceErrorKind::Setup),
            (229, SourceErrorKind::Privilege),
            (300, SourceErrorKind::Privilege),
            (313, SourceErrorKind::PositionLost),
            (916, SourceErrorKind::Privilege),
            (976, SourceErrorKind::Connection),
            (1205, SourceErrorKind::Busy),
            (1222, SourceErrorKind::Busy),
            (4060, SourceErrorKind::Setup),
            (8115, SourceErrorKind::Decode),
            (18_456, SourceErrorKind::Authentication),
            (40_501, SourceErrorKind::Busy),
            (40_613, SourceErrorKind::Connection),
        ];
        for (number, kind) in table {
            assert_eq!(kind_of_number(number), kind, "{number}");
        }
    }

    #[test]
    fn a_number_nobody_knows_is_not_retried() {
        assert_eq!(kind_of_number(33_557_097).remedy(), Remedy::Stop);
    }
}
