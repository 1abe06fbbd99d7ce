//! What a table may be, and which column may be which field: by names and types alone.

use erpbridge_connector::{Column, ColumnKind};

use super::Sketch;
use super::words::words;
use crate::canonical::{EventDef, FieldDef, FieldKind, Form, catalog};

/// Entities by the words of a table's name; the first whose words are all there.
const ENTITIES: &[(&[&str], &str)] = &[
    (&["supplier", "item"], "masterdata.supplieritem"),
    (&["supplier", "invoice"], "procurement.supplierinvoice"),
    (&["order", "line"], "procurement.purchaseorderline"),
    (&["order", "item"], "procurement.purchaseorderline"),
    (&["order", "receipt"], "procurement.goodsreceipt"),
    (&["order", "requisition"], "procurement.requisition"),
    (&["work", "order"], "production.workorder"),
    (&["receipt"], "procurement.goodsreceipt"),
    (&["requisition"], "procurement.requisition"),
    (&["invoice"], "procurement.supplierinvoice"),
    (&["movement"], "inventory.movement"),
    (&["balance"], "inventory.balance"),
    (&["order"], "procurement.purchaseorder"),
    (&["supplier"], "masterdata.supplier"),
    (&["location"], "masterdata.location"),
    (&["warehouse"], "masterdata.location"),
    (&["item"], "masterdata.item"),
];

/// The entity a table's rows may be.
pub(super) fn entity(table: &str) -> Option<&'static str> {
    let own = words(table);
    let all = |wanted: &[&str]| wanted.iter().all(|word| own.iter().any(|own| own == word));
    ENTITIES.iter().find(|(words, _)| all(words)).map(|(_, entity)| *entity)
}

/// The events told of new rows, of changed ones and of those that went.
pub(super) struct Told {
    pub(super) new: &'static EventDef,
    pub(super) changed: Option<&'static EventDef>,
    pub(super) deleted: Option<&'static EventDef>,
}

const NEW: [&str; 10] = [
    "upserted",
    "created",
    "added",
    "recorded",
    "posted",
    "received",
    "announced",
    "raised",
    "placed",
    "revised",
];

/// The events of an entity, `family.entity`.
pub(super) fn told(entity: &str) -> Option<Told> {
    let event = |name: &str| catalog().event(&format!("{entity}.{name}"));
    let changed = event("changed");
    let new = NEW.iter().find_map(|name| event(name)).or(changed)?;
    Some(Told {
        new,
        changed: changed.filter(|event| event.name != new.name),
        deleted: event("deleted"),
    })
}

/// Fields that ERPs call otherwise.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("unit_price", "price"),
    ("unit_cost", "price"),
    ("on_hand", "quantity"),
    ("held", "hold"),
    ("item_description", "description"),
    ("required_date", "required"),
    ("promised_date", "promised"),
    ("received_at", "date"),
    ("moved_at", "date"),
    ("main_supplier", "supplier"),
];

/// The column that may hold a field.
pub(super) fn field<'s>(
    sketch: &'s Sketch,
    name: &str,
    taken: &[&str],
    fits: impl Fn(&Column) -> bool,
) -> Option<&'s Column> {
    let other = OTHER_NAMES.iter().find(|(field, _)| *field == name).map(|(_, other)| *other);
    column(sketch, name, taken, &fits).or_else(|| column(sketch, other?, taken, &fits))
}

/// The column that may hold what these words name: all of them, and the fewest others. A column
/// that is spoken for is not taken.
pub(super) fn column<'s>(
    sketch: &'s Sketch,
    wanted: &str,
    taken: &[&str],
    fits: impl Fn(&Column) -> bool,
) -> Option<&'s Column> {
    let wanted = words(wanted);
    let own = words(&sketch.schema().name.table);
    let columns = sketch.schema().columns.iter().filter(|column| {
        !column.missing_in_log && !taken.contains(&column.name.as_str()) && fits(column)
    });
    let scored = columns.filter_map(|column| {
        let mut words = words(&column.name);
        let all = wanted.iter().all(|word| words.contains(word));
        // What the table is called says nothing in its columns.
        words.retain(|word| !own.contains(word) || wanted.contains(word));
        let others = words.iter().filter(|word| !wanted.contains(word));
        // `supplier_no` is how a supplier is named; `supplier_name` is something else.
        let others =
            others.filter(|word| !["number", "id", "code", "key"].contains(&word.as_str()));
        all.then(|| (others.count(), words.len(), column))
    });
    let best = scored.min_by_key(|(others, words, _)| (*others, *words));
    best.filter(|(others, ..)| *others == 0).map(|(.., column)| column)
}

