//! The cells of one row image on their way from the log to a batch.

use erpbridge_connector::Value;

/// Where a cell's text lies; two lengths are reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    start: usize,
    length: usize,
}

impl Span {
    const NULL: Self = Self { start: 0, length: usize::MAX };
    const ABSENT: Self = Self { start: 0, length: usize::MAX - 1 };
}

/// One row image as text. It is filled anew for every row and keeps its room.
#[derive(Debug, Default)]
pub struct Cells {
    text: String,
    spans: Vec<Span>,
}

impl Cells {
    /// Forgets the row before, and after a large one its room too.
    pub(super) fn clear(&mut self) {
        const KEPT: usize = 1 << 20;
        if self.text.capacity() > KEPT {
            self.text = String::new();
        }
        self.text.clear();
        self.spans.clear();
    }

    pub(super) fn push_null(&mut self) {
        self.spans.push(Span::NULL);
    }

    pub(super) fn push_absent(&mut self) {
        self.spans.push(Span::ABSENT);
    }

    /// Adds a cell whose text `write` appends.
    pub(super) fn push_text<E>(
        &mut self,
        write: impl FnOnce(&mut String) -> Result<(), E>,
    ) -> Result<(), E> {
        let start = self.text.len();
        write(&mut self.text)?;
        self.spans.push(Span { start, length: self.text.len() - start });
        Ok(())
    }

    /// Whether the log carried no cell of this row image.
    pub fn is_absent(&self, column: usize) -> bool {
        self.spans.get(column).is_none_or(|span| *span == Span::ABSENT)
    }

    /// The cells in the order of the columns.
    pub fn values(&self) -> impl Iterator<Item = Value<'_>> {
        self.spans.iter().map(|span| match *span {
            Span::NULL => Value::Null,
            Span::ABSENT => Value::Absent,
            Span { start, length } => {
                self.text.get(start..start + length).map_or(Value::Absent, Value::Text)
            }
        })
    }
}
