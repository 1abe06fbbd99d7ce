//! Every key of the mapping language, once. `mappings/README.md` names the same keys; a test
//! compares the two.

/// Of a mapping file.
pub(super) const FILE: &[&str] = &[
    "mapping",
    "read",
    "company",
    "plant",
    "authority",
    "sources",
    "drift",
    "tables",
    "codes",
    "fields",
    "links",
    "events",
    "exceptions",
];
/// Of an overlay file.
pub(super) const OVERLAY: &[&str] = &["overlay", "read", "company", "plant", "tables", "codes"];
/// Of a table in an overlay file.
pub(super) const OVERLAY_TABLE: &[&str] = &["where", "if", "company", "plant", "read", "columns"];
/// Of `read`.
pub(super) const READ: &[&str] =
    &["trim", "blank", "null", "strip_zeros", "pad", "case", "charset", "zone"];
/// Of `company` and `plant`.
pub(super) const SCOPE: &[&str] = &["column", "capture", "schema", "aliases", "constant"];
/// Of `drift`.
pub(super) const DRIFT: &[&str] = &["unknown_code", "column", "table"];
/// Of a table.
pub(super) const TABLE: &[&str] = &[
    "table", "pattern", "key", "where", "if", "ignore", "deleted", "keep", "lookups", "sums",
    "company", "plant", "read", "columns",
];
/// Of a column.
pub(super) const COLUMN: &[&str] =
    &["trim", "blank", "null", "strip_zeros", "pad", "case", "charset", "zone", "date"];
/// Of `pad`.
pub(super) const PAD: &[&str] = &["start", "with"];
/// Of `charset`.
pub(super) const CHARSET: &[&str] = &["declared", "actual"];
/// Of `deleted`, where rows may move to another table.
pub(super) const DELETED: &[&str] = &["moved_to", "by", "otherwise"];
/// Of a lookup.
pub(super) const LOOKUP: &[&str] = &["to", "by", "if", "missing"];
/// Of `missing`, where a change waits for so long.
pub(super) const MISSING: &[&str] = &["wait"];
/// Of a sum.
pub(super) const SUM: &[&str] = &["children", "of", "if"];
/// Of a filter's test.
pub(super) const TEST: &[&str] = &["not"];
/// Of an event rule.
pub(super) const RULE: &[&str] = &[
    "emit",
    "rule",
    "on",
    "when",
    "snapshot",
    "transition",
    "changed",
    "became",
    "where",
    "if",
    "key",
    "plant",
    "number",
    "aliases",
    "effective",
    "codes",
    "extensions",
    "fields",
];
/// Of an exception rule.
pub(super) const EXCEPTION: &[&str] =
    &["raise", "rule", "on", "while", "where", "if", "key", "plant", "number", "codes", "fields"];
/// Of a link.
pub(super) const LINK: &[&str] = &["on", "rule", "from", "key", "leads_to", "follows", "by", "if"];
/// Of `transition`.
pub(super) const TRANSITION: &[&str] = &["column", "codes", "state", "axis", "from", "to"];
/// Where a value can come from.
pub(super) const TAKE: &[&str] = &["from", "key", "constant", "expr", "first", "moment"];
/// Of a field that is one value.
pub(super) const FIELD: &[&str] = &[
    "from",
    "key",
    "constant",
    "expr",
    "first",
    "moment",
    "float",
    "implied_decimals",
    "sign",
    "convert",
    "date",
    "instant",
    "duration",
    "bool",
    "code",
    "strip_zeros",
    "case",
    "mask",
    "default",
    "required",
];
/// Of the value of a quantity or an amount.
pub(super) const VALUE: &[&str] =
    &["from", "constant", "expr", "float", "implied_decimals", "sign", "convert", "default"];
/// Of the unit of a quantity and the currency of an amount.
pub(super) const UNIT: &[&str] = &["from", "constant", "expr", "code", "case", "default"];
/// Of a quantity.
pub(super) const QUANTITY: &[&str] = &["value", "unit", "required"];
/// Of an amount of money.
pub(super) const MONEY: &[&str] = &["value", "currency", "required"];
/// Of a list of rows that point to this one.
pub(super) const CHILDREN: &[&str] = &["children", "if", "key", "sort", "fields"];
/// Of one case of `first`.
pub(super) const CHOICE: &[&str] = &["if", "then", "else"];
/// Of an expression in place of a column.
pub(super) const EXPRESSION: &[&str] = &["expr"];
/// Of a default that is a column.
pub(super) const DEFAULT: &[&str] = &["from"];
/// Of `float`.
pub(super) const FLOAT: &[&str] = &["scale"];
/// Of `implied_decimals`, where a column says how many.
pub(super) const PLACES: &[&str] = &["from", "code"];
/// Of `sign`.
pub(super) const SIGN: &[&str] = &["from", "negative"];
/// Of `convert`.
pub(super) const CONVERT: &[&str] = &["factor", "numerator", "denominator", "scale"];
/// Of `instant`.
pub(super) const INSTANT: &[&str] = &["zone", "overlap", "gap"];
/// Of `moment`.
pub(super) const MOMENT: &[&str] = &["date", "time", "zone", "overlap", "gap"];
/// Of the time of a `moment`.
pub(super) const TIME: &[&str] = &["from", "time"];
/// Of `bool`.
pub(super) const BOOL: &[&str] = &["true", "false"];

/// Of a file of cases.
pub(super) const CASES: &[&str] = &["tables", "given", "cases"];
/// Of a table in a file of cases.
pub(super) const CASE_TABLE: &[&str] = &["columns", "key", "identity"];
/// Of a case.
pub(super) const CASE: &[&str] = &["name", "given", "transactions", "expect", "dead_letters"];
/// Of a row change in a case.
pub(super) const CHANGE: &[&str] = &["read", "insert", "update", "delete", "row", "set", "absent"];
/// Of an expected event.
pub(super) const EVENT: &[&str] = &["event", "subject", "headers", "data"];
/// Of an expected dead letter.
pub(super) const LETTER: &[&str] = &["rule", "reason"];

/// All lists by place: the documentation and the JSON Schema name the same.
pub(crate) const ALL: &[(&str, &[&str])] = &[
    ("file", FILE),
    ("overlay file", OVERLAY),
    ("table of an overlay", OVERLAY_TABLE),
    ("read", READ),
    ("company, plant", SCOPE),
    ("drift", DRIFT),
    ("table", TABLE),
    ("column", COLUMN),
    ("pad", PAD),
    ("charset", CHARSET),
    ("deleted", DELETED),
    ("lookup", LOOKUP),
    ("missing", MISSING),
    ("sum", SUM),
    ("where", TEST),
    ("event", RULE),
    ("exception", EXCEPTION),
    ("link", LINK),
    ("transition", TRANSITION),
    ("field", FIELD),
    ("value", VALUE),
    ("unit, currency", UNIT),
    ("quantity", QUANTITY),
    ("money", MONEY),
    ("children", CHILDREN),
    ("first", CHOICE),
    ("expression", EXPRESSION),
    ("default", DEFAULT),
    ("float", FLOAT),
    ("implied_decimals", PLACES),
    ("sign", SIGN),
    ("convert", CONVERT),
    ("instant", INSTANT),
    ("moment", MOMENT),
    ("time", TIME),
    ("bool", BOOL),
    ("cases file", CASES),
    ("table of cases", CASE_TABLE),
    ("case", CASE),
    ("row change", CHANGE),
    ("expected event", EVENT),
    ("expected dead letter", LETTER),
];
