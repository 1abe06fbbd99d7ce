//! Why a request gets no rows: what SQL Server would say, or that this server does not know.

use std::fmt;

/// What most steps return.
pub(crate) type Result<T> = std::result::Result<T, Problem>;

/// Why a statement ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// The error SQL Server would raise.
    Raised(Raised),
    /// The statement is not understood; it fails the test.
    Misunderstood(String),
    /// The client is gone or took the request back; nobody hears this.
    Cancelled,
}

/// An error of the server, as the ERROR token carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Raised {
    pub(crate) number: u32,
    pub(crate) severity: u8,
    pub(crate) state: u8,
    pub(crate) message: String,
}

impl Problem {
    /// An error with its number and words; severity 16 fits most.
    pub(crate) fn raised(number: u32, message: impl Into<String>) -> Self {
        Self::Raised(Raised::new(number, message))
    }

    /// What was not understood.
    pub(crate) fn unknown(what: impl fmt::Display) -> Self {
        Self::Misunderstood(what.to_string())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Raised(raised) => write!(f, "error {}: {}", raised.number, raised.message),
            Self::Misunderstood(what) => f.write_str(what),
            Self::Cancelled => f.write_str("cancelled"),
        }
    }
}

impl Raised {
    pub(crate) fn new(number: u32, message: impl Into<String>) -> Self {
        let severity = match number {
            229 | 300 | 4060 | 18456 | 262 | 297 | 18_470 => 14,
            1205 => 13,
            40_501 | 40_613 | 976 => 20,
            _ => 16,
        };
        let state = match number {
            1222 => 51,
            1205 => 45,
            229 => 5,
            _ => 1,
        };
        Self { number, severity, state, message: message.into() }
    }

    /// The error of a fault, in the server's words, about this object or user.
    pub(crate) fn of_fault(number: u32, about: &str) -> Self {
        let message = match number {
            208 => format!("Invalid object name '{about}'."),
            229 => format!("The SELECT permission was denied on the object '{about}'."),
            313 => {
                "An insufficient number of arguments were supplied for the procedure or function \
                    cdc.fn_cdc_get_all_changes_ ... ."
                    .to_owned()
            }
            1205 => "Transaction (Process ID 52) was deadlocked on lock resources with another \
                     process and has been chosen as the deadlock victim. Rerun the transaction."
                .to_owned(),
            1222 => "Lock request time out period exceeded.".to_owned(),
            4060 => format!(
                "Cannot open database \"{about}\" requested by the login. The login failed."
            ),
            18_456 => format!("Login failed for user '{about}'."),
            40_501 => {
                "The service is currently busy. Retry the request after 10 seconds.".to_owned()
            }
            40_613 => format!(
                "Database '{about}' on server 'erpsql01' is not currently available.  Please retry \
                 the connection later."
            ),
            _ => format!("Error {number}."),
        };
        Self::new(number, message)
    }
}
