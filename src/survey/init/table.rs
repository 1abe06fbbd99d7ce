//! The proposal for one table.

use erpbridge_connector::{Column, ColumnKind, ReplicaIdentity, TableSchema};

use super::Sketch;
use super::guess::{self, Told};
use crate::canonical::{FieldDef, FieldKind, Form};
use crate::mapping::cases;

/// What is proposed for a table.
pub(super) struct Proposal<'s> {
    pub(super) sketch: &'s Sketch,
    pub(super) alias: String,
    pub(super) entity: &'static str,
    pub(super) told: Told,
    pub(super) company: Option<&'s str>,
    pub(super) plant: Option<&'s str>,
    pub(super) number: Option<String>,
    pub(super) fields: Vec<String>,
    /// Columns that something is made of.
    pub(super) taken: Vec<&'s str>,
    /// The cells of the first case's row that must be something special.
    pub(super) cells: Vec<(&'s str, String)>,
    /// The column of the lifecycle's status, its code table and its states.
    pub(super) status: Option<(&'s str, String, &'static [String])>,
    /// Columns of days whose 0 is no day.
    pub(super) days: Vec<&'s str>,
    /// Columns of numbers that lead to something else.
    pub(super) references: Vec<&'s str>,
    /// Columns whose cell in the first case must become a real code.
    pub(super) codeless: Vec<&'s str>,
    /// The lines of its code tables.
    pub(super) codes: Vec<String>,
    pub(super) guesses: Vec<String>,
    pub(super) open: Vec<String>,
}

impl<'s> Proposal<'s> {
    /// `None` if the rows could be anything.
    pub(super) fn of(sketch: &'s Sketch, alias: String, entity: Option<&str>) -> Option<Self> {
        let table = &sketch.schema().name.table;
        let guessed = guess::entity(table);
        let told = guess::told(entity.or(guessed)?)?;
        let mut proposal = Self {
            sketch,
            alias,
            entity: told.new.entity.as_str(),
            told,
            company: None,
            plant: None,
            number: None,
            fields: Vec::new(),
            taken: Vec::new(),
            cells: Vec::new(),
            status: None,
            days: Vec::new(),
            references: Vec::new(),
            codeless: Vec::new(),
            codes: Vec::new(),
            guesses: Vec::new(),
            open: Vec::new(),
        };
        if entity.is_none() {
            let entity = format!("{}.{}", proposal.told.new.family, proposal.entity);
            proposal.guess(format!("a row of `{table}` is told as {entity}"));
        }
        if !proposal.tells_updates() {
            let mend = "give it a primary key, or let the log carry whole rows, to have the others";
            proposal.guess(format!("new rows of `{table}` alone are told, as in its log: {mend}"));
            (proposal.told.changed, proposal.told.deleted) = (None, None);
        }
        if sketch.key_assumed {
            let first = written(proposal.key().first().copied().unwrap_or_default());
            let mend = "none is marked; write `key` behind those that identify a row";
            proposal.guess(format!("column {first} is the key of `{table}`: {mend}"));
        }
        proposal.scopes();
        proposal.fields();
        Some(proposal)
    }

    /// Whether the log says which row was updated or deleted.
    pub(super) fn tells_updates(&self) -> bool {
        self.schema().identity != ReplicaIdentity::Nothing
    }

