//! Reading a file of cases.

use std::collections::HashMap;
use std::sync::Arc;

use erpbridge_connector::{
    Column, ColumnKind, Finding, Operation, ReplicaIdentity, TableName, TableSchema,
};

use crate::document::{Content, Document, Entry, Fields, Findings, Node, Place, similar};
use crate::mapping::keys;

/// A file of cases.
pub(super) struct CaseFile {
    pub(super) tables: Vec<Arc<TableSchema>>,
    /// Rows that are there before every case.
    pub(super) given: Vec<Given>,
    pub(super) cases: Vec<Case>,
}

/// One case.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) place: Place,
    /// Rows that are there before this case.
    pub(super) given: Vec<Given>,
    pub(super) transactions: Vec<Vec<Change>>,
    /// Where `expect` and `dead_letters` stand, if they do.
    pub(super) expect_at: Option<Place>,
    pub(super) letters_at: Option<Place>,
    pub(super) events: Vec<ExpectedEvent>,
    pub(super) letters: Vec<ExpectedLetter>,
}

/// A cell of a change; none is NULL.
pub(super) type Cells = Vec<Option<String>>;

/// A row that is there before a case begins.
pub(super) struct Given {
    pub(super) table: Arc<TableSchema>,
    pub(super) row: Cells,
}

/// One row change, as the database would see it.
pub(super) struct Change {
    pub(super) table: Arc<TableSchema>,
    pub(super) operation: Operation,
    /// The row; of an update, as it was before.
    pub(super) row: Cells,
    /// Of an update: columns and their new values.
    pub(super) set: Vec<(usize, Option<String>)>,
    /// Columns the log does not carry in the new row.
    pub(super) absent: Vec<usize>,
}

/// What an event must be, as far as the case says.
pub(super) struct ExpectedEvent {
    pub(super) event: Option<String>,
    pub(super) subject: Option<String>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) data: Option<Node>,
}

/// What a dead letter must be.
pub(super) struct ExpectedLetter {
    pub(super) rule: Option<String>,
    pub(super) reason: Option<String>,
}

pub(super) const KINDS: [(&str, ColumnKind); 15] = [
    ("bool", ColumnKind::Bool),
    ("integer", ColumnKind::Integer),
    ("decimal", ColumnKind::Decimal),
    ("float32", ColumnKind::Float32),
    ("float64", ColumnKind::Float64),
    ("text", ColumnKind::Text),
    ("date", ColumnKind::Date),
    ("time", ColumnKind::Time),
    ("timestamp", ColumnKind::LocalTimestamp),
    ("instant", ColumnKind::Instant),
    ("interval", ColumnKind::Interval),
    ("uuid", ColumnKind::Uuid),
    ("json", ColumnKind::Json),
    ("bytes", ColumnKind::Bytes),
    ("other", ColumnKind::Other),
];

pub(super) const IDENTITIES: [(&str, ReplicaIdentity); 3] = [
    ("full", ReplicaIdentity::Full),
    ("key", ReplicaIdentity::Key),
    ("nothing", ReplicaIdentity::Nothing),
];

const OPERATIONS: [(&str, Operation); 4] = [
    ("read", Operation::Read),
    ("insert", Operation::Insert),
    ("update", Operation::Update),
    ("delete", Operation::Delete),
];

type Tables = HashMap<String, Arc<TableSchema>>;

impl CaseFile {
    pub(super) fn parse(file: &str, text: &str) -> Result<Self, Vec<Finding>> {
        let node = Document::parse(file, text).map_err(|finding| vec![finding])?;
        let mut findings = Findings::new();
        let cases = Self::read(&node, &mut findings);
        match cases {
            Some(cases) if !findings.has_errors() => Ok(cases),
            _ => Err(findings.into_vec()),
        }
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        let fields = node.fields(keys::CASES, findings)?;
        let tables = fields.required("tables", findings).and_then(|node| node.as_map(findings))?;
        let tables: Tables = tables
            .iter()
            .filter_map(|entry| Some((entry.key.clone(), table(entry, findings)?)))
            .collect();
        let given = given(&fields, &tables, findings);
        let cases = fields.required("cases", findings).and_then(|node| node.as_list(findings))?;
        let cases = cases.iter().filter_map(|node| case(node, &tables, findings)).collect();
        Some(Self { tables: tables.into_values().collect(), given, cases })
    }
}

