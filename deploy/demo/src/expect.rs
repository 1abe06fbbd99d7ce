//! Which events a committed change must give, said a second time.
//!
//! This repeats what `mappings/legacy-demo` says, in other words and without its code: it looks
//! at the audit journal's rows and knows nothing of codecs, transactions or the bridge.

use erpbridge_test_support::oracle::{ExpectedEvent, NetChange};
use serde_json::Value;

use crate::database::Source;

/// The events of one net change in a database of this kind.
pub fn expected_events(change: &NetChange, source: Source) -> Vec<ExpectedEvent> {
    let types = match change.table.as_str() {
        "legacy.pohd" => order(change),
        "legacy.poln" => line(change),
        "legacy.stmv" => movement(change),
        "legacy.stbl" => balance(change),
        // In PostgreSQL the log does not carry the row before (default replica identity) of the
        // master data, so every update counts.
        "legacy.itma" if source == Source::MariaDb && is_aside(change, &ITEM) => Vec::new(),
        "legacy.spma" if source == Source::MariaDb && is_aside(change, &SUPPLIER) => Vec::new(),
        "legacy.itma" => item(change),
        "legacy.spma" => supplier(change),
        _ => Vec::new(),
    };
    let key = entity_key(change);
    let event =
        |name: &str| ExpectedEvent { event_type: format!("erpbridge.{name}.v1"), key: key.clone() };
    types.into_iter().map(event).collect()
}

/// The primary key as events spell it: without the padding, parts joined by a slash.
fn entity_key(change: &NetChange) -> String {
    let parts: Vec<&str> = change.key.iter().map(|part| part.trim_end()).collect();
    parts.join("/")
}

/// What became of a row.
enum Fate<'c> {
    Came,
    Went,
    Changed(&'c Value, &'c Value),
}

fn fate(change: &NetChange) -> Fate<'_> {
    match (&change.before, &change.after) {
        (Some(before), Some(after)) => Fate::Changed(before, after),
        (Some(_), None) => Fate::Went,
        (None, _) => Fate::Came,
    }
}

fn differs(before: &Value, after: &Value, columns: &[&str]) -> bool {
    columns.iter().any(|column| before.get(column) != after.get(column))
}

fn order(change: &NetChange) -> Vec<&'static str> {
    let (before, after) = match fate(change) {
        Fate::Came => return vec!["procurement.purchaseorder.created"],
        Fate::Went => return vec!["procurement.purchaseorder.deleted"],
        Fate::Changed(before, after) => (before, after),
    };
    let mut events = Vec::new();
    if differs(before, after, &["hdsu", "hdcu", "hdby", "hdod", "hdtl"]) {
        events.push("procurement.purchaseorder.changed");
    }
    if differs(before, after, &["hdst"]) {
        events.extend(match change.column("hdst") {
            Some("S") => Some("procurement.purchaseorder.submitted"),
            Some("R") => Some("procurement.purchaseorder.released"),
            Some("C") => Some("procurement.purchaseorder.closed"),
            Some("X") => Some("procurement.purchaseorder.cancelled"),
            _ => None,
        });
    }
    events
}

fn line(change: &NetChange) -> Vec<&'static str> {
    let (before, after) = match fate(change) {
        Fate::Came => return vec!["procurement.purchaseorderline.added"],
        Fate::Went => return vec!["procurement.purchaseorderline.deleted"],
        Fate::Changed(before, after) => (before, after),
    };
    let mut events = Vec::new();
    if differs(before, after, &["lnit", "lnum", "lnqt", "lnpr", "lncu", "lnrq"]) {
        events.push("procurement.purchaseorderline.changed");
    }
    if differs(before, after, &["lnrc"]) {
        events.push("procurement.purchaseorderline.receiptprogressed");
    }
    if differs(before, after, &["lnst"]) && change.column("lnst") == Some("X") {
        events.push("procurement.purchaseorderline.cancelled");
    }
    events
}

fn movement(change: &NetChange) -> Vec<&'static str> {
    let mut events = vec!["inventory.movement.recorded"];
    if change.column("mvty") == Some("RC") {
        events.push("procurement.goodsreceipt.posted");
    }
    events
}

fn balance(change: &NetChange) -> Vec<&'static str> {
    match fate(change) {
        Fate::Changed(before, after) if !differs(before, after, &["blqt", "blrs"]) => Vec::new(),
        Fate::Went => Vec::new(),
        _ => vec!["inventory.balance.changed"],
    }
}

/// What the events of an item tell.
const ITEM: [&str; 6] = ["imds", "imgr", "imum", "imwt", "impr", "imac"];
/// What the events of a supplier tell.
const SUPPLIER: [&str; 3] = ["sunm", "sucu", "suac"];

/// Whether an update touched nothing that is told.
fn is_aside(change: &NetChange, told: &[&str]) -> bool {
    matches!(fate(change), Fate::Changed(before, after) if !differs(before, after, told))
}

fn item(change: &NetChange) -> Vec<&'static str> {
    vec![match (fate(change), change.column("imac")) {
        (Fate::Went, _) => "masterdata.item.deleted",
        (_, Some("N")) => "masterdata.item.deactivated",
        _ => "masterdata.item.upserted",
    }]
}

fn supplier(change: &NetChange) -> Vec<&'static str> {
    vec![match change.column("suac") {
        Some("N") => "masterdata.supplier.deactivated",
        _ => "masterdata.supplier.upserted",
    }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn change(table: &str, before: Option<Value>, after: Option<Value>) -> NetChange {
        let (transaction, table) = ("700".to_owned(), table.to_owned());
        let key = vec!["01 ".to_owned(), "I00001         ".to_owned()];
        NetChange { seq: 1, transaction, table, key, before, after }
    }

    fn types(change: &NetChange) -> Vec<String> {
        expected_events(change, Source::Postgres)
            .into_iter()
            .map(|event| event.event_type)
            .collect()
    }

    #[test]
    fn a_release_is_one_event_however_often_the_row_was_written() {
        let before = json!({ "hdst": "S", "hdno": null, "hdtk": "3" });
        let after = json!({ "hdst": "R", "hdno": "PO450001  ", "hdtk": "4" });
        let released = change("legacy.pohd", Some(before), Some(after));
        assert_eq!(types(&released), ["erpbridge.procurement.purchaseorder.released.v1"]);
    }

    #[test]
    fn a_line_rewritten_as_it_was_is_no_event() {
        let row = |saves: &str| json!({ "lnqt": "5", "lnrc": "0", "lnst": "O", "lntk": saves });
        assert!(types(&change("legacy.poln", Some(row("1")), Some(row("2")))).is_empty());
    }

    #[test]
    fn a_receipt_is_two_facts() {
        let row = json!({ "mvty": "RC", "mvqt": "5" });
        assert_eq!(types(&change("legacy.stmv", None, Some(row))).len(), 2);
    }

    #[test]
    fn master_data_that_nobody_is_told_counts_only_where_the_log_does_not_say_that_it_is_all() {
        let row = |text: &str| json!({ "imac": "Y", "imwt": "1.5", "imtx": text });
        let saved = change("legacy.itma", Some(row("1")), Some(row("2")));
        assert_eq!(expected_events(&saved, Source::Postgres).len(), 1);
        assert!(expected_events(&saved, Source::MariaDb).is_empty());
    }

    #[test]
    fn keys_lose_their_padding() {
        let event = &expected_events(
            &change("legacy.itma", None, Some(json!({ "imac": "Y" }))),
            Source::Postgres,
        )[0];
        assert_eq!(event.key, "01/I00001");
    }
}