/// Whether a column can be read into a field of this kind at all, and what must be said for it.
pub(super) fn codec(field: &FieldDef, column: &Column, seen: &[&str]) -> Option<String> {
    let number = matches!(column.kind, ColumnKind::Integer | ColumnKind::Decimal);
    let float = matches!(column.kind, ColumnKind::Float32 | ColumnKind::Float64);
    let local = column.kind == ColumnKind::LocalTimestamp;
    match &field.kind {
        FieldKind::Text if field.form == Form::Duration => {
            (number || float).then(|| "duration: days".to_owned())
        }
        FieldKind::Text | FieldKind::Reference => Some(String::new()),
        FieldKind::Integer | FieldKind::Decimal if number => Some(String::new()),
        FieldKind::Decimal if float => Some("float: { scale: 4 }".to_owned()),
        FieldKind::Date if column.kind == ColumnKind::Date || local => Some(String::new()),
        FieldKind::Date if number || column.kind == ColumnKind::Text => {
            day_format(seen).map(|format| format!("date: {format}"))
        }
        FieldKind::Instant | FieldKind::DateOrInstant if column.kind == ColumnKind::Instant => {
            Some(String::new())
        }
        FieldKind::Instant | FieldKind::DateOrInstant if local => {
            Some("instant: { zone: UTC }".to_owned())
        }
        FieldKind::DateOrInstant if column.kind == ColumnKind::Date => Some(String::new()),
        FieldKind::Bool if column.kind == ColumnKind::Bool => Some(String::new()),
        FieldKind::Bool => Some("bool: { true: [Y, \"1\"], false: [N, \"0\"] }".to_owned()),
        _ => None,
    }
}

/// How days are written in these texts, if all agree.
fn day_format(seen: &[&str]) -> Option<&'static str> {
    let digits = |length: usize| {
        move |text: &&&str| text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let seen: Vec<&&str> = seen.iter().filter(|text| !["0", ""].contains(text)).collect();
    let all = |test: &dyn Fn(&&&str) -> bool| !seen.is_empty() && seen.iter().all(test);
    if all(&digits(8)) && all(&|text| text.starts_with("19") || text.starts_with("20")) {
        Some("yyyymmdd")
    } else if all(&digits(6)) && all(&|text| text.starts_with('1')) {
        Some("cyyddd")
    } else if all(&|text| text.len() == 10 && text.get(4..5) == Some("-")) {
        Some("iso")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_told_by_the_words_of_their_names() {
        for (table, expected) in [
            ("po_head", Some("procurement.purchaseorder")),
            ("PurchaseOrderDetail", Some("procurement.purchaseorderline")),
            ("vendors", Some("masterdata.supplier")),
            ("stock_moves", Some("inventory.movement")),
            ("grn", Some("procurement.goodsreceipt")),
            ("zzz", None),
        ] {
            assert_eq!(entity(table), expected, "{table}");
        }
    }

    #[test]
    fn every_entity_that_is_guessed_has_events() {
        for (_, entity) in ENTITIES {
            assert!(told(entity).is_some(), "{entity}");
        }
    }

    #[test]
    fn days_in_numbers_are_told_by_what_is_seen() {
        assert_eq!(day_format(&["20261121", "0"]), Some("yyyymmdd"));
        assert_eq!(day_format(&["126325"]), Some("cyyddd"));
        assert_eq!(day_format(&["2026-11-21"]), Some("iso"));
        assert_eq!(day_format(&["4711"]), None);
        assert_eq!(day_format(&[]), None);
    }
}
