//! The proposal for one table.

use erpbridge_connector::{Column, ColumnKind, TableSchema};

use super::Sketch;
use super::guess::{self, Told};
use crate::canonical::{FieldDef, FieldKind, Form};
use crate::mapping::cases;

/// Units as ERPs write them, and their codes in UN/ECE Recommendation 20.
const UNITS: &[(&str, &str)] = &[
    ("EA", "C62"),
    ("PC", "C62"),
    ("PCS", "C62"),
    ("ST", "C62"),
    ("STK", "C62"),
    ("UN", "C62"),
    ("KG", "KGM"),
    ("G", "GRM"),
    ("T", "TNE"),
    ("M", "MTR"),
    ("CM", "CMT"),
    ("MM", "MMT"),
    ("L", "LTR"),
    ("H", "HUR"),
    ("HR", "HUR"),
    ("M2", "MTK"),
    ("M3", "MTQ"),
];

/// Words for states, where a code is one.
const STATES: &[(&str, &[&str])] = &[
    ("draft", &["draft", "new", "entered"]),
    ("pending_approval", &["pending", "pending_approval", "submitted"]),
    ("approved", &["approved"]),
    ("rejected", &["rejected"]),
    ("released", &["released", "sent", "issued"]),
    ("closed", &["closed", "done", "complete", "completed"]),
    ("cancelled", &["cancelled", "canceled", "void"]),
];

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
    pub(super) codes: Vec<String>,
    pub(super) guesses: Vec<String>,
    pub(super) open: Vec<String>,
}

impl<'s> Proposal<'s> {
    /// `None` if the rows could be anything.
    pub(super) fn of(sketch: &'s Sketch, entity: Option<&str>) -> Option<Self> {
        let table = &sketch.schema().name.table;
        let guessed = guess::entity(table);
        let told = guess::told(entity.or(guessed)?)?;
        let alias = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
        let mut proposal = Self {
            sketch,
            alias: table.chars().map(alias).collect(),
            entity: told.new.entity.as_str(),
            told,
            company: None,
            plant: None,
            number: None,
            fields: Vec::new(),
            taken: Vec::new(),
            cells: Vec::new(),
            codes: Vec::new(),
            guesses: Vec::new(),
            open: Vec::new(),
        };
        if entity.is_none() {
            let entity = format!("{}.{}", proposal.told.new.family, proposal.entity);
            proposal.guess(format!("a row of `{table}` is told as {entity}"));
        }
        proposal.scopes();
        proposal.fields();
        Some(proposal)
    }

