//! All prices of a company, by one statement: several hundred rows in one transaction.

use crate::database::Sql;
use crate::desk::{Desk, Done};

/// Rows are locked in the order of their keys, so that two of these never wait crosswise.
const SQL: Sql = Sql {
    postgres: "UPDATE legacy.itma AS item \
         SET impr = round(item.impr * 1.01, 4), imtk = item.imtk + 1 \
         FROM (SELECT imco, imit FROM legacy.itma WHERE imco = $1 AND imac = 'Y' \
               ORDER BY imit FOR UPDATE) AS priced \
         WHERE item.imco = priced.imco AND item.imit = priced.imit",
    mariadb: "UPDATE legacy.itma SET impr = ROUND(impr * 1.01, 4), imtk = imtk + 1 \
         WHERE imco = $1 AND imac = 'Y' ORDER BY imit",
};

pub(super) async fn run(desk: &mut Desk<'_, '_>) -> Done {
    let (company, _) = desk.plant();
    Ok(desk.execute(SQL, &[&company]).await? > 0)
}
