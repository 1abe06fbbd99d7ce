//! What the names of tables and columns are made of, in the words of the canonical model.
//!
//! ERPs shorten words, each in its own way. A name is taken apart at `_`, blanks, digits and capital
//! letters, and each part is brought to the word it stands for, as far as that is common.

/// What stands for a canonical word.
const SYNONYMS: &[(&str, &[&str])] = &[
    ("number", &["no", "num", "nbr", "nr", "number"]),
    ("code", &["code", "cd"]),
    ("document", &["doc", "document"]),
    ("type", &["type", "typ", "kind"]),
    ("quantity", &["qty", "quan", "menge", "quantity", "quant"]),
    ("date", &["dt", "dat", "date"]),
    ("supplier", &["supp", "vendor", "vend", "lief", "supplier", "creditor"]),
    ("item", &["itm", "part", "material", "product", "prod", "article", "art", "sku", "item"]),
    ("description", &["desc", "descr", "description", "text", "bez"]),
    ("name", &["name", "nm"]),
    ("warehouse", &["wh", "whs", "whse", "warehouse", "plant", "lager", "depot"]),
    ("currency", &["cur", "curr", "ccy", "currency"]),
    ("total", &["amt", "amount", "total", "value", "sum", "tot"]),
    ("price", &["price", "prc", "cost"]),
    ("unit", &["uom", "um", "unit", "units"]),
    ("status", &["st", "stat", "status", "state", "sts", "lifecycle"]),
    ("order", &["ord", "ordered", "order", "orders", "po", "purch", "purchase", "bestell"]),
    ("line", &["ln", "line", "lines", "pos", "position", "detail", "dtl", "row"]),
    ("receipt", &["rcpt", "receipt", "grn", "receiving", "goodsreceipt", "gr"]),
    ("requisition", &["req", "requisition", "requisitions", "pr"]),
    (
        "movement",
        &["move", "moves", "movement", "movements", "trans", "transaction", "ledger", "stockmove"],
    ),
    ("balance", &["balance", "balances", "bal", "bin", "stocklevel"]),
    ("stock", &["stock", "stk"]),
    ("hold", &["hold", "held", "blocked", "block"]),
    ("location", &["loc", "location", "locator", "site"]),
    ("company", &["co", "comp", "company", "cono", "mandant", "client", "tenant"]),
    ("buyer", &["buyer", "purchaser", "planner"]),
    ("required", &["due", "need", "needed", "required", "wanted", "delivery", "deliv"]),
    ("promised", &["promised", "prom", "confirmed", "conf"]),
    ("received", &["recd", "received", "rcvd"]),
    ("invoice", &["inv", "invoice", "invoices", "bill"]),
    ("country", &["country", "ctry", "land"]),
    ("active", &["active", "act", "enabled"]),
    ("terms", &["terms"]),
    ("payment", &["pay", "payment"]),
];

/// Names that are no words, as widespread ERPs have them.
const NAMES: &[(&str, &[&str])] = &[
    ("onhand", &["on", "hand"]),
    ("an8", &["supplier"]),
    ("kcoo", &["company"]),
    ("mcu", &["warehouse"]),
    ("doco", &["order", "number"]),
    ("dcto", &["document", "type"]),
    ("lnid", &["line", "number"]),
    ("litm", &["item", "number"]),
    ("dsc1", &["description"]),
    ("uorg", &["quantity"]),
    ("urec", &["received", "quantity"]),
    ("uom", &["unit"]),
    ("prrc", &["price"]),
    ("aexp", &["total"]),
    ("otot", &["total"]),
    ("crcd", &["currency"]),
    ("nxtr", &["status"]),
    ("trdj", &["date"]),
    ("drqj", &["required", "date"]),
    ("pddj", &["promised", "date"]),
    ("ebeln", &["order", "number"]),
    ("ebelp", &["line", "number"]),
    ("lifnr", &["supplier"]),
    ("matnr", &["item"]),
    ("meins", &["unit"]),
    ("werks", &["warehouse"]),
    ("bukrs", &["company"]),
    ("waers", &["currency"]),
    ("netpr", &["price"]),
    ("bedat", &["date"]),
    ("eindt", &["required", "date"]),
    ("cardcode", &["supplier"]),
    ("unitmsr", &["unit"]),
    ("f4301", &["order"]),
    ("f4311", &["order", "line"]),
    ("f0101", &["supplier"]),
    ("f4101", &["item"]),
    ("ekko", &["order"]),
    ("ekpo", &["order", "line"]),
    ("eban", &["requisition"]),
    ("opor", &["order"]),
    ("por1", &["order", "line"]),
];

/// The words of a name.
pub(super) fn words(name: &str) -> Vec<String> {
    if let Some(words) = known_name(name) {
        return words.iter().map(|word| (*word).to_owned()).collect();
    }
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
    parts.iter().flat_map(|part| canonical(part)).collect()
}

/// The name itself, or what follows the two letters that JD Edwards puts before it.
fn known_name(name: &str) -> Option<&'static [&'static str]> {
    let known = |name: &str| {
        let found = NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, words)| *words)
    };
    known(name).or_else(|| known(name.get(2..)?))
}

/// The word a part stands for; two, where they are written together: `orderdate`, `itemno`.
fn canonical(part: &str) -> Vec<String> {
    if let Some(word) = word(part) {
        return vec![word.to_owned()];
    }
    let halves = part.char_indices().skip(1).find_map(|(at, _)| {
        let (one, other) = part.split_at_checked(at)?;
        Some(vec![word(one)?.to_owned(), word(other)?.to_owned()])
    });
    let ending = || {
        let (own, ending) = ENDINGS.iter().find_map(|end| Some((part.strip_suffix(end)?, *end)))?;
        Some(vec![own.to_owned(), word(ending)?.to_owned()])
    };
    halves.or_else(ending).unwrap_or_else(|| vec![part.to_owned()])
}

/// Words that are hardly the end of another one: `tqty`, `shpdate`.
const ENDINGS: [&str; 3] = ["qty", "date", "amt"];

fn word(part: &str) -> Option<&'static str> {
    let known = |part: &str| SYNONYMS.iter().find(|(_, synonyms)| synonyms.contains(&part));
    let found = known(part).or_else(|| known(part.strip_suffix('s')?));
    found.map(|(word, _)| *word)
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
        assert_eq!(words("duedate"), ["required", "date"]);
        assert_eq!(words("tqty"), ["t", "quantity"]);
        assert_eq!(words("PHAN8"), ["supplier"]);
        assert_eq!(words("DocDueDate"), ["document", "required", "date"]);
    }
}
