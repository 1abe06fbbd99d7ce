//! A draft is thrown away, as if it had never been.

use crate::database::Sql;
use crate::desk::{Desk, Done};

const LINES: Sql = Sql::of_both("DELETE FROM legacy.poln WHERE lnhd = $1");
const HEADER: Sql = Sql::of_both("DELETE FROM legacy.pohd WHERE hdid = $1");

pub(super) async fn run(desk: &mut Desk<'_, '_>) -> Done {
    let Some(order) = desk.order("D").await? else { return Ok(false) };
    desk.execute(LINES, &[&order.id]).await?;
    desk.execute(HEADER, &[&order.id]).await?;
    Ok(true)
}