    pub(super) fn schema(&self) -> &'s TableSchema {
        &self.sketch.table.schema
    }

    pub(super) fn guess(&mut self, sentence: String) {
        self.guesses.push(sentence);
    }

    pub(super) fn column(
        &self,
        wanted: &str,
        fits: impl Fn(&Column) -> bool,
    ) -> Option<&'s Column> {
        guess::column(self.sketch, wanted, &self.taken, fits)
    }

    pub(super) fn take(&mut self, column: &'s Column) -> &'s str {
        self.taken.push(&column.name);
        &column.name
    }

    fn scopes(&mut self) {
        let code = |column: &Column| matches!(column.kind, ColumnKind::Text | ColumnKind::Integer);
        if let Some(column) = self.column("company", code) {
            let name = self.take(column);
            self.guess(format!("column `{name}` says whose row it is"));
            self.company = Some(name);
            self.cells.push((name, "1".to_owned()));
        } else {
            self.guess(format!("all rows of `{}` belong to one company, `main`", self.alias));
        }
        if let Some(column) = self.column("warehouse", code) {
            let name = self.take(column);
            self.guess(format!("column `{name}` says where it is"));
            self.plant = Some(name);
            self.cells.push((name, "1".to_owned()));
        }
        let key: Vec<&str> = self.key();
        let text = |column: &Column| {
            column.kind == ColumnKind::Text && !key.contains(&column.name.as_str())
        };
        // The item of items, the order of orders is their number.
        let number = self.column("number", text).or_else(|| self.column(self.entity, text));
        if let Some(column) = number {
            let name = self.take(column);
            self.guess(format!("`{name}` is the number people use"));
            self.number = Some(name.to_owned());
        } else if let Some(column) = self.number_in_key() {
            self.guess(format!("`{column}` of the key is the number people use"));
            self.number = Some(column.to_owned());
        }
    }

    /// The part of the key that people know a document by. A line has none but its document's.
    fn number_in_key(&self) -> Option<&'s str> {
        let key = self.key();
        let fits = |column: &Column| {
            let words = super::words::words(&column.name);
            let has = |wanted: &str| words.iter().any(|word| word == wanted);
            key.contains(&column.name.as_str()) && has("number") && !has("line")
        };
        let line = self.entity.ends_with("line");
        let found = self.column("number", fits).or_else(|| self.column(self.entity, fits));
        found.filter(|_| !line).map(|column| column.name.as_str())
    }

    pub(super) fn key(&self) -> Vec<&'s str> {
        let schema = self.schema();
        let key = schema.primary_key.iter().filter_map(|place| schema.columns.get(*place));
        let named: Vec<&str> = key.map(|column| column.name.as_str()).collect();
        let first = || schema.columns.first().map(|column| column.name.as_str());
        if named.is_empty() { first().into_iter().collect() } else { named }
    }

    fn fields(&mut self) {
        let defs: &'static [FieldDef] = &self.told.new.fields;
        for def in defs.iter().filter(|def| def.required).chain(defs.iter().filter(|d| !d.required))
        {
            let line = match &def.kind {
                // Nothing says in which unit a weight is.
                FieldKind::Quantity if def.name == "weight" => None,
                FieldKind::Quantity => self.quantity(def),
                FieldKind::Text if def.form == Form::Unit => self.unit(),
                FieldKind::Money => self.money(def),
                FieldKind::Code(all) => self.coded(def, all),
                FieldKind::List(_) => None,
                FieldKind::Text if def.name == "order" => self.order().or_else(|| self.plain(def)),
                FieldKind::Text if def.name == "order_line" => {
                    self.order_line().or_else(|| self.plain(def))
                }
                _ => self.plain(def),
            };
            let line = line.or_else(|| def.required.then(|| self.unknown(def)));
            self.fields.extend(line.map(|line| with_meaning(def, &line)));
        }
    }

    fn plain(&mut self, def: &FieldDef) -> Option<String> {
        let sketch = self.sketch;
        let formed = matches!(def.form, Form::Unit | Form::Country | Form::OneOf(_));
        let fits = |column: &Column| {
            let seen = sketch.seen(&column.name);
            let formed =
                formed && (seen.is_empty() || !seen.iter().all(|text| def.form.admits(text)));
            !formed && guess::codec(def, column, &sketch.seen(&column.name)).is_some()
        };
        let column = guess::field(sketch, &def.name, &self.taken, fits)?;
        let codec = guess::codec(def, column, &sketch.seen(&column.name))?;
        let name = self.take(column);
        self.guess(format!("field `{}` comes from column `{name}`", def.name));
        self.cells.push((name, example(def, column, &codec)));
        if codec.starts_with("date: ") && codec != "date: iso" {
            self.days.push(name);
        }
        if codec == "instant: { zone: UTC }" {
            self.guess(format!("the clock of `{name}` is UTC: no zone is stored with it"));
        }
        let leads = def.description.starts_with("Key of ");
        if leads && guess::is_number(column) && !self.key().contains(&name) {
            self.references.push(name);
        }
        Some(match codec.as_str() {
            "" => format!("{} # GUESS", written(name)),
            codec => format!("{{ from: {}, {codec} }} # GUESS", written(name)),
        })
    }

    /// Of an order line whose key is that of its order and its own number: the key without the number.
    fn order(&mut self) -> Option<String> {
        if self.entity != "purchaseorderline" {
            return None;
        }
        let key = self.key();
        let line = |name: &&&str| super::words::words(name).iter().any(|word| word == "line");
        let line = key.iter().rfind(line)?;
        let order: Vec<String> =
            key.iter().filter(|name| *name != line).map(|name| written(name)).collect();
        if order.is_empty() {
            return None;
        }
        let listed = order.join(", ");
        self.guess(format!("field `order` is the key {listed}"));
        Some(format!("{{ key: [{listed}] }} # GUESS: the key that the order has"))
    }

    /// The key of the order line a row belongs to, where it names the order and the line apart: that
    /// of the order, and the number the line has in it.
    fn order_line(&mut self) -> Option<String> {
        let part = |column: &Column| {
            let surrogate = super::words::words(&column.name).iter().any(|word| word == "id");
            matches!(column.kind, ColumnKind::Text | ColumnKind::Integer | ColumnKind::Decimal)
                && !surrogate
        };
        let line = self.column("order_line", part)?;
        let order = guess::column(self.sketch, "order", &[], |column| !is_day(column))?;
        let (order, line) = (order.name.as_str(), self.take(line));
        if !self.taken.contains(&order) {
            self.taken.push(order);
        }
        let listed = format!("{}, {}", written(order), written(line));
        self.guess(format!("field `order_line` is the key {listed}"));
        Some(format!("{{ key: [{listed}] }} # GUESS: the key that the order line has"))
    }

    /// The number of a quantity or an amount, and what is to be said of it.
    fn numeric(&mut self, def: &FieldDef) -> Option<(String, String)> {
        let key = self.key();
        let fits =
            |column: &Column| guess::is_number(column) && !key.contains(&column.name.as_str());
        let column = guess::field(self.sketch, &def.name, &self.taken, fits)?;
        let name = self.take(column);
        self.guess(format!("field `{}` comes from column `{name}`", def.name));
        self.cells.push((name, "12".to_owned()));
        let from = written(name);
        let counted = def.kind == FieldKind::Quantity && column.kind == ColumnKind::Integer;
        let mut remark = "# GUESS".to_owned();
        if !counted && guess::is_whole(column, &self.sketch.seen(name)) {
            self.guess(format!("the whole numbers of `{name}` imply no decimals"));
            let codec = format!("{{ from: {from}, implied_decimals: 2 }}");
            remark = format!("# GUESS; if 1250 means 12.50, write value: {codec}");
        }
        let float = matches!(column.kind, ColumnKind::Float32 | ColumnKind::Float64);
        let value = if float { format!("{{ from: {from}, float: {{ scale: 4 }} }}") } else { from };
        Some((value, remark))
    }

    fn quantity(&mut self, def: &FieldDef) -> Option<String> {
        let (value, remark) = self.numeric(def)?;
        let text = |column: &Column| column.kind == ColumnKind::Text;
        let Some(column) = guess::column(self.sketch, "unit", &[], text) else {
            let sentence = "counts pieces (C62): no column of a unit was found";
            self.guess(format!("`{}` {sentence}", def.name));
            return Some(format!("{{ value: {value}, unit: {{ constant: C62 }} }} {remark}"));
        };
        let table = self.units(column);
        let unit = written(&column.name);
        Some(format!("{{ value: {value}, unit: {{ from: {unit}, code: {table} }} }} {remark}"))
    }

    fn money(&mut self, def: &FieldDef) -> Option<String> {
        let (value, remark) = self.numeric(def)?;
        let text = |column: &Column| column.kind == ColumnKind::Text;
        let Some(column) = guess::column(self.sketch, "currency", &[], text) else {
            self.guess(format!("`{}` is in EUR: no column of a currency was found", def.name));
            return Some(format!("{{ value: {value}, currency: {{ constant: EUR }} }} {remark}"));
        };
        if !self.taken.contains(&column.name.as_str()) {
            self.take(column);
        }
        self.cells.push((&column.name, "EUR".to_owned()));
        let name = written(&column.name);
        Some(format!("{{ value: {value}, currency: {{ from: {name} }} }} {remark}"))
    }

    /// A field that the event must have, and no column looks like.
    fn unknown(&mut self, def: &FieldDef) -> String {
        self.open.push(format!("where field `{}` comes from: {}", def.name, def.description));
        let (name, what, nothing) = (&def.name, &def.description, "{ expr: \"null\" }");
        match &def.kind {
            FieldKind::Quantity => format!(
                "{{ value: {nothing}, unit: {{ constant: C62 }} }} # FILL IN `value: <column>`: {what}"
            ),
            FieldKind::Money => format!(
                "{{ value: {nothing}, currency: {{ constant: EUR }} }} # FILL IN `value: <column>`: {what}"
            ),
            FieldKind::Code(all) => {
                let one = all.first().map_or("", String::as_str);
                let how = format!("`{name}: {{ constant: {one} }}`, or a column and a code table");
                format!("{nothing} # FILL IN {how}; one of {}: {what}", all.join(", "))
            }
            _ => format!("{nothing} # FILL IN `{name}: <column>`: {what}"),
        }
    }
}

