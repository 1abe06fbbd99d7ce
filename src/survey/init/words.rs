//! What the names of tables and columns are made of, in the words of the canonical model.
//!
//! ERPs shorten words, each in its own way. A name is taken apart at `_`, blanks, digits and capital
//! letters, and each part is brought to the word it stands for, as far as that is common.

/// What stands for a canonical word.
const SYNONYMS: &[(&str, &[&str])] = &[
    ("number", &["no", "num", "nbr", "nr", "docno", "number"]),
    ("quantity", &["qty", "quan", "menge", "quantity", "quant"]),
    ("date", &["dt", "dat", "date"]),
    ("supplier", &["supp", "vendor", "vend", "lief", "lifnr", "supplier", "creditor"]),
    (
        "item",
        &["itm", "part", "material", "matnr", "product", "prod", "article", "art", "sku", "item"],
    ),
    ("description", &["desc", "descr", "description", "text", "bez"]),
    ("name", &["name", "nm"]),
    ("warehouse", &["wh", "whs", "whse", "warehouse", "plant", "werks", "lager", "depot"]),
    ("currency", &["cur", "curr", "ccy", "currency", "waers", "crcd"]),
    ("total", &["amt", "amount", "total", "value", "sum", "tot"]),
    ("price", &["price", "prc", "cost"]),
    ("unit", &["uom", "um", "unit", "meins", "units"]),
    ("status", &["stat", "status", "state", "sts", "lifecycle"]),
    ("order", &["ord", "ordered", "order", "orders", "po", "purch", "purchase", "bestell"]),
    ("line", &["ln", "line", "lines", "pos", "detail", "dtl", "row"]),
    ("receipt", &["rcpt", "receipt", "grn", "receiving", "goodsreceipt", "gr"]),
    ("requisition", &["req", "requisition", "requisitions", "pr"]),
    (
        "movement",
        &["move", "moves", "movement", "movements", "trans", "transaction", "ledger", "stockmove"],
    ),
    ("balance", &["balance", "balances", "onhand", "bin", "stocklevel"]),
    ("location", &["loc", "location", "locator", "site"]),
    ("company", &["co", "comp", "company", "cono", "bukrs", "mandant", "client", "tenant"]),
    ("buyer", &["buyer", "purchaser", "planner"]),
    ("required", &["due", "need", "needed", "required", "wanted", "delivery", "deliv"]),
    ("promised", &["promised", "prom", "confirmed", "conf"]),
    ("received", &["recd", "received", "rcvd"]),
    ("invoice", &["inv", "invoice", "invoices", "bill"]),
    ("country", &["country", "ctry", "land"]),
    ("active", &["active", "enabled"]),
    ("terms", &["terms"]),
    ("payment", &["pay", "payment"]),
];

/// The words of a name.
pub(super) fn words(name: &str) -> Vec<String> {
    let mut parts: Vec<String> = vec![String::new()];
    let mut lower = false;
    for character in name.chars() {
        let begins = character.is_uppercase() && lower;
        if !character.is_alphabetic() || begins {
            parts.push(String::new());
        }
        if character.is_alphabetic()
            && let Some(part) = parts.last_mut()
        {
            part.extend(character.to_lowercase());
        }
        lower = character.is_lowercase();
    }
    parts.retain(|part| !part.is_empty());
    parts.iter().map(|part| canonical(part)).collect()
}

fn canonical(part: &str) -> String {
    let found = SYNONYMS.iter().find(|(_, synonyms)| synonyms.contains(&part));
    let plural = || {
        let single = part.strip_suffix('s')?;
        SYNONYMS.iter().find(|(_, synonyms)| synonyms.contains(&single))
    };
    found.or_else(plural).map_or(part, |(word, _)| word).to_owned()
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn names_of_many_habits_give_the_same_words() {
        for name in ["order_no", "OrderNo", "ORD_NBR", "po-number"] {
            assert_eq!(words(name), ["order", "number"], "{name}");
        }
        assert_eq!(words("vendors"), ["supplier"]);
        assert_eq!(words("F4311_u2x"), ["f", "u", "x"]);
    }
}
