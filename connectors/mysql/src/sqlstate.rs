//! What the server's error numbers mean for the bridge. (They stand in the place of SQLSTATE,
//! which both servers fill with `HY000` for nearly everything that matters here.)
//!
//! Only what is known to pass by itself may be retried. So the table names the numbers that do,
//! and everything it does not name stops the source with the server's own words.
//! <https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html> and
//! <https://mariadb.com/kb/en/mariadb-error-code-reference/>.

use erpbridge_connector::{SourceError, SourceErrorKind};

/// The dump thread gives up; why is only in its words.
pub(crate) const DUMP_FAILED: u16 = 1236;

/// The kind of an error by its number; 1236, the dump thread that gives up, is told apart by its words.
pub fn kind_of_errno(code: u16) -> SourceErrorKind {
    match code {
        // Shutdown; the network, as the server sees it; a session that somebody killed, or that
        // was idle for too long.
        1053 | 1077..=1079 | 1152 | 1158..=1161 | 1184 | 1317 | 1927 | 3169 | 4031 => {
            SourceErrorKind::Connection
        }
        // Connection slots; limits per hour; memory or disk exhausted; locks and deadlocks; time
        // limits of statements; a table whose shape is being changed; another reader with our
        // number.
        1021 | 1037 | 1038 | 1040 | 1041 | 1203 | 1205 | 1206 | 1213 | 1223 | 1226 | 1412
        | 1615 | 1969 | 3024 | 3572 | 4052 => SourceErrorKind::Busy,
        1045
        | 1130..=1132
        | 1251
        | 1275
        | 1524
        | 1698
        | 1820
        | 1862
        | 3118
        | 3159
        | 3955
        | 4151 => SourceErrorKind::Authentication,
        1044 | 1095 | 1142 | 1143 | 1227 | 1370 | 1419 => SourceErrorKind::Privilege,
        1054 | 1146 => SourceErrorKind::Schema,
        // Values: the server's words quote them.
        1264 | 1267 | 1292 | 1300 | 1366 | 1406 | 3140 => SourceErrorKind::Decode,
        1153 => SourceErrorKind::TooLarge,
        _ => SourceErrorKind::Setup,
    }
}

/// Why the dump thread gave up, by the words of both servers since 5.5.
pub(crate) fn of_dump(message: &str) -> SourceError {
    let said = |words: &str| message.contains(words);
    if said("same server_uuid/server_id") || said("same server_id") {
        return busy(message);
    }
    if said("Could not find first log file") || said("has purged") || said("purged required") {
        return lost(message);
    }
    if said("more GTIDs") || said("not in the master") || said("not in the primary") {
        return other_log(message, "it has not seen all transactions that we have");
    }
    let misplaced = [
        "bogus data",
        "truncated in the middle",
        "impossible position",
        "position > file size",
        "event entry exceeded",
    ];
    if misplaced.iter().any(|words| said(words)) {
        return other_log(message, "no event begins at our position");
    }
    let kind = if said("Out of memory") || said("could not find next log") {
        SourceErrorKind::Connection
    } else {
        SourceErrorKind::Setup
    };
    SourceError::new(kind, format!("the server does not give out its log: {message}"))
}

fn busy(message: &str) -> SourceError {
    let message = format!("another reader of the log uses our number: {message}");
    SourceError::new(SourceErrorKind::Busy, message).with_hint(
        "if this comes again and again, a second bridge or a replica has the same server_id: give \
         this source another one (`server_id`)",
    )
}

fn lost(message: &str) -> SourceError {
    let message = format!("the server no longer has the log after our position: {message}");
    SourceError::new(SourceErrorKind::PositionLost, message).with_hint(LOST_HINT)
}

/// What to do when the log has gone.
pub(crate) const LOST_HINT: &str = "remove the stored offsets of this source to begin anew with a snapshot; and let the server \
     keep its log for longer (binlog_expire_logs_seconds or expire_logs_days), so that a longer \
     pause is survived";

fn other_log(message: &str, why: &str) -> SourceError {
    let message = format!("this is not the log of our position: {why}: {message}");
    SourceError::new(SourceErrorKind::IdentityChanged, message).with_hint(OTHER_LOG_HINT)
}

/// What to do when the log is another.
pub(crate) const OTHER_LOG_HINT: &str = "connect to the server the position comes from, or to one that has taken over from it by \
     GTID; if it was restored or its log was reset, remove the stored offsets of this source and \
     begin anew with a snapshot";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_passes_by_itself_is_retried() {
        use erpbridge_connector::Remedy;
        for (code, remedy) in [
            (1040, Remedy::Retry),
            (1053, Remedy::Retry),
            (1045, Remedy::Stop),
            (9999, Remedy::Stop),
        ] {
            assert_eq!(kind_of_errno(code).remedy(), remedy, "{code}");
        }
    }

    #[test]
    fn the_words_of_a_dump_that_ended_are_understood() {
        let cases = [
            (
                "Could not find first log file name in binary log index file",
                SourceErrorKind::PositionLost,
            ),
            (
                "Cannot replicate because the source purged required binary logs.",
                SourceErrorKind::PositionLost,
            ),
            (
                "The slave is connecting using CHANGE MASTER TO MASTER_AUTO_POSITION = 1, but the \
                 master has purged binary logs containing GTIDs that the slave requires.",
                SourceErrorKind::PositionLost,
            ),
            (
                "Replica has more GTIDs than the source has, using the source's SERVER_UUID.",
                SourceErrorKind::IdentityChanged,
            ),
            (
                "Error: connecting slave requested to start from GTID 0-1-5, which is not in the \
                 master's binlog",
                SourceErrorKind::IdentityChanged,
            ),
            (
                "bogus data in log event; the first event 'binlog.000001' at 4711, the last event \
                 read from './binlog.000001' at 4, the last byte read from './binlog.000001' at 4.",
                SourceErrorKind::IdentityChanged,
            ),
            (
                "Client requested master to start replication from impossible position",
                SourceErrorKind::IdentityChanged,
            ),
            (
                "A slave with the same server_uuid/server_id as this slave has connected to the \
                 master",
                SourceErrorKind::Busy,
            ),
            ("Misconfigured master - server id was not set", SourceErrorKind::Setup),
        ];
        for (message, kind) in cases {
            assert_eq!(of_dump(message).kind(), kind, "{message}");
        }
    }
}
