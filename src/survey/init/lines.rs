//! The lines of a proposal: its table, fields, events and first case.

use erpbridge_connector::{Column, ColumnKind};

use super::table::{Proposal, plain_example, written};
use super::{carries_old_rows, guess};
use crate::canonical::{EventDef, FieldDef, FieldKind, catalog};
use crate::mapping::cases;

/// Steps that are most worth an event, the first first.
const STEPS: [&str; 6] = ["released", "approved", "posted", "received", "closed", "cancelled"];

impl Proposal<'_> {
    pub(super) fn write_table(&self, out: &mut Vec<String>) {
        let schema = self.schema();
        out.push(format!("  {}:", self.alias));
        out.push(format!("    table: {}", written(&schema.name.to_string())));
        let assumed = self.sketch.key_assumed;
        if assumed || schema.primary_key.is_empty() {
            let why = if assumed { "no column was marked" } else { "the table has no primary key" };
            out.push(format!("    key: [{}] # GUESS: {why}", listed(&self.key())));
        }
        let scope = |column: &str| format!("{{ column: {} }}", written(column));
        let company = self.company.map_or("{ constant: main }".to_owned(), scope);
        out.push(format!("    company: {company} # GUESS: whose rows they are"));
        if let Some(plant) = self.plant {
            out.push(format!("    plant: {} # GUESS", scope(plant)));
        }
        self.write_keep(out);
        self.write_zeros(out);
        let deleted = match self.told.deleted {
            Some(event) if event.event == "reversed" => "reversed",
            Some(_) => "physical",
            None => "ignore",
        };
        out.push(format!("    deleted: {deleted} # GUESS: what it means when a row is deleted"));
        let others = schema.columns.iter().map(|column| column.name.as_str());
        let key = self.key();
        let others: Vec<&str> =
            others.filter(|name| !self.taken.contains(name) && !key.contains(name)).collect();
        if !others.is_empty() {
            out.push(format!("    # not mapped: {}", others.join(", ")));
        }
    }

    /// An update without what was before is a change of nothing that can be named, and any write to
    /// the row looks like one.
    fn write_keep(&self, out: &mut Vec<String>) {
        if self.keeps() {
            out.push(
                "    # The rows are remembered: without what they were, `changed` and `before` are empty, and"
                    .to_owned(),
            );
            out.push(
                "    # updates of columns that are not mapped are told, too. A log of whole old rows needs no"
                    .to_owned(),
            );
            out.push("    # `keep` (PostgreSQL: REPLICA IDENTITY FULL).".to_owned());
            out.push("    keep: all".to_owned());
        }
    }

    /// Whether a rule looks at rows as they were, and the log does not carry them.
    fn keeps(&self) -> bool {
        let looks = self.upserts() || self.told.changed.is_some() || self.told.deleted.is_some();
        looks && self.tells_updates() && !carries_old_rows(self.schema())
    }

    /// A table that counts its days has 0 where there is none, and where a key leads nowhere.
    fn write_zeros(&self, out: &mut Vec<String>) {
        if self.days.is_empty() {
            return;
        }
        let zeros = self.days.iter().chain(&self.references);
        let zeros = zeros.map(|name| format!("{}: {{ null: [\"0\"] }}", written(name)));
        let zeros = zeros.collect::<Vec<_>>().join(", ");
        let what = if self.references.is_empty() { "0 is no day" } else { "0 is none" };
        out.push(format!("    columns: {{ {zeros} }} # GUESS: {what}"));
    }

    /// Whether one event tells of new rows and of changed ones.
    fn upserts(&self) -> bool {
        let both = ["upserted", "changed", "revised"].contains(&self.told.new.event.as_str());
        both && self.told.changed.is_none() && self.tells_updates()
    }

    /// The fields that the events of new and of changed rows share.
    pub(super) fn write_fields(&self, out: &mut Vec<String>) {
        if !self.fields.is_empty() {
            out.push(format!("  {}:", self.alias));
            out.extend(self.fields.iter().map(|line| format!("    {line}")));
            out.extend(self.other_fields());
        }
    }

    /// What else the event can tell, for a person who knows where it stands.
    fn other_fields(&self) -> Vec<String> {
        let written = |def: &&FieldDef| {
            let head = format!("{}:", def.name);
            !self.fields.iter().any(|line| line.starts_with(&head))
        };
        let entity = &self.told.new;
        let mut out = vec![format!(
            "    # More can be told, see docs/events/{}.{}.md:",
            entity.family, entity.entity
        )];
        let others: Vec<String> = entity.fields.iter().filter(written).map(as_written).collect();
        let indent = "    #  ";
        wrapped(indent.to_owned(), indent, others.iter().map(String::as_str), &mut out);
        if others.is_empty() { Vec::new() } else { out }
    }

    pub(super) fn write_events(&self, out: &mut Vec<String>) {
        let when = if self.upserts() { "[inserted, updated]" } else { "inserted" };
        self.write_event(self.told.new, when, out);
        if let Some(changed) = self.told.changed {
            self.write_event(changed, "updated", out);
        }
        if let Some(deleted) = self.told.deleted {
            self.write_event(deleted, "deleted", out);
        }
        self.write_step(out);
        self.write_others(out);
    }

    /// What else can happen to the entity, for a person who knows by which rows.
    fn write_others(&self, out: &mut Vec<String>) {
        let (new, changed, deleted) = (Some(self.told.new), self.told.changed, self.told.deleted);
        let told = |event: &&EventDef| [new, changed, deleted].contains(&Some(*event));
        let others = guess::events(&self.told.new.family, self.entity).filter(|event| !told(event));
        let others: Vec<&str> = others.map(|event| event.event.as_str()).collect();
        if others.is_empty() {
            return;
        }
        let head = format!("  # Other events of a {}:", self.entity);
        wrapped(head, "  #  ", others.join(", ").split(' '), out);
    }

    /// How a step of the status becomes an event of its own, for a person to take over.
    fn write_step(&self, out: &mut Vec<String>) {
        let Some((column, table, states)) = &self.status else { return };
        if !self.tells_updates() {
            return;
        }
        let new = self.told.new;
        let told = |state: &str| {
            let event = catalog().event(&format!("{}.{}.{state}", new.family, new.entity))?;
            let state = states.iter().find(|known| *known == state)?;
            (event.name != new.name).then_some((event, state))
        };
        let Some((event, state)) = STEPS.iter().find_map(|state| told(state)) else { return };
        let column = written(column);
        out.push("  # A step of the status can be told as what it means:".to_owned());
        out.push(format!("  # - emit: {}", event.name));
        out.push(format!("  #   on: {}", self.alias));
        out.push(format!(
            "  #   transition: {{ column: {column}, codes: {table}, axis: lifecycle, to: [{state}] }}"
        ));
        if let Some(number) = &self.number {
            out.push(format!("  #   number: {}", written(number)));
        }
        out.push(format!("  #   fields: {}", self.alias));
        if !self.keeps() && !carries_old_rows(self.schema()) {
            let why = "the log does not carry what it was";
            out.push(format!("  # with `keep: all` at the table, because {why}"));
        }
    }

    fn write_event(&self, event: &EventDef, when: &str, out: &mut Vec<String>) {
        out.push(format!("  - emit: {}", event.name));
        out.push(format!("    on: {}", self.alias));
        out.push(format!("    when: {when}"));
        if event.name == self.told.new.name {
            out.push("    snapshot: true # also for rows that are there already".to_owned());
        }
        if let Some(number) = &self.number {
            out.push(format!("    number: {} # GUESS", written(number)));
        }
        if !self.fields.is_empty() {
            out.push(format!("    fields: {}", self.alias));
        }
    }

    pub(super) fn write_case(&self, out: &mut Vec<String>) {
        let schema = self.schema();
        let key = self.key();
        // Columns that nothing is made of yet have a value too, for who maps them next.
        let cell = |column: &Column| {
            let own = self.cells.iter().rfind(|(name, _)| *name == column.name);
            let number = self.number.as_deref() == Some(&column.name);
            let number = number && column.kind == ColumnKind::Text;
            match own {
                Some((_, text)) => Some(text.clone()),
                None if number => Some("N-1".to_owned()),
                None => Some(plain_example(column)),
            }
        };
        let row: Vec<Option<String>> = schema.columns.iter().map(cell).collect();
        let values = key.iter().filter_map(|name| row.get(schema.column(name)?)?.clone());
        let joined = values.collect::<Vec<_>>().join("/");
        out.push(format!("  - name: a new row of {} is told", self.alias));
        out.push("    transactions:".to_owned());
        out.push(format!("      - - insert: {}", written(&schema.name.to_string())));
        if !self.codeless.is_empty() {
            let columns = listed(&self.codeless);
            out.push(format!("          # FILL IN codes that the mapping now knows: {columns}"));
        }
        cases::write::row("          row: ", schema, &row, out);
        out.push("    expect:".to_owned());
        out.push(format!("      - event: {}", self.told.new.name));
        out.push(format!("        headers: {{ ce-subject: {}/{joined} }}", self.entity));
    }
}

/// A field and what it holds: `total (money)`.
fn as_written(def: &FieldDef) -> String {
    let kind = match &def.kind {
        FieldKind::Text | FieldKind::Code(_) | FieldKind::Reference => return def.name.clone(),
        FieldKind::Integer | FieldKind::Decimal => "number",
        FieldKind::Quantity => "quantity",
        FieldKind::Money => "money",
        FieldKind::Date => "day",
        FieldKind::Instant => "instant",
        FieldKind::DateOrInstant => "day or instant",
        FieldKind::Bool => "yes or no",
        FieldKind::List(_) => "list",
    };
    format!("{} ({kind})", def.name)
}

/// What follows `head`, over as many lines as it takes.
fn wrapped<'w>(
    head: String,
    indent: &str,
    words: impl Iterator<Item = &'w str>,
    out: &mut Vec<String>,
) {
    let mut line = head;
    for word in words {
        if line.len() + word.len() > 96 {
            out.push(std::mem::replace(&mut line, indent.to_owned()));
        }
        line.push(' ');
        line.push_str(word);
    }
    out.push(line);
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| written(name)).collect::<Vec<_>>().join(", ")
}
