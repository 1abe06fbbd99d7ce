//! A new item. Its code is free text to the people who invent it.

use rand::Rng;

use crate::database::Sql;
use crate::desk::{Desk, Done};

const SQL: Sql = Sql {
    postgres: "INSERT INTO legacy.itma (imco, imit, imds, imum, imwt, impr, imcd) \
         VALUES ($1, $2, $3, 'PC', 1.5, 9.95, to_char(localtimestamp, 'YYYYMMDD')::integer) \
         ON CONFLICT DO NOTHING",
    mariadb: "INSERT IGNORE INTO legacy.itma (imco, imit, imds, imum, imwt, impr, imcd) \
         VALUES ($1, $2, $3, 'PC', 1.5, 9.95, DATE_FORMAT(NOW(), '%Y%m%d'))",
};

pub(super) async fn run(desk: &mut Desk<'_, '_>) -> Done {
    let (company, _) = desk.plant();
    let number = desk.rng.random_range(1..1_000_000);
    let (item, name) = (format!("N{number:06}"), format!("DEMO NOVELTY {number}"));
    Ok(desk.execute(SQL, &[&company, &item, &name]).await? > 0)
}
