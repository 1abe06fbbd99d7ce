//! One event as one line: when, how late, what, who, and a few words about it.

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// What a line says, before it is given colours and columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventLine {
    /// Time of arrival, UTC.
    pub(crate) time: String,
    /// From commit to arrival, in milliseconds.
    pub(crate) lag: i64,
    /// NATS subject.
    pub(crate) subject: String,
    /// The entity's number, or its key as long as it has none.
    pub(crate) entity: String,
    /// A few words.
    pub(crate) summary: String,
}

impl EventLine {
    /// Reads an event that arrived at `now`; none if it is not one.
    pub(crate) fn read(subject: &str, payload: &[u8], now: OffsetDateTime) -> Option<Self> {
        let data: Value = serde_json::from_slice(payload).ok()?;
        let committed_at = text(&data, "/source/committed_at")?;
        let committed_at = OffsetDateTime::parse(committed_at, &Rfc3339).ok()?;
        let lag = i64::try_from((now - committed_at).whole_milliseconds()).ok()?;
        let clock = format_description!("[hour]:[minute]:[second].[subsecond digits:3]");
        let entity = text(&data, "/entity/number").or_else(|| text(&data, "/entity/key"))?;
        Some(Self {
            time: now.format(clock).ok()?,
            lag,
            subject: subject.to_owned(),
            entity: entity.to_owned(),
            summary: summary(subject, &data),
        })
    }

    /// `purchaseorder.released` of `erp.….procurement.purchaseorder.released`.
    pub(crate) fn kind(&self) -> &str {
        kind(&self.subject)
    }
}

/// The last two tokens of a subject.
pub(crate) fn kind(subject: &str) -> &str {
    let dots = subject.rmatch_indices('.').nth(1).map(|(place, _)| place + 1);
    dots.and_then(|start| subject.get(start..)).unwrap_or(subject)
}

fn text<'v>(data: &'v Value, pointer: &str) -> Option<&'v str> {
    data.pointer(pointer)?.as_str()
}

fn summary(subject: &str, data: &Value) -> String {
    let step = transition(data);
    let words = match kind(subject) {
        "purchaseorder.changed" => vec![changed(data), money(data, "total")],
        "purchaseorderline.changed" => vec![field(data, "item_number"), changed(data)],
        "purchaseorderline.receiptprogressed" => vec![field(data, "item_number"), received(data)],
        "item.upserted" => vec![field(data, "description"), money(data, "standard_cost")],
        "supplier.upserted" => vec![field(data, "name")],
        _ => vec![
            step,
            field(data, "supplier_number"),
            field(data, "kind"),
            field(data, "item_number"),
            quantity(data, "quantity"),
            quantity(data, "on_hand"),
            money(data, "total"),
        ],
    };
    let words: Vec<String> = words.into_iter().flatten().collect();
    words.join("  ")
}

/// `draft → released`.
fn transition(data: &Value) -> Option<String> {
    let to = text(data, "/transition/to")?;
    let from = text(data, "/transition/from").unwrap_or("?");
    Some(format!("{from} → {to}"))
}

fn field(data: &Value, name: &str) -> Option<String> {
    let state = data.get("after").or_else(|| data.get("before"))?;
    Some(state.get(name)?.as_str()?.to_owned())
}

fn changed(data: &Value) -> Option<String> {
    let names: Vec<&str> =
        data.get("changed")?.as_array()?.iter().filter_map(Value::as_str).collect();
    (!names.is_empty()).then(|| format!("changed {}", names.join(", ")))
}

/// `12.5 KGM`.
fn quantity(data: &Value, name: &str) -> Option<String> {
    let quantity = data.pointer("/after")?.get(name)?;
    Some(format!("{} {}", quantity.get("value")?.as_str()?, quantity.get("unit")?.as_str()?))
}

/// `received 5 of 12.5 KGM`.
fn received(data: &Value) -> Option<String> {
    let received = text(data, "/after/received_quantity/value")?;
    Some(format!("received {received} of {}", quantity(data, "quantity")?))
}

/// `EUR 1204.50`.
fn money(data: &Value, name: &str) -> Option<String> {
    let money = data.pointer("/after")?.get(name)?;
    Some(format!("{} {}", money.get("currency")?.as_str()?, money.get("value")?.as_str()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use time::macros::datetime;

    fn line(subject: &str, data: &Value) -> EventLine {
        let now = datetime!(2026-11-21 10:12:44.125 UTC);
        EventLine::read(subject, data.to_string().as_bytes(), now).unwrap()
    }

    #[test]
    fn a_release_shows_number_step_and_total() {
        let data = json!({
            "entity": { "key": "17", "number": "PO450001" },
            "after": { "supplier_number": "S0007", "total": { "value": "12.50", "currency": "EUR" } },
            "transition": { "axis": "lifecycle", "from": "draft", "to": "released" },
            "source": { "committed_at": "2026-11-21T10:12:44.113Z" },
        });
        let line = line("erp.legacy.demo1.p10.procurement.purchaseorder.released", &data);
        assert_eq!((line.time.as_str(), line.lag), ("10:12:44.125", 12));
        assert_eq!((line.entity.as_str(), line.kind()), ("PO450001", "purchaseorder.released"));
        assert_eq!(line.summary, "draft → released  S0007  EUR 12.50");
    }

    #[test]
    fn a_receipt_shows_how_much_of_how_much() {
        let data = json!({
            "entity": { "key": "17/10", "number": null },
            "after": {
                "item_number": "I00003",
                "quantity": { "value": "12.5", "unit": "KGM" },
                "received_quantity": { "value": "5", "unit": "KGM" },
            },
            "changed": ["received_quantity"],
            "source": { "committed_at": "2026-11-21T10:12:44Z" },
        });
        let line =
            line("erp.legacy.demo1.p10.procurement.purchaseorderline.receiptprogressed", &data);
        assert_eq!((line.entity.as_str(), line.lag), ("17/10", 125));
        assert_eq!(line.summary, "I00003  received 5 of 12.5 KGM");
    }

    #[test]
    fn a_deleted_row_of_which_only_the_key_is_known_is_a_line_too() {
        let data = json!({
            "entity": { "key": "01/N000001", "number": null }, "before": {},
            "source": { "committed_at": "2026-11-21T10:12:44Z" },
        });
        assert_eq!(line("erp.legacy.demo1._.masterdata.item.deleted", &data).summary, "");
    }

    #[test]
    fn what_is_no_event_is_no_line() {
        let now = OffsetDateTime::UNIX_EPOCH;
        assert!(EventLine::read("erpbridge.legacy.control", b"", now).is_none());
    }
}
