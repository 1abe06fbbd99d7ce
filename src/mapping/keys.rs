//! Every key of the mapping language, once. `mappings/README.md` names the same keys; a test
//! compares the two.

/// Of a mapping file.
pub(super) const FILE: &[&str] =
    &["mapping", "read", "company", "plant", "tables", "codes", "fields", "events"];
/// Of `read`.
pub(super) const READ: &[&str] = &["trim", "blank"];
/// Of `company` and `plant`.
pub(super) const SCOPE: &[&str] = &["column", "aliases", "constant"];
/// Of a table.
pub(super) const TABLE: &[&str] =
    &["table", "key", "where", "ignore", "deleted", "company", "plant", "read", "columns"];
/// Of a column.
pub(super) const COLUMN: &[&str] = &["trim", "blank", "null", "date"];
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
    "where",
    "key",
    "number",
    "effective",
    "codes",
    "fields",
];
/// Of `transition`.
pub(super) const TRANSITION: &[&str] = &["column", "codes", "axis", "from", "to"];
/// Of a field that is one value.
pub(super) const FIELD: &[&str] = &[
    "from",
    "key",
    "constant",
    "float",
    "implied_decimals",
    "date",
    "instant",
    "bool",
    "code",
    "required",
];
/// Of the value of a quantity or an amount.
pub(super) const VALUE: &[&str] = &["from", "constant", "float", "implied_decimals"];
/// Of the unit of a quantity and the currency of an amount.
pub(super) const UNIT: &[&str] = &["from", "constant", "code"];
/// Of a quantity.
pub(super) const QUANTITY: &[&str] = &["value", "unit", "required"];
/// Of an amount of money.
pub(super) const MONEY: &[&str] = &["value", "currency", "required"];
/// Of `float`.
pub(super) const FLOAT: &[&str] = &["scale"];
/// Of `instant`.
pub(super) const INSTANT: &[&str] = &["zone"];
/// Of `bool`.
pub(super) const BOOL: &[&str] = &["true", "false"];

/// Of a file of cases.
pub(super) const CASES: &[&str] = &["tables", "cases"];
/// Of a table in a file of cases.
pub(super) const CASE_TABLE: &[&str] = &["columns", "key", "identity"];
/// Of a case.
pub(super) const CASE: &[&str] = &["name", "transactions", "expect", "dead_letters"];
/// Of a row change in a case.
pub(super) const CHANGE: &[&str] = &["read", "insert", "update", "delete", "row", "set", "absent"];
/// Of an expected event.
pub(super) const EVENT: &[&str] = &["event", "subject", "headers", "data"];
/// Of an expected dead letter.
pub(super) const LETTER: &[&str] = &["rule", "reason"];

/// All lists, for the test that compares them with the documentation.
#[cfg(test)]
pub(super) const ALL: &[(&str, &[&str])] = &[
    ("file", FILE),
    ("read", READ),
    ("company, plant", SCOPE),
    ("table", TABLE),
    ("column", COLUMN),
    ("where", TEST),
    ("event", RULE),
    ("transition", TRANSITION),
    ("field", FIELD),
    ("value", VALUE),
    ("unit, currency", UNIT),
    ("quantity", QUANTITY),
    ("money", MONEY),
    ("float", FLOAT),
    ("instant", INSTANT),
    ("bool", BOOL),
    ("cases file", CASES),
    ("table of cases", CASE_TABLE),
    ("case", CASE),
    ("row change", CHANGE),
    ("expected event", EVENT),
    ("expected dead letter", LETTER),
];
