//! Somebody counts an item. A difference is booked; where there is none, only the balance's
//! update counter moves.

use crate::database::Sql;
use crate::desk::{Booking, Desk, Done};

const STOCKED: Sql = Sql::of_both(
    "SELECT blit, blum FROM legacy.stbl \
     WHERE blco = $1 AND blpl = $2 ORDER BY blit LIMIT 1 OFFSET $3 FOR UPDATE SKIP LOCKED",
);
const COUNTED: Sql = Sql::of_both(
    "UPDATE legacy.stbl SET bltk = bltk + 1 WHERE blco = $1 AND blpl = $2 AND blit = $3",
);

pub(super) async fn run(desk: &mut Desk<'_, '_>) -> Done {
    let (company, plant) = desk.plant();
    let offset = desk.offset(300);
    let Some(row) = desk.row(STOCKED, &[&company, &plant, &offset]).await? else {
        return Ok(false);
    };
    let (item, unit): (String, String) = (row.get(0), row.get(1));
    if desk.chance(25) {
        desk.execute(COUNTED, &[&company, &plant, &item]).await?;
        return Ok(true);
    }
    let quantity = desk.quantity() - 30.05;
    let (kind, order, line, note) = ("AJ", 0, 0, "");
    let booking =
        Booking { company, plant, item: &item, kind, quantity, unit: &unit, order, line, note };
    desk.book(&booking).await?;
    Ok(true)
}
