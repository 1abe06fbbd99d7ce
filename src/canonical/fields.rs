//! The canonical fields of one event, written one by one.

use super::json::{self, Object};

/// Writes the fields of `after` (or `before`). Values are canonical text: the mapping has made
/// them so, here they are only put into JSON. A field is written once.
pub struct FieldWriter<'w> {
    object: Object<'w>,
}

impl<'w> FieldWriter<'w> {
    /// Writes one object; what `fields` leaves behind when it fails is not JSON.
    pub(crate) fn write<E>(
        out: &'w mut Vec<u8>,
        fields: impl FnOnce(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut writer = Self { object: Object::begin(out) };
        fields(&mut writer)?;
        writer.object.end();
        Ok(())
    }

    /// A text.
    pub fn text(&mut self, name: &str, value: &str) {
        self.object.text(name, value);
    }

    /// A whole number.
    pub fn integer(&mut self, name: &str, value: i64) {
        json::integer(self.object.member(name), value);
    }

    /// An exact decimal, as its text: `-?digits[.digits]`.
    pub fn decimal(&mut self, name: &str, value: &str) {
        self.object.text(name, value);
    }

    /// A quantity: exact decimal, unit of UN/ECE Recommendation 20, and the unit as the source
    /// writes it.
    pub fn quantity(&mut self, name: &str, value: &str, unit: &str, source_unit: Option<&str>) {
        let mut quantity = Object::begin(self.object.member(name));
        quantity.text("value", value).text("unit", unit);
        if let Some(source_unit) = source_unit {
            quantity.text("source_unit", source_unit);
        }
        quantity.end();
    }

    /// An amount: exact decimal and ISO 4217 currency.
    pub fn money(&mut self, name: &str, value: &str, currency: &str) {
        let mut money = Object::begin(self.object.member(name));
        money.text("value", value).text("currency", currency);
        money.end();
    }

    /// A day, `YYYY-MM-DD`.
    pub fn date(&mut self, name: &str, value: &str) {
        self.object.text(name, value);
    }

    /// An instant, RFC 3339 ending in `Z`.
    pub fn instant(&mut self, name: &str, value: &str) {
        self.object.text(name, value);
    }

    /// True or false.
    pub fn boolean(&mut self, name: &str, value: bool) {
        let text: &[u8] = if value { b"true" } else { b"false" };
        self.object.member(name).extend_from_slice(text);
    }

    /// One of the codes the schema lists.
    pub fn code(&mut self, name: &str, value: &str) {
        self.object.text(name, value);
    }

    /// Nothing: the source says there is none. (A field the source says nothing about is left
    /// out.)
    pub fn null(&mut self, name: &str) {
        self.object.optional(name, None);
    }

    /// Another entity: its name and its key.
    pub fn reference(&mut self, name: &str, entity: &str, key: &str) {
        let mut reference = Object::begin(self.object.member(name));
        reference.text("entity", entity).text("key", key);
        reference.end();
    }

    /// Parts of the entity, in the order they are written.
    pub fn list<E>(
        &mut self,
        name: &str,
        items: impl FnOnce(&mut ListWriter<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let out = self.object.member(name);
        out.push(b'[');
        items(&mut ListWriter { out, empty: true })?;
        out.push(b']');
        Ok(())
    }
}

/// Writes the items of a list.
pub struct ListWriter<'w> {
    out: &'w mut Vec<u8>,
    empty: bool,
}

impl ListWriter<'_> {
    /// An item: its key, and its fields.
    pub fn item<E>(
        &mut self,
        key: &str,
        fields: impl FnOnce(&mut FieldWriter<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if !std::mem::take(&mut self.empty) {
            self.out.push(b',');
        }
        FieldWriter::write(self.out, |item| {
            item.text("key", key);
            fields(item)
        })
    }
}