fn table(entry: &Entry, findings: &mut Findings) -> Option<Arc<TableSchema>> {
    let Some((schema, name)) = entry.key.split_once('.') else {
        findings.error(&entry.place, "not the name of a table", "write `schema.table`");
        return None;
    };
    let fields = entry.value.fields(keys::CASE_TABLE, findings)?;
    let columns = fields.required("columns", findings)?.as_map(findings)?;
    let columns: Vec<Column> = columns.iter().filter_map(|c| column(c, findings)).collect();
    let identity = fields.get("identity").and_then(|node| word(node, &IDENTITIES, findings));
    let mut table = TableSchema {
        name: TableName::new(schema, name),
        columns,
        primary_key: Vec::new(),
        identity: identity.unwrap_or(ReplicaIdentity::Full),
    };
    table.primary_key = match fields.get("key") {
        Some(node) => indexes(node, &table, findings),
        None => vec![0],
    };
    Some(Arc::new(table))
}

fn column(entry: &Entry, findings: &mut Findings) -> Option<Column> {
    let kind = word(&entry.value, &KINDS, findings)?;
    let type_name = entry.value.text().unwrap_or_default().to_owned();
    Some(Column { name: entry.key.clone(), kind, type_name, missing_in_log: false })
}

fn word<T: Copy>(node: &Node, words: &[(&str, T)], findings: &mut Findings) -> Option<T> {
    let text = node.as_text(findings)?;
    let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    if found.is_none() {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let mend = format!("write one of: {}", known.join(", "));
        findings.error(&node.place, format!("unknown word `{text}`"), mend);
    }
    found
}

fn indexes(node: &Node, table: &TableSchema, findings: &mut Findings) -> Vec<usize> {
    let names = node.as_list_or_one().iter();
    names.filter_map(|name| index(name.as_text(findings)?, &name.place, table, findings)).collect()
}

fn index(name: &str, place: &Place, table: &TableSchema, findings: &mut Findings) -> Option<usize> {
    let index = table.column(name);
    if index.is_none() {
        let names = table.columns.iter().map(|column| column.name.as_str());
        let mend = match similar(name, names) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "add it to the table's `columns`".to_owned(),
        };
        findings.error(place, format!("table `{}` has no column `{name}`", table.name), mend);
    }
    index
}

fn case(node: &Node, tables: &Tables, findings: &mut Findings) -> Option<Case> {
    let fields = node.fields(keys::CASE, findings)?;
    let name = fields.required("name", findings).and_then(|node| node.as_text(findings));
    let transactions = fields.required("transactions", findings)?.as_list(findings)?;
    let transactions = transactions.iter().map(|node| {
        let changes = node.as_list(findings).unwrap_or_default();
        changes.iter().filter_map(|change| self::change(change, tables, findings)).collect()
    });
    let transactions = transactions.collect();
    Some(Case {
        name: name?.to_owned(),
        place: node.place.clone(),
        given: given(&fields, tables, findings),
        transactions,
        expect_at: fields.entry("expect").map(|entry| entry.place.clone()),
        letters_at: fields.entry("dead_letters").map(|entry| entry.place.clone()),
        events: list(&fields, "expect", event, findings),
        letters: list(&fields, "dead_letters", letter, findings),
    })
}

/// Reads `- schema.table: { column: value }`.
fn given(fields: &Fields<'_>, tables: &Tables, findings: &mut Findings) -> Vec<Given> {
    let nodes = fields.get("given").and_then(|node| node.as_list(findings)).unwrap_or_default();
    let entries = nodes.iter().filter_map(|node| node.as_map(findings)).flatten();
    let entries: Vec<&Entry> = entries.collect();
    let rows = entries.into_iter().filter_map(|entry| {
        let table = known(tables, &entry.key, &entry.place, findings)?;
        Some(Given { row: row(&entry.value, table, findings), table: Arc::clone(table) })
    });
    rows.collect()
}

