//! A draft is handed in for approval.

use crate::desk::{Desk, Done};

const SQL: &str = "UPDATE legacy.pohd SET hdst = 'S', hdtk = hdtk + 1 WHERE hdid = $1";

pub(super) async fn run(desk: &mut Desk<'_>) -> Done {
    let Some(order) = desk.order("D").await? else { return Ok(false) };
    desk.execute(SQL, &[&order.id]).await?;
    Ok(true)
}
