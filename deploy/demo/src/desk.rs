//! What an action has at hand: an open transaction, a die, and the questions all actions ask.

use rand::Rng;
use rand::rngs::StdRng;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row, Transaction};

/// Whether the action found something to do.
pub(crate) type Done = Result<bool, Error>;

/// Companies and their plants.
const PLANTS: [(&str, &str); 3] = [("01", "P10"), ("01", "P20"), ("02", "P30")];

/// One person's desk during one transaction.
pub(crate) struct Desk<'t> {
    transaction: &'t Transaction<'t>,
    /// The only source of chance.
    pub(crate) rng: &'t mut StdRng,
}

/// The header of an order, locked.
pub(crate) struct Order {
    pub(crate) id: i64,
    pub(crate) company: String,
    pub(crate) plant: String,
}

impl<'t> Desk<'t> {
    pub(crate) fn new(transaction: &'t Transaction<'t>, rng: &'t mut StdRng) -> Self {
        Self { transaction, rng }
    }

    /// Runs a statement.
    pub(crate) async fn execute(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, Error> {
        self.transaction.execute(sql, parameters).await
    }

    /// Runs a query for at most one row.
    pub(crate) async fn row(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, Error> {
        self.transaction.query_opt(sql, parameters).await
    }

    /// Runs a query.
    pub(crate) async fn rows(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        self.transaction.query(sql, parameters).await
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
    /// of the transaction, and nobody waits: who finds it taken takes another.
    pub(crate) async fn order(&mut self, states: &str) -> Result<Option<Order>, Error> {
        const SQL: &str = "SELECT hdid, hdco, hdpl FROM legacy.pohd \
             WHERE hdst = ANY (string_to_array($1, NULL)::bpchar[]) AND hdid IN \
             (SELECT hdid FROM legacy.pohd WHERE hdst = ANY (string_to_array($1, NULL)::bpchar[]) \
              ORDER BY hdid LIMIT 25) \
             ORDER BY md5(hdid || $2) LIMIT 1 FOR UPDATE SKIP LOCKED";
        let die = self.rng.random_range(0..1_000_000).to_string();
        let row = self.row(SQL, &[&states, &die]).await?;
        Ok(row.map(|row| Order { id: row.get(0), company: row.get(1), plant: row.get(2) }))
    }

    /// Books a quantity into or out of stock: the move and the balance.
    pub(crate) async fn book(&mut self, booking: &Booking<'_>) -> Result<(), Error> {
        const MOVE: &str = "INSERT INTO legacy.stmv \
             (mvco, mvpl, mvit, mvty, mvqt, mvum, mvhd, mvln, mvdn, mvfl, mvtl, mvdt, mvtm) \
             VALUES ($1, $2, $3, $4, abs($5::float8), $6, $7, $8, $9, \
                     CASE WHEN $5 < 0 THEN 'MAIN' ELSE '' END, \
                     CASE WHEN $5 < 0 THEN '' ELSE 'MAIN' END, \
                     to_char(localtimestamp, 'YYYYMMDD')::integer, \
                     to_char(localtimestamp, 'HH24MISS')::integer)";
        const BALANCE: &str = "INSERT INTO legacy.stbl AS b (blco, blpl, blit, blum, blqt, bldt) \
             VALUES ($1, $2, $3, $4, $5, to_char(localtimestamp, 'YYYYMMDD')::integer) \
             ON CONFLICT (blco, blpl, blit) DO UPDATE \
             SET blqt = b.blqt + EXCLUDED.blqt, bldt = EXCLUDED.bldt, bltk = b.bltk + 1";
        let Booking { company, plant, item, kind, quantity, unit, order, line, note } = booking;
        self.execute(MOVE, &[company, plant, item, kind, quantity, unit, order, line, note])
            .await?;
        self.execute(BALANCE, &[company, plant, item, unit, quantity]).await?;
        Ok(())
    }
}

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
