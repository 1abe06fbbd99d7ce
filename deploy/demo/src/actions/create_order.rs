//! Header with total zero, lines, then the header again with its total: three kinds of statement,
//! and the header row is written twice.

use rand::Rng;

use crate::database::{Error, Sql};
use crate::desk::{Desk, Done};

const HEADER: Sql = Sql {
    postgres: "INSERT INTO legacy.pohd (hdco, hdpl, hdst, hdsu, hdcu, hdby, hdod) \
         SELECT suco, $2::bpchar, 'D', susu, sucu, $3::bpchar, \
                to_char(localtimestamp, 'YYYYMMDD')::integer \
         FROM legacy.spma WHERE suco = $1 AND suac = 'Y' \
         ORDER BY susu LIMIT 1 OFFSET $4 RETURNING hdid",
    mariadb: "INSERT INTO legacy.pohd (hdco, hdpl, hdst, hdsu, hdcu, hdby, hdod) \
         SELECT suco, $2, 'D', susu, sucu, $3, DATE_FORMAT(NOW(), '%Y%m%d') \
         FROM legacy.spma WHERE suco = $1 AND suac = 'Y' \
         ORDER BY susu LIMIT 1 OFFSET $4 RETURNING hdid",
};

/// The required date is `$4` days away and stored as CYYDDD; zero days away means none.
const LINE: Sql = Sql {
    postgres: "INSERT INTO legacy.poln \
         (lnhd, lnln, lnco, lnpl, lnit, lnum, lnqt, lnpr, lncu, lnrq) \
         SELECT hdid, $2::smallint, hdco, hdpl, imit, imum, $3::float8, impr, hdcu, \
                CASE WHEN $4::integer = 0 THEN 0 \
                     ELSE to_char(localtimestamp + make_interval(days => $4), 'YYYYDDD')::integer \
                          - 1900000 END \
         FROM legacy.pohd JOIN legacy.itma ON imco = hdco AND imac = 'Y' \
         WHERE hdid = $1 ORDER BY imit LIMIT 1 OFFSET $5",
    mariadb: "INSERT INTO legacy.poln \
         (lnhd, lnln, lnco, lnpl, lnit, lnum, lnqt, lnpr, lncu, lnrq) \
         SELECT hdid, $2, hdco, hdpl, imit, imum, $3, impr, hdcu, \
                IF($4 = 0, 0, (YEAR(NOW() + INTERVAL $4 DAY) - 1900) * 1000 \
                              + DAYOFYEAR(NOW() + INTERVAL $4 DAY)) \
         FROM legacy.pohd JOIN legacy.itma ON imco = hdco AND imac = 'Y' \
         WHERE hdid = $1 ORDER BY imit LIMIT 1 OFFSET $5",
};

/// Adds the lines up again.
pub(super) const TOTAL: Sql = Sql {
    postgres: "UPDATE legacy.pohd SET hdtk = hdtk + 1, hdtl = \
         (SELECT coalesce(sum(round(lnqt::numeric * lnpr, 2)), 0) \
          FROM legacy.poln WHERE lnhd = hdid) \
         WHERE hdid = $1",
    mariadb: "UPDATE legacy.pohd SET hdtk = hdtk + 1, hdtl = \
         (SELECT COALESCE(SUM(ROUND(CAST(lnqt AS DECIMAL(20, 6)) * lnpr, 2)), 0) \
          FROM legacy.poln WHERE lnhd = hdid) \
         WHERE hdid = $1",
};

pub(super) async fn run(desk: &mut Desk<'_, '_>) -> Done {
    let (company, plant) = desk.plant();
    let buyer = if desk.chance(70) { format!("BUY{}", desk.offset(5)) } else { String::new() };
    let supplier = desk.offset(35);
    let Some(header) = desk.row(HEADER, &[&company, &plant, &buyer, &supplier]).await? else {
        return Ok(false);
    };
    let order: i64 = header.get(0);
    for line in 1..=desk.rng.random_range(1..=5) {
        add_line(desk, order, 10 * line).await?;
    }
    desk.execute(TOTAL, &[&order]).await?;
    Ok(true)
}

/// Orders some of any item.
pub(super) async fn add_line(desk: &mut Desk<'_, '_>, order: i64, line: i16) -> Result<(), Error> {
    let quantity = desk.quantity();
    let days = if desk.chance(80) { desk.rng.random_range(5..60) } else { 0_i32 };
    let item = desk.offset(250);
    desk.execute(LINE, &[&order, &line, &quantity, &days, &item]).await?;
    Ok(())
}
