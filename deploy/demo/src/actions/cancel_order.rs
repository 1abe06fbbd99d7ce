//! An order is called off before anything came in: lines first, then the header.

use crate::database::Sql;
use crate::desk::{Desk, Done};

const LINES: Sql =
    Sql::of_both("UPDATE legacy.poln SET lnst = 'X', lntk = lntk + 1 WHERE lnhd = $1");
const HEADER: Sql = Sql::of_both(
    "UPDATE legacy.pohd \
     SET hdst = 'X', hdcl = localtimestamp(0), hdtk = hdtk + 1 WHERE hdid = $1",
);
const TOUCHED: Sql =
    Sql::of_both("SELECT 1 FROM legacy.poln WHERE lnhd = $1 AND lnst <> 'O' LIMIT 1");

pub(super) async fn run(desk: &mut Desk<'_, '_>) -> Done {
    let Some(order) = desk.order("DSR").await? else { return Ok(false) };
    if desk.row(TOUCHED, &[&order.id]).await?.is_some() {
        return Ok(false);
    }
    desk.execute(LINES, &[&order.id]).await?;
    desk.execute(HEADER, &[&order.id]).await?;
    Ok(true)
}
