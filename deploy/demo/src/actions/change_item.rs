//! An item's master data: mostly its weight, sometimes its long text, sometimes whether it may be
//! used. The long text is in the log only when it is the text that changes.

use rand::Rng;

use crate::database::Sql;
use crate::desk::{Desk, Done};

const WEIGHT: Sql = Sql::of_both(
    "UPDATE legacy.itma SET imwt = $3, imtk = imtk + 1 \
     WHERE imco = $1 AND imit = $2",
);
const TEXT: Sql = Sql {
    postgres: "UPDATE legacy.itma SET imtx = repeat('Text ' || $3::real || '. ', 400), \
         imtk = imtk + 1 WHERE imco = $1 AND imit = $2",
    mariadb: "UPDATE legacy.itma SET imtx = REPEAT(CONCAT('Text ', $3, '. '), 400), \
         imtk = imtk + 1 WHERE imco = $1 AND imit = $2",
};
const ACTIVE: Sql = Sql::of_both(
    "UPDATE legacy.itma SET imac = CASE imac WHEN 'Y' THEN 'N' ELSE 'Y' END, \
     imwt = $3, imtk = imtk + 1 WHERE imco = $1 AND imit = $2",
);

pub(super) async fn run(desk: &mut Desk<'_, '_>) -> Done {
    let (company, _) = desk.plant();
    let item = format!("I{:05}", desk.rng.random_range(1..=300));
    let weight = desk.rng.random_range(1_i16..2000);
    let weight = f32::from(weight) * 0.01;
    let statement = match desk.offset(10) {
        0 => ACTIVE,
        1 | 2 => TEXT,
        _ => WEIGHT,
    };
    Ok(desk.execute(statement, &[&company, &item, &weight]).await? > 0)
}
