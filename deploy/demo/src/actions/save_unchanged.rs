//! Somebody looks at an order and leaves the screen with "save": only the update counter of the
//! header moves, and the lines are updated to what they were.

use crate::database::Sql;
use crate::desk::{Desk, Done};

const HEADER: Sql = Sql::of_both("UPDATE legacy.pohd SET hdtk = hdtk + 1 WHERE hdid = $1");
const LINES: Sql =
    Sql::of_both("UPDATE legacy.poln SET lnqt = lnqt, lntk = lntk + 1 WHERE lnhd = $1");

pub(super) async fn run(desk: &mut Desk<'_, '_>) -> Done {
    let Some(order) = desk.order("DSR").await? else { return Ok(false) };
    desk.execute(HEADER, &[&order.id]).await?;
    desk.execute(LINES, &[&order.id]).await?;
    Ok(true)
}
