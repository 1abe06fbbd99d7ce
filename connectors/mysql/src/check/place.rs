//! Whether the log goes on after a stored position, and how long it will.
//!
//! While the bridge runs a metric tells the same. While it does not, nobody sees its place come
//! nearer to the end of what the server keeps, and this is where it is told.

use std::time::Duration;

use erpbridge_connector::{Finding, Position, SourceError};

use crate::config::MysqlConfig;
use crate::position::{Coordinates, LogPosition};
use crate::retention::{self, Retention};
use crate::session::connect;
use crate::start::{self, Start};
use crate::stream::Entry;
use crate::{begin, catalog};

/// Time for a person to come; the alert has the same.
const SOON: Duration = Duration::from_hours(12);

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// Judges the server's log by the stored position.
pub(crate) async fn check_position(
    config: &MysqlConfig,
    position: &Position,
) -> Result<Vec<Finding>, SourceError> {
    let position = match begin::parsed(position) {
        Ok(position) => position,
        Err(error) => return Ok(vec![lost(&error)]),
    };
    let end = match enters(config, position).await? {
        Ok(Some(entered)) => entered,
        Ok(None) => return Ok(Vec::new()),
        Err(error) => return Ok(vec![lost(&error)]),
    };
    Ok(end.forecast(config).await?.into_iter().collect())
}

/// A place in the log that can be entered.
struct Entered {
    place: Coordinates,
    end: Coordinates,
}

/// Where the log would be entered, if that is a place of this server's; or why it cannot be.
async fn enters(
    config: &MysqlConfig,
    position: LogPosition,
) -> Result<Result<Option<Entered>, SourceError>, SourceError> {
    let mut session = connect(config).await?;
    let server = start::read_server(&mut session, Some(&position)).await?;
    session.close().await;
    let end = server.log.at.clone();
    Ok(start::decide(Some(position), &server).map(|start| match start {
        Start::Resume(route) | Start::Finish(route, _) => match route.entry {
            Entry::At(place) => Some(Entered { place, end }),
            // The server that took over has the log; how old it is cannot be told by a file.
            Entry::Without(_) => None,
        },
        Start::Fresh => None,
    }))
}

impl Entered {
    /// Tells of a place that will soon be gone. The file that is being written stays.
    async fn forecast(&self, config: &MysqlConfig) -> Result<Option<Finding>, SourceError> {
        let Some(written) = retention::closed_at(config, &self.place, &self.end).await? else {
            return Ok(None);
        };
        let mut session = connect(config).await?;
        let retention = retention::read(&mut session).await?;
        let now = catalog::clock(&mut session).await?;
        session.close().await;
        let lasts = retention.lasts(&self.place, &self.end, written, now);
        Ok(lasts.filter(|lasts| *lasts < SOON).map(|lasts| soon(&self.place, lasts, &retention)))
    }
}

fn soon(place: &Coordinates, lasts: Duration, retention: &Retention) -> Finding {
    let when = match lasts.as_secs() {
        0 => "may remove it at any moment".to_owned(),
        seconds if seconds < HOUR => "will remove it within the hour".to_owned(),
        seconds => format!("will remove it in {} h", seconds / HOUR),
    };
    let kept = retention.kept.unwrap_or_default().as_secs();
    let longer = std::cmp::max(7 * DAY, kept.saturating_mul(2));
    let longer = if retention.in_days { longer.div_ceil(DAY) } else { longer };
    let name = if retention.in_days { "expire_logs_days" } else { "binlog_expire_logs_seconds" };
    Finding::warning(
        format!("log file {}", place.file),
        format!("the source goes on in it, and the server {when}; then a new snapshot is needed"),
        "let the server keep its log for longer, if its disk has the room, and start the bridge",
    )
    .with_sql(format!("SET GLOBAL {name} = {longer}"))
}

fn lost(error: &SourceError) -> Finding {
    let mend = error.hint().unwrap_or("take a new snapshot");
    Finding::error("stored position", error.to_string(), mend)
}
