//! An order is called off before anything came in: lines first, then the header.

use crate::desk::{Desk, Done};

const LINES: &str = "UPDATE legacy.poln SET lnst = 'X', lntk = lntk + 1 WHERE lnhd = $1";
const HEADER: &str = "UPDATE legacy.pohd \
     SET hdst = 'X', hdcl = localtimestamp(0), hdtk = hdtk + 1 WHERE hdid = $1";
const TOUCHED: &str = "SELECT FROM legacy.poln WHERE lnhd = $1 AND lnst <> 'O' LIMIT 1";

pub(super) async fn run(desk: &mut Desk<'_>) -> Done {
    let Some(order) = desk.order("DSR").await? else { return Ok(false) };
    if desk.row(TOUCHED, &[&order.id]).await?.is_some() {
        return Ok(false);
    }
    desk.execute(LINES, &[&order.id]).await?;
    desk.execute(HEADER, &[&order.id]).await?;
    Ok(true)
}
