//! A supplier's master data: its lead time, or whether anything may be ordered there. Being
//! allowed again sets the date of the block back to 1900.

use rand::Rng;

use crate::database::Sql;
use crate::desk::{Desk, Done};

const LEAD_TIME: Sql = Sql::of_both(
    "UPDATE legacy.spma SET sult = $3, sutk = sutk + 1 \
     WHERE suco = $1 AND susu = $2",
);
const BLOCK: Sql = Sql::of_both(
    "UPDATE legacy.spma SET sult = $3, \
     subl = CASE suac WHEN 'Y' THEN localtimestamp(0) ELSE '1900-01-01' END, \
     suac = CASE suac WHEN 'Y' THEN 'N' ELSE 'Y' END, sutk = sutk + 1 \
     WHERE suco = $1 AND susu = $2",
);

pub(super) async fn run(desk: &mut Desk<'_, '_>) -> Done {
    let (company, _) = desk.plant();
    // Few are ever blocked, so that there is always somebody to order from.
    let blocked = desk.chance(20);
    let number = if blocked { desk.offset(4) + 1 } else { desk.offset(40) + 1 };
    let supplier = format!("S{number:04}");
    let days: i16 = desk.rng.random_range(1..40);
    let statement = if blocked { BLOCK } else { LEAD_TIME };
    Ok(desk.execute(statement, &[&company, &supplier, &days]).await? > 0)
}
