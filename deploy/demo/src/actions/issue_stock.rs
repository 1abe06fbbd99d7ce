//! Somebody takes goods out of stock.

use crate::database::Sql;
use crate::desk::{Booking, Desk, Done};

const STOCKED: Sql = Sql::of_both(
    "SELECT blit, blum FROM legacy.stbl \
     WHERE blco = $1 AND blpl = $2 ORDER BY blit LIMIT 1 OFFSET $3",
);

pub(super) async fn run(desk: &mut Desk<'_, '_>) -> Done {
    let (company, plant) = desk.plant();
    let offset = desk.offset(300);
    let Some(row) = desk.row(STOCKED, &[&company, &plant, &offset]).await? else {
        return Ok(false);
    };
    let (item, unit): (String, String) = (row.get(0), row.get(1));
    let quantity = -desk.quantity();
    let (order, line, note) = (0, 0, "");
    let kind = "IS";
    let booking =
        Booking { company, plant, item: &item, kind, quantity, unit: &unit, order, line, note };
    desk.book(&booking).await?;
    Ok(true)
}
