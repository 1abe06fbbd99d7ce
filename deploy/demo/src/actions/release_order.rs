//! The number is drawn from its range, itself a row; then the header is written three times:
//! number, status, update counter.

use crate::database::Sql;
use crate::desk::{Desk, Done};

const DRAW: Sql =
    Sql::of_both("UPDATE legacy.nurg SET nunx = nunx + 1 WHERE nuco = $1 AND nuty = 'PO'");
const DRAWN: Sql =
    Sql::of_both("SELECT concat('PO', nunx - 1) FROM legacy.nurg WHERE nuco = $1 AND nuty = 'PO'");
const NUMBER: Sql = Sql::of_both("UPDATE legacy.pohd SET hdno = $2 WHERE hdid = $1");
const STATUS: Sql = Sql::of_both("UPDATE legacy.pohd SET hdst = 'R' WHERE hdid = $1");
const SAVED: Sql = Sql::of_both("UPDATE legacy.pohd SET hdtk = hdtk + 1 WHERE hdid = $1");

pub(super) async fn run(desk: &mut Desk<'_, '_>) -> Done {
    let Some(order) = desk.order("S").await? else { return Ok(false) };
    desk.execute(DRAW, &[&order.company]).await?;
    let Some(drawn) = desk.row(DRAWN, &[&order.company]).await? else { return Ok(false) };
    let number: String = drawn.get(0);
    desk.execute(NUMBER, &[&order.id, &number]).await?;
    desk.execute(STATUS, &[&order.id]).await?;
    desk.execute(SAVED, &[&order.id]).await?;
    Ok(true)
}
