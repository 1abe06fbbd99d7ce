//! A draft is handed in for approval.

use crate::database::Sql;
use crate::desk::{Desk, Done};

const SQL: Sql = Sql::of_both("UPDATE legacy.pohd SET hdst = 'S', hdtk = hdtk + 1 WHERE hdid = $1");

pub(super) async fn run(desk: &mut Desk<'_, '_>) -> Done {
    let Some(order) = desk.order("D").await? else { return Ok(false) };
    desk.execute(SQL, &[&order.id]).await?;
    Ok(true)
}