    pub(super) fn schema(&self) -> &'s TableSchema {
        &self.sketch.table.schema
    }

    fn guess(&mut self, sentence: String) {
        self.guesses.push(sentence);
    }

    fn column(&self, wanted: &str, fits: impl Fn(&Column) -> bool) -> Option<&'s Column> {
        guess::column(self.sketch, wanted, &self.taken, fits)
    }

    fn take(&mut self, column: &'s Column) -> &'s str {
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
        if let Some(column) = self.column("number", text) {
            let name = self.take(column);
            self.guess(format!("`{name}` is the number people use"));
            self.number = Some(name.to_owned());
        }
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
                FieldKind::Code(states) => self.state(def, states),
                FieldKind::List(_) => None,
                _ => self.plain(def),
            };
            let line = line.or_else(|| def.required.then(|| self.unknown(def)));
            self.fields.extend(line.map(|line| format!("{}: {line}", def.name)));
        }
    }

    fn plain(&mut self, def: &FieldDef) -> Option<String> {
        let sketch = self.sketch;
        let formed = matches!(def.form, Form::Unit | Form::Country | Form::OneOf(_));
        let fits = |column: &Column| {
            !formed && guess::codec(def, column, &sketch.seen(&column.name)).is_some()
        };
        let column = guess::field(sketch, &def.name, &self.taken, fits)?;
        let codec = guess::codec(def, column, &sketch.seen(&column.name))?;
        let name = self.take(column);
        self.guess(format!("field `{}` comes from column `{name}`", def.name));
        self.cells.push((name, example(def, column, &codec)));
        Some(match codec.as_str() {
            "" => format!("{} # GUESS", written(name)),
            codec => format!("{{ from: {}, {codec} }} # GUESS", written(name)),
        })
    }

    fn numeric(&mut self, def: &FieldDef) -> Option<String> {
        let number = |column: &Column| {
            matches!(
                column.kind,
                ColumnKind::Integer
                    | ColumnKind::Decimal
                    | ColumnKind::Float32
                    | ColumnKind::Float64
            )
        };
        let key = self.key();
        let fits = |column: &Column| number(column) && !key.contains(&column.name.as_str());
        let column = guess::field(self.sketch, &def.name, &self.taken, fits)?;
        let name = self.take(column);
        self.guess(format!("field `{}` comes from column `{name}`", def.name));
        self.cells.push((name, "12".to_owned()));
        let float = matches!(column.kind, ColumnKind::Float32 | ColumnKind::Float64);
        Some(if float {
            format!("{{ from: {}, float: {{ scale: 4 }} }}", written(name))
        } else {
            written(name)
        })
    }

    fn quantity(&mut self, def: &FieldDef) -> Option<String> {
        let value = self.numeric(def)?;
        let text = |column: &Column| column.kind == ColumnKind::Text;
        let Some(column) = guess::column(self.sketch, "unit", &[], text) else {
            self.guess(format!(
                "`{}` counts pieces (C62): no column of a unit was found",
                def.name
            ));
            return Some(format!("{{ value: {value}, unit: {{ constant: C62 }} }} # GUESS"));
        };
        let table = format!("{}_units", self.alias);
        if !self.taken.contains(&column.name.as_str()) {
            self.units(column, &table);
        }
        let unit = written(&column.name);
        Some(format!("{{ value: {value}, unit: {{ from: {unit}, code: {table} }} }} # GUESS"))
    }

    fn unit(&mut self) -> Option<String> {
        let column = self.column("unit", |column| column.kind == ColumnKind::Text)?;
        let table = format!("{}_units", self.alias);
        self.units(column, &table);
        Some(format!("{{ from: {}, code: {table} }} # GUESS", written(&column.name)))
    }

    fn units(&mut self, column: &'s Column, table: &str) {
        let name = self.take(column);
        let seen: Vec<String> = self.sketch.seen(name).into_iter().map(str::to_owned).collect();
        self.codes.push(format!("  {table}:"));
        self.code_lines(
            name,
            &seen,
            "units of UN/ECE Recommendation 20, as C62, KGM, MTR",
            |code| {
                let known = UNITS.iter().find(|(unit, _)| unit.eq_ignore_ascii_case(code));
                known.map(|(_, unit)| *unit)
            },
        );
    }

    /// One line for each code that was seen; those whose meaning is not known are left to a person.
    fn code_lines(
        &mut self,
        column: &'s str,
        seen: &[String],
        what: &str,
        meaning: impl Fn(&str) -> Option<&'static str>,
    ) {
        let mut unknown = Vec::new();
        for code in seen.iter().take(50) {
            if let Some(meaning) = meaning(code) {
                self.codes.push(format!("    \"{code}\": {meaning} # GUESS"));
            } else {
                unknown.push(format!("    # \"{code}\":"));
            }
        }
        if seen.is_empty() || !unknown.is_empty() {
            self.codes.push(format!("    # FILL IN what each code means: {what}"));
            self.open.push(format!("what the codes of column `{column}` mean: {what}"));
        }
        let example = unknown.first().and_then(|line| line.split('"').nth(1).map(str::to_owned));
        let example = example.or_else(|| seen.first().cloned()).unwrap_or_else(|| "X".to_owned());
        if seen.is_empty() {
            unknown.push("    # \"X\":".to_owned());
        }
        self.codes.append(&mut unknown);
        self.codes
            .push("    \"*\": dead_letter                     # a code nobody told of".to_owned());
        self.cells.push((column, example));
    }

    fn money(&mut self, def: &FieldDef) -> Option<String> {
        let value = self.numeric(def)?;
        let text = |column: &Column| column.kind == ColumnKind::Text;
        let currency = guess::column(self.sketch, "currency", &[], text);
        if let Some(column) = currency {
            let name = &column.name;
            self.cells.push((name, "EUR".to_owned()));
            let name = written(name);
            return Some(format!("{{ value: {value}, currency: {{ from: {name} }} }} # GUESS"));
        }
        self.guess(format!("`{}` is in EUR: no column of a currency was found", def.name));
        Some(format!("{{ value: {value}, currency: {{ constant: EUR }} }} # GUESS"))
    }

    /// The state of the lifecycle, where a column may hold it.
    fn state(&mut self, def: &FieldDef, states: &'static [String]) -> Option<String> {
        if def.name != "lifecycle_status" {
            return None;
        }
        let code = |column: &Column| matches!(column.kind, ColumnKind::Text | ColumnKind::Integer);
        let column = self.column("status", code)?;
        let name = self.take(column);
        self.guess(format!("column `{name}` is the status of the lifecycle"));
        let table = format!("{}_lifecycle", self.alias);
        let seen: Vec<String> = self.sketch.seen(name).into_iter().map(str::to_owned).collect();
        self.codes.push(format!("  {table}:"));
        self.code_lines(name, &seen, &format!("one of {}", states.join(", ")), |code| {
            let word = code.to_lowercase().replace([' ', '-'], "_");
            let known = STATES.iter().find(|(_, words)| words.contains(&word.as_str()));
            known.map(|(state, _)| *state).filter(|state| states.iter().any(|known| known == state))
        });
        Some(format!("{{ from: {}, code: {table} }} # GUESS", written(name)))
    }

    /// A field that the event must have, and no column looks like.
    fn unknown(&mut self, def: &FieldDef) -> String {
        self.open.push(format!("where field `{}` comes from: {}", def.name, def.description));
        let nothing = "{ expr: \"null\" }";
        match &def.kind {
            FieldKind::Quantity => {
                format!(
                    "{{ value: {nothing}, unit: {{ constant: C62 }} }} # FILL IN: {}",
                    def.description
                )
            }
            FieldKind::Money => {
                format!(
                    "{{ value: {nothing}, currency: {{ constant: EUR }} }} # FILL IN: {}",
                    def.description
                )
            }
            _ => format!("{nothing} # FILL IN: {}", def.description),
        }
    }
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
