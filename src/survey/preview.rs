//! What a mapping would publish, shown and not published.

use erpbridge_connector::{Operation, Sampled};

use super::{Site, batch};
use crate::canonical::FrozenBatch;
use crate::pipeline::ConvertError;

/// What is supposed to have happened to the rows of a sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum As {
    /// They came: rules for new rows, and transitions into the state they are in.
    #[default]
    Insert,
    /// A snapshot found them: only rules with `snapshot: true`.
    Read,
    /// They went.
    Delete,
}

impl As {
    const fn operation(self) -> Operation {
        match self {
            Self::Insert => Operation::Insert,
            Self::Read => Operation::Read,
            Self::Delete => Operation::Delete,
        }
    }
}

/// Events and dead letters that would come of some rows.
pub struct Preview {
    /// The rows.
    pub samples: Vec<Sampled>,
    /// What would come of them.
    pub batch: FrozenBatch,
}

/// Plays rows that were sampled before.
///
/// # Errors
/// If the mapping says to stop for what it does not know.
pub fn preview(site: &mut Site, samples: Vec<Sampled>, as_if: As) -> Result<Preview, ConvertError> {
    let played = batch::played(&samples, as_if.operation());
    let batch = site.convert(&played)?.freeze();
    Ok(Preview { samples, batch })
}
