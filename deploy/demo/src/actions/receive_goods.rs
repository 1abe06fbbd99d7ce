//! A delivery against a released order: for every delivered line a stock move, the balance and
//! the line; when nothing is open any more, the header too.

use crate::database::{Error, Sql};
use crate::desk::{Booking, Desk, Done, Order};

/// In the order of items, so that two deliveries never wait for each other's balances crosswise.
const OPEN: Sql = Sql::of_both(
    "SELECT lnln, lnit, lnum, lnqt, lnrc FROM legacy.poln \
     WHERE lnhd = $1 AND lnst IN ('O', 'P') ORDER BY lnit, lnln",
);
const RECEIVED: Sql = Sql::of_both(
    "UPDATE legacy.poln SET lnrc = $3, lnst = $4, lntk = lntk + 1 \
     WHERE lnhd = $1 AND lnln = $2",
);
const CLOSE: Sql = Sql::of_both(
    "UPDATE legacy.pohd SET hdst = 'C', hdcl = localtimestamp(0), hdtk = hdtk + 1 \
     WHERE hdid = $1 AND NOT EXISTS \
     (SELECT 1 FROM legacy.poln WHERE lnhd = hdid AND lnst IN ('O', 'P'))",
);

struct OpenLine {
    number: i16,
    item: String,
    unit: String,
    ordered: f64,
    received: f64,
}

pub(super) async fn run(desk: &mut Desk<'_, '_>) -> Done {
    let Some(order) = desk.order("R").await? else { return Ok(false) };
    let rows = desk.rows(OPEN, &[&order.id]).await?;
    let note = format!("DN{:08}", desk.offset(100_000_000));
    let mut delivered = false;
    for row in &rows {
        let line = OpenLine {
            number: row.get(0),
            item: row.get(1),
            unit: row.get(2),
            ordered: row.get(3),
            received: row.get(4),
        };
        if desk.chance(70) {
            deliver(desk, &order, &line, &note).await?;
            delivered = true;
        }
    }
    desk.execute(CLOSE, &[&order.id]).await?;
    Ok(delivered || rows.is_empty())
}

/// The rest of the line, or half of it.
async fn deliver(
    desk: &mut Desk<'_, '_>,
    order: &Order,
    line: &OpenLine,
    note: &str,
) -> Result<(), Error> {
    let rest = line.ordered - line.received;
    let in_full = rest < 1.0 || desk.chance(65);
    let quantity = if in_full { rest } else { rest / 2.0 };
    let received = if in_full { line.ordered } else { line.received + quantity };
    let booking = Booking {
        company: &order.company,
        plant: &order.plant,
        item: &line.item,
        kind: "RC",
        quantity,
        unit: &line.unit,
        order: order.id,
        line: line.number,
        note,
    };
    desk.book(&booking).await?;
    let status = if in_full { "F" } else { "P" };
    desk.execute(RECEIVED, &[&order.id, &line.number, &received, &status]).await?;
    Ok(())
}
