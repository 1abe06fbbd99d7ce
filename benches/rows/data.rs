//! The rows, and which of them are asked for.

/// A row as every store gets it.
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) cells: String,
    pub(crate) parent: String,
}

/// A table of rows that can be made again one by one.
#[derive(Clone, Copy)]
pub(crate) struct Data {
    rows: u64,
}

/// Skew of the zipfian choice: one row in a hundred gets about 80 % of the look-ups.
const SKEW: f64 = 0.99;

impl Data {
    pub(crate) fn new(rows: u64) -> Self {
        Self { rows }
    }

    pub(crate) fn rows(self) -> u64 {
        self.rows
    }

    pub(crate) fn key(number: u64) -> String {
        format!("PL{number:010}")
    }

    /// How many parents there are: a fifth of the rows.
    pub(crate) fn parents(self) -> u64 {
        self.rows / 5 + 1
    }

    pub(crate) fn parent(number: u64) -> String {
        format!("PO{number:010}")
    }

    /// Row `number` as some version of it has it: 60 bytes with what a store of cells adds.
    pub(crate) fn entry(self, number: u64, version: u64) -> Entry {
        let dice = mix(number);
        Entry {
            key: Self::key(number),
            cells: format!(
                "{:016x}{:012}{version:08}{:>8}",
                mix(dice + version),
                dice % 1_000,
                "open"
            ),
            parent: Self::parent(dice % self.parents()),
        }
    }
}

/// A sequence of numbers that look random and are the same every time.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// Any row, each as often.
    pub(crate) fn uniform(&mut self, rows: u64) -> u64 {
        self.next() % rows
    }

    /// A few rows often, most rows seldom; the often ones are scattered over the table.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank lies between 0 and the number of rows"
    )]
    pub(crate) fn zipfian(&mut self, rows: u64) -> u64 {
        let uniform = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        let scale = (rows as f64).powf(1.0 - SKEW) - 1.0;
        let rank = (scale * uniform + 1.0).powf(1.0 / (1.0 - SKEW));
        mix(rank as u64) % rows
    }
}

fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 33)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    let number = (number ^ (number >> 33)).wrapping_mul(0xC4CE_B9FE_1A85_EC53);
    number ^ (number >> 33)
}