/// The line of a field; what is only guessed says beside it what the field means, if it fits.
fn with_meaning(def: &FieldDef, line: &str) -> String {
    const WIDTH: usize = 100;
    let short = format!("{}: {line}", def.name);
    let full = format!("{short}: {}", def.description);
    let fits = line.ends_with("# GUESS") && full.chars().count() + 4 <= WIDTH;
    if fits { full } else { short }
}

/// Whether it holds points in time.
const fn is_day(column: &Column) -> bool {
    matches!(column.kind, ColumnKind::Date | ColumnKind::LocalTimestamp | ColumnKind::Instant)
}

pub(super) fn written(name: &str) -> String {
    cases::write::name(name)
}

/// A value that the codec reads.
fn example(def: &FieldDef, column: &Column, codec: &str) -> String {
    match codec {
        "date: yyyymmdd" => "20260115".to_owned(),
        "date: cyyddd" => "126015".to_owned(),
        "date: iso" => "2026-01-15".to_owned(),
        _ if codec.starts_with("bool") => "Y".to_owned(),
        _ if def.form == Form::Currency => "EUR".to_owned(),
        _ if def.form == Form::Country => "DE".to_owned(),
        _ => plain_example(column),
    }
}

pub(super) fn plain_example(column: &Column) -> String {
    let words = super::words::words(&column.name);
    let about = |word: &str| words.iter().any(|own| own == word);
    let text = match column.kind {
        ColumnKind::Text if about("unit") => "EA",
        ColumnKind::Text if about("currency") => "EUR",
        ColumnKind::Bool => "true",
        ColumnKind::Integer | ColumnKind::Decimal | ColumnKind::Float32 | ColumnKind::Float64 => {
            "1"
        }
        ColumnKind::Date => "2026-01-15",
        ColumnKind::Time => "10:00:00",
        ColumnKind::LocalTimestamp => "2026-01-15 10:00:00",
        ColumnKind::Instant => "2026-01-15 10:00:00+00",
        ColumnKind::Interval => "P1D",
        ColumnKind::Uuid => "00000000-0000-0000-0000-000000000001",
        ColumnKind::Json => "{}",
        ColumnKind::Bytes => "\\x00",
        ColumnKind::Text | ColumnKind::Other => "A1",
    };
    text.to_owned()
}
