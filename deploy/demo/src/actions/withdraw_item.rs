//! A new item nobody has used is deleted. In PostgreSQL the table has the default replica identity:
//! the log carries its key and nothing else.

use crate::database::Sql;
use crate::desk::{Desk, Done};

const SQL: Sql = Sql {
    postgres: "DELETE FROM legacy.itma WHERE (imco, imit) IN \
         (SELECT imco, imit FROM legacy.itma WHERE imco = $1 AND imit LIKE 'N%' \
          ORDER BY imit LIMIT 1 FOR UPDATE SKIP LOCKED)",
    mariadb: "DELETE FROM legacy.itma WHERE imco = $1 AND imit LIKE 'N%' ORDER BY imit LIMIT 1",
};

pub(super) async fn run(desk: &mut Desk<'_, '_>) -> Done {
    let (company, _) = desk.plant();
    Ok(desk.execute(SQL, &[&company]).await? > 0)
}