/// The table of that name.
fn known<'t>(
    tables: &'t Tables,
    name: &str,
    place: &Place,
    findings: &mut Findings,
) -> Option<&'t Arc<TableSchema>> {
    let table = tables.get(name);
    if table.is_none() {
        let mend = "describe it under `tables`, as `schema.table`";
        findings.error(place, format!("there is no table `{name}` here"), mend);
    }
    table
}

/// A row: columns that are not named are NULL.
fn row(node: &Node, table: &TableSchema, findings: &mut Findings) -> Cells {
    let mut full: Cells = vec![None; table.columns.len()];
    for (index, value) in cells(node, table, findings) {
        if let Some(cell) = full.get_mut(index) {
            *cell = value;
        }
    }
    full
}

fn list<T>(
    fields: &Fields<'_>,
    key: &str,
    read: fn(&Node, &mut Findings) -> Option<T>,
    findings: &mut Findings,
) -> Vec<T> {
    let Some(node) = fields.get(key).filter(|node| !node.is_null()) else { return Vec::new() };
    let values = node.as_list(findings).unwrap_or_default();
    values.iter().filter_map(|value| read(value, findings)).collect()
}

fn change(node: &Node, tables: &Tables, findings: &mut Findings) -> Option<Change> {
    let fields = node.fields(keys::CHANGE, findings)?;
    let mut said = OPERATIONS
        .iter()
        .filter_map(|(word, operation)| fields.get(word).map(|node| (node, *operation)));
    let (Some((table, operation)), None) = (said.next(), said.next()) else {
        let mend = "write one of `insert: <table>`, `update:`, `delete:`, `read:`";
        findings.error(fields.place(), "what happened to which table?", mend);
        return None;
    };
    let name = table.as_text(findings)?;
    let schema = known(tables, name, &table.place, findings)?;
    let row = row(fields.required("row", findings)?, schema, findings);
    let set = fields.get("set").map(|node| cells(node, schema, findings)).unwrap_or_default();
    let absent = fields.get("absent").map(|node| indexes(node, schema, findings));
    if (operation == Operation::Update) == set.is_empty() {
        let mend = "give an update `set: { column: new value }`, and nothing else";
        findings.error(fields.place(), "only an update sets columns, and it sets some", mend);
    }
    let (table, absent) = (Arc::clone(schema), absent.unwrap_or_default());
    Some(Change { table, operation, row, set, absent })
}

fn cells(
    node: &Node,
    table: &TableSchema,
    findings: &mut Findings,
) -> Vec<(usize, Option<String>)> {
    let entries = node.as_map(findings).unwrap_or_default().iter();
    let cells = entries.filter_map(|entry| {
        let index = index(&entry.key, &entry.place, table, findings)?;
        let value = match entry.value.content {
            Content::Null => None,
            _ => Some(entry.value.as_text(findings)?.to_owned()),
        };
        Some((index, value))
    });
    cells.collect()
}

fn event(node: &Node, findings: &mut Findings) -> Option<ExpectedEvent> {
    let fields = node.fields(keys::EVENT, findings)?;
    let text = |key: &str, findings: &mut Findings| {
        fields.get(key).and_then(|node| node.as_text(findings)).map(str::to_owned)
    };
    let headers = fields.get("headers").and_then(|node| node.as_map(findings));
    let headers = headers
        .unwrap_or_default()
        .iter()
        .filter_map(|entry| Some((entry.key.clone(), entry.value.as_text(findings)?.to_owned())));
    let headers = headers.collect();
    Some(ExpectedEvent {
        event: text("event", findings),
        subject: text("subject", findings),
        headers,
        data: fields.get("data").cloned(),
    })
}

fn letter(node: &Node, findings: &mut Findings) -> Option<ExpectedLetter> {
    let fields = node.fields(keys::LETTER, findings)?;
    let text = |key: &str, findings: &mut Findings| {
        fields.get(key).and_then(|node| node.as_text(findings)).map(str::to_owned)
    };
    Some(ExpectedLetter { rule: text("rule", findings), reason: text("reason", findings) })
}
