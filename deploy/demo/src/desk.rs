//! What an action has at hand: an open transaction, a die, and the questions all actions ask.

use rand::Rng;
use rand::rngs::StdRng;

use crate::database::{Error, Parameter, Row, Sql, Work};

/// Whether the action found something to do.
pub(crate) type Done = Result<bool, Error>;

/// Companies and their plants.
const PLANTS: [(&str, &str); 3] = [("01", "P10"), ("01", "P20"), ("02", "P30")];

/// One person's desk during one transaction.
pub(crate) struct Desk<'t, 'c> {
    work: &'t mut Work<'c>,
    /// The only source of chance.
    pub(crate) rng: &'t mut StdRng,
}

/// The header of an order, locked.
pub(crate) struct Order {
    pub(crate) id: i64,
    pub(crate) company: String,
    pub(crate) plant: String,
}

impl<'t, 'c> Desk<'t, 'c> {
    pub(crate) fn new(work: &'t mut Work<'c>, rng: &'t mut StdRng) -> Self {
        Self { work, rng }
    }

    /// Runs a statement.
    pub(crate) async fn execute(
        &mut self,
        sql: Sql,
        parameters: &[&dyn Parameter],
    ) -> Result<u64, Error> {
        self.work.execute(sql, parameters).await
    }

    /// Runs a query for at most one row.
    pub(crate) async fn row(
        &mut self,
        sql: Sql,
        parameters: &[&dyn Parameter],
    ) -> Result<Option<Row>, Error> {
        Ok(self.work.rows(sql, parameters).await?.into_iter().next())
    }

    /// Runs a query.
    pub(crate) async fn rows(
        &mut self,
        sql: Sql,
        parameters: &[&dyn Parameter],
    ) -> Result<Vec<Row>, Error> {
        self.work.rows(sql, parameters).await
    }

    /// True `percent` times of a hundred.
    pub(crate) fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    /// A number below `bound`, to be used as an offset.
    pub(crate) fn offset(&mut self, bound: i64) -> i64 {
        self.rng.random_range(0..bound)
    }

    /// A company and one of its plants.
    pub(crate) fn plant(&mut self) -> (&'static str, &'static str) {
        let index = self.rng.random_range(0..PLANTS.len());
        PLANTS.get(index).copied().unwrap_or(("01", "P10"))
    }

    /// A quantity as such programs compute them: tenths, by way of binary floats.
    pub(crate) fn quantity(&mut self) -> f64 {
        f64::from(self.rng.random_range(1..=600)) * 0.1
    }

    /// Takes one of the 25 oldest orders in one of these states; nobody else can until the end
    /// of the transaction, and nobody waits: who finds it taken does something else.
    pub(crate) async fn order(&mut self, states: &str) -> Result<Option<Order>, Error> {
        const PICK: Sql = Sql::of_both(
            "SELECT hdid FROM \
             (SELECT hdid FROM legacy.pohd WHERE position(hdst IN $1) > 0 \
              ORDER BY hdid LIMIT 25) AS oldest \
             ORDER BY md5(concat(hdid, CAST($2 AS char(6)))) LIMIT 1",
        );
        const TAKE: Sql = Sql::of_both(
            "SELECT hdid, hdco, hdpl FROM legacy.pohd \
             WHERE hdid = $1 AND position(hdst IN $2) > 0 FOR UPDATE SKIP LOCKED",
        );
        let die = self.rng.random_range(0..1_000_000).to_string();
        let Some(picked) = self.row(PICK, &[&states, &die]).await? else { return Ok(None) };
        let row = self.row(TAKE, &[&picked.get::<i64>(0), &states]).await?;
        Ok(row.map(|row| Order { id: row.get(0), company: row.get(1), plant: row.get(2) }))
    }

    /// Books a quantity into or out of stock: the move and the balance.
    pub(crate) async fn book(&mut self, booking: &Booking<'_>) -> Result<(), Error> {
        let Booking { company, plant, item, kind, quantity, unit, order, line, note } = booking;
        self.execute(MOVE, &[company, plant, item, kind, quantity, unit, order, line, note])
            .await?;
        self.execute(BALANCE, &[company, plant, item, unit, quantity]).await?;
        Ok(())
    }
}

const MOVE: Sql = Sql {
    postgres: "INSERT INTO legacy.stmv \
         (mvco, mvpl, mvit, mvty, mvqt, mvum, mvhd, mvln, mvdn, mvfl, mvtl, mvdt, mvtm) \
         VALUES ($1, $2, $3, $4, abs($5::float8), $6, $7, $8, $9, \
                 CASE WHEN $5 < 0 THEN 'MAIN' ELSE '' END, \
                 CASE WHEN $5 < 0 THEN '' ELSE 'MAIN' END, \
                 to_char(localtimestamp, 'YYYYMMDD')::integer, \
                 to_char(localtimestamp, 'HH24MISS')::integer)",
    mariadb: "INSERT INTO legacy.stmv \
         (mvco, mvpl, mvit, mvty, mvqt, mvum, mvhd, mvln, mvdn, mvfl, mvtl, mvdt, mvtm) \
         VALUES ($1, $2, $3, $4, ABS($5), $6, $7, $8, $9, \
                 IF($5 < 0, 'MAIN', ''), IF($5 < 0, '', 'MAIN'), \
                 DATE_FORMAT(NOW(), '%Y%m%d'), DATE_FORMAT(NOW(), '%H%i%s'))",
};

const BALANCE: Sql = Sql {
    postgres: "INSERT INTO legacy.stbl AS b (blco, blpl, blit, blum, blqt, bldt) \
         VALUES ($1, $2, $3, $4, $5, to_char(localtimestamp, 'YYYYMMDD')::integer) \
         ON CONFLICT (blco, blpl, blit) DO UPDATE \
         SET blqt = b.blqt + EXCLUDED.blqt, bldt = EXCLUDED.bldt, bltk = b.bltk + 1",
    mariadb: "INSERT INTO legacy.stbl (blco, blpl, blit, blum, blqt, bldt) \
         VALUES ($1, $2, $3, $4, $5, DATE_FORMAT(NOW(), '%Y%m%d')) \
         ON DUPLICATE KEY UPDATE \
         blqt = blqt + VALUES(blqt), bldt = VALUES(bldt), bltk = bltk + 1",
};

/// One stock move.
pub(crate) struct Booking<'a> {
    pub(crate) company: &'a str,
    pub(crate) plant: &'a str,
    pub(crate) item: &'a str,
    /// RC receipt, IS issue, AJ adjustment.
    pub(crate) kind: &'a str,
    /// Out of stock if negative.
    pub(crate) quantity: f64,
    pub(crate) unit: &'a str,
    /// Record number of the order; 0 if none.
    pub(crate) order: i64,
    pub(crate) line: i16,
    /// Delivery note; blank if none.
    pub(crate) note: &'a str,
}
