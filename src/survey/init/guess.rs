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
    (&["stock"], "inventory.balance"),
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

/// Every event of an entity.
pub(super) fn events(family: &str, entity: &str) -> impl Iterator<Item = &'static EventDef> {
    catalog().events().filter(move |event| event.family == family && event.entity == entity)
}

/// The events of an entity, `family.entity`, that rows tell of by themselves. What was posted and
/// differs later was corrected, and what is gone was taken back.
pub(super) fn told(entity: &str) -> Option<Told> {
    let event = |name: &str| catalog().event(&format!("{entity}.{name}"));
    let changed = event("changed").or_else(|| event("corrected"));
    let new = NEW.iter().find_map(|name| event(name)).or(changed)?;
    Some(Told {
        new,
        changed: changed.filter(|event| event.name != new.name),
        deleted: event("deleted").or_else(|| event("reversed")),
    })
}

/// Fields that ERPs call otherwise.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("unit_price", "price"),
    ("unit_cost", "price"),
    ("on_hand", "quantity"),
    ("item_description", "description"),
    ("description", "name"),
    ("line_no", "line"),
    ("order_date", "date"),
    ("document_type", "type"),
    ("required_date", "required"),
    ("promised_date", "promised"),
    ("received_at", "received_date"),
    ("received_at", "received_on"),
    ("received_at", "date"),
    ("moved_at", "movement_date"),
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
    let mut others = OTHER_NAMES.iter().filter(|(field, _)| *field == name);
    let other = || others.find_map(|(_, other)| column(sketch, other, taken, &fits));
    column(sketch, name, taken, &fits).or_else(other)
}

/// Words that make no other thing of what stands beside them.
const SAY_NOTHING: [&str; 5] = ["number", "id", "code", "key", "document"];

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
        let (all, told) = (wanted.iter().all(|word| words.contains(word)), words.len());
        // What the table is called says nothing in its columns.
        words.retain(|word| !own.contains(word) || wanted.contains(word));
        let dropped = told - words.len();
        // `supplier_no` is how a supplier is named; `supplier_name` is something else.
        let says_nothing = |word: &&String| word.len() == 1 || SAY_NOTHING.contains(&word.as_str());
        let others = words.iter().filter(|word| !wanted.contains(word) && !says_nothing(word));
        all.then(|| (others.count(), dropped, words.len(), column))
    });
    let best = scored.min_by_key(|(others, dropped, words, _)| (*others, *dropped, *words));
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
        FieldKind::Date | FieldKind::DateOrInstant if number || column.kind == ColumnKind::Text => {
            day_format(seen, column).map(|format| format!("date: {format}"))
        }
        FieldKind::Instant | FieldKind::DateOrInstant if column.kind == ColumnKind::Instant => {
            Some(String::new())
        }
        FieldKind::Instant | FieldKind::DateOrInstant if local => {
            Some("instant: { zone: UTC }".to_owned())
        }
        FieldKind::DateOrInstant if column.kind == ColumnKind::Date => Some(String::new()),
        FieldKind::Bool if column.kind == ColumnKind::Bool => Some(String::new()),
        FieldKind::Bool if seen.iter().all(|text| YES_OR_NO.contains(text)) => {
            Some("bool: { true: [Y, \"1\"], false: [N, \"0\"] }".to_owned())
        }
        _ => None,
    }
}

/// What is read as a truth value without asking.
const YES_OR_NO: [&str; 4] = ["Y", "N", "1", "0"];

/// Of how many digits or characters the type says a column is, and how many follow the point.
pub(super) fn size(column: &Column) -> Option<(u32, u32)> {
    let (_, size) = column.type_name.split_once('(')?;
    let (size, _) = size.split_once(')')?;
    let (whole, places) = size.split_once(',').unwrap_or((size, "0"));
    Some((whole.trim().parse().ok()?, places.trim().parse().ok()?))
}

/// Whether it holds numbers.
pub(super) const fn is_number(column: &Column) -> bool {
    matches!(
        column.kind,
        ColumnKind::Integer | ColumnKind::Decimal | ColumnKind::Float32 | ColumnKind::Float64
    )
}

/// Whether its numbers have no decimals, by its type or by what is seen.
pub(super) fn is_whole(column: &Column, seen: &[&str]) -> bool {
    let whole = |text: &&str| {
        text.split_once('.').is_none_or(|(_, places)| places.trim_matches('0').is_empty())
    };
    match (column.kind, size(column)) {
        (ColumnKind::Integer, _) => true,
        (_, Some((_, 1..))) => false,
        _ if !seen.is_empty() => seen.iter().all(whole),
        (_, size) => size.is_some(),
    }
}

/// How days are written in these texts, if all agree; where none was seen, how a column of that
/// size may hold them. A wrong guess is told by the first row: no day is one in two formats.
fn day_format(seen: &[&str], column: &Column) -> Option<&'static str> {
    let seen: Vec<&str> = seen.iter().copied().filter(|text| !["0", ""].contains(text)).collect();
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let all = |test: &dyn Fn(&str) -> bool| seen.iter().all(|text| test(text));
    let of_size = || match (column.kind, size(column)) {
        (ColumnKind::Text, Some((10.., _))) => Some("iso"),
        (ColumnKind::Decimal, Some((6, 0))) => Some("cyyddd"),
        (_, None | Some((8.., 0))) => Some("yyyymmdd"),
        _ => None,
    };
    let century = |text: &str| text.starts_with("19") || text.starts_with("20");
    if seen.is_empty() {
        of_size()
    } else if all(&|text| text.len() == 8 && digits(text) && century(text)) {
        Some("yyyymmdd")
    } else if all(&|text| text.len() == 6 && digits(text) && text.starts_with('1')) {
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
    fn days_in_numbers_are_told_by_what_is_seen_or_by_their_size() {
        let column = |kind, type_name: &str| Column {
            name: "due".to_owned(),
            kind,
            type_name: type_name.to_owned(),
            missing_in_log: false,
        };
        let numeric = column(ColumnKind::Decimal, "numeric(6,0)");
        assert_eq!(day_format(&["20261121", "0"], &numeric), Some("yyyymmdd"));
        assert_eq!(day_format(&["126325"], &numeric), Some("cyyddd"));
        assert_eq!(day_format(&["2026-11-21"], &numeric), Some("iso"));
        assert_eq!(day_format(&["4711"], &numeric), None);
        assert_eq!(day_format(&["0"], &numeric), Some("cyyddd"));
        assert_eq!(day_format(&[], &column(ColumnKind::Integer, "int")), Some("yyyymmdd"));
        assert_eq!(day_format(&[], &column(ColumnKind::Text, "char(3)")), None);
    }
}
