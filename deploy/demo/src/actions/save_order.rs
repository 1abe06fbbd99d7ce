//! The order screen knows no single change: on save it deletes all lines of the order and writes
//! them again from what the screen shows. Most of them are as they were.

use rand::Rng;

use super::create_order;
use crate::database::{Error, Row, Sql};
use crate::desk::{Desk, Done};

const DELETE: Sql = Sql {
    postgres: "DELETE FROM legacy.poln WHERE lnhd = $1 \
         RETURNING lnln, lnco, lnpl, lnit, lnum, lnqt, lnrc, lnpr::text, lncu, lnrq, lnst, lntk",
    mariadb: "DELETE FROM legacy.poln WHERE lnhd = $1 \
         RETURNING lnln, lnco, lnpl, lnit, lnum, lnqt, lnrc, lnpr, lncu, lnrq, lnst, lntk",
};

const INSERT: Sql = Sql {
    postgres: "INSERT INTO legacy.poln \
         (lnhd, lnln, lnco, lnpl, lnit, lnum, lnqt, lnrc, lnpr, lncu, lnrq, lnst, lntk) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::numeric, $10, $11, $12, $13)",
    mariadb: "INSERT INTO legacy.poln \
         (lnhd, lnln, lnco, lnpl, lnit, lnum, lnqt, lnrc, lnpr, lncu, lnrq, lnst, lntk) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
};

/// The lines of an order as its screen shows them.
struct Line {
    number: i16,
    /// Company, plant, item, unit, price, currency, status.
    texts: [String; 7],
    ordered: f64,
    received: f64,
    required: i32,
    saves: i32,
}

impl Line {
    fn read(row: &Row) -> Self {
        let texts = [1, 2, 3, 4, 7, 8, 10].map(|column| row.get(column));
        Self {
            number: row.get(0),
            texts,
            ordered: row.get(5),
            received: row.get(6),
            required: row.get(9),
            saves: row.get(11),
        }
    }

    async fn write(&self, desk: &mut Desk<'_, '_>, order: i64) -> Result<(), Error> {
        let [company, plant, item, unit, price, currency, status] = &self.texts;
        let Self { number, ordered, received, required, .. } = self;
        let saves = self.saves + 1;
        #[rustfmt::skip]
        desk.execute(INSERT, &[
            &order, number, company, plant, item, unit, ordered, received, price, currency,
            required, status, &saves,
        ])
        .await?;
        Ok(())
    }
}

pub(super) async fn run(desk: &mut Desk<'_, '_>) -> Done {
    let Some(order) = desk.order("DSR").await? else { return Ok(false) };
    let mut lines: Vec<Line> =
        desk.rows(DELETE, &[&order.id]).await?.iter().map(Line::read).collect();
    lines.sort_by_key(|line| line.number);
    edit(desk, &mut lines);
    for line in &lines {
        line.write(desk, order.id).await?;
    }
    if desk.chance(25) {
        let number = lines.iter().map(|line| line.number).max().unwrap_or(0) + 10;
        create_order::add_line(desk, order.id, number).await?;
    }
    desk.execute(create_order::TOTAL, &[&order.id]).await?;
    Ok(true)
}

/// Another quantity for a line nothing was received of, or one such line less.
fn edit(desk: &mut Desk<'_, '_>, lines: &mut Vec<Line>) {
    if lines.is_empty() {
        return;
    }
    let index = desk.rng.random_range(0..lines.len());
    let untouched = lines.get(index).is_some_and(|line| line.received == 0.0);
    if untouched && lines.len() > 1 && desk.chance(15) {
        lines.remove(index);
    } else if untouched && desk.chance(80) {
        let quantity = desk.quantity();
        lines.iter_mut().skip(index).take(1).for_each(|line| line.ordered = quantity);
    }
}
